// Random integer layers and models, guarded buffers, and the definition of a layer written a second
// time, independently of ops_ref.cpp: wide arithmetic, one output at a time, no shared code.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "core/dispatch.hpp"
#include "core/parallel.hpp"
#include "core/rng.hpp"
#include "quant/integer/model.hpp"
#include "quant/integer/prepared_layer.hpp"
#include "tests/restore_settings.hpp"

namespace intandem::testing {

__extension__ typedef __int128 Wide;

/// Consecutive draws, for tests only.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : rng_(seed) {}
  /// Uniform in [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + rng_.below(counter_++, static_cast<std::uint32_t>(high - low + 1));
  }
  bool coin() { return between(0, 1) == 1; }
  template <class T>
  T pick(std::initializer_list<T> items) {
    return items.begin()[between(0, static_cast<std::int64_t>(items.size()) - 1)];
  }

 private:
  Rng rng_;
  std::uint64_t counter_ = 0;
};

inline std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : kAllIsas) {
    if (isa_includes(detected_isa(), isa)) isas.push_back(isa);
  }
  return isas;
}

/// How the codes of a case are drawn.
enum class Values { random, largest, smallest };

struct LayerOptions {
  IntLayerKind kind = IntLayerKind::conv;
  ConvShape shape;
  std::int32_t weight_bits = 8, in_max = 255, max_code = 255;  // max_code 0: raw accumulators
  bool per_channel = false, with_add = false;
  std::int64_t pool_kernel = 0, pool_stride = 0;
  bool odd_codes = false;     // DoReFa: 2·u − (2^W − 1); 1-bit weights always are
  bool zero_padding = false;  // else random codes
  Values weights = Values::random;
  std::int32_t zero_point = 0, add_zero = 0;
  std::int64_t largest_bias = 5000;
};

/// A valid layer (bound measured) whose multipliers send the accumulators into the range of codes.
inline IntLayer make_layer(const LayerOptions& o, Draw& draw) {
  IntLayer layer;
  layer.name = "case";
  layer.kind = o.kind;
  layer.shape = o.shape;
  layer.weight_bits = o.weight_bits;
  layer.in_max = o.in_max;
  layer.max_code = o.max_code;
  layer.pool_kernel = o.pool_kernel;
  layer.pool_stride = o.pool_stride;
  layer.zero_point = o.max_code > 0 ? o.zero_point : 0;
  const ConvShape& s = o.shape;
  if (o.kind != IntLayerKind::avg_pool) {
    const std::int64_t low = -(1 << (o.weight_bits - 1)), high = -low - 1;
    layer.weights = TensorS8(o.kind == IntLayerKind::linear ? Shape{s.K, s.C}
                                                            : Shape{s.K, s.R, s.S, s.group_C()});
    for (auto& q : layer.weights) {
      std::int64_t code = draw.between(low, high);
      if (o.weights == Values::largest) code = high;
      if (o.weights == Values::smallest) code = low;
      if (o.odd_codes || o.weight_bits == 1) code = 2 * code + 1;
      q = static_cast<std::int8_t>(code);
    }
    layer.bias = TensorS32(Shape{s.K});
    for (auto& b : layer.bias)
      b = static_cast<std::int32_t>(draw.between(-o.largest_bias, o.largest_bias));
    layer.pad_code = TensorU8(Shape{s.C});
    for (auto& z : layer.pad_code) {
      z = static_cast<std::uint8_t>(o.zero_padding ? 0 : draw.between(0, o.in_max));
    }
  }
  measure_bounds(layer);
  if (o.max_code > 0) {
    const std::int64_t scales = o.per_channel ? s.K : 1;
    for (std::int64_t k = 0; k < scales; ++k) {
      // 2^-n·m ≈ max_code / (a fraction of the bound)
      Multiplier scale{static_cast<std::int32_t>(draw.between(1, 32767)), 1};
      const std::int64_t reach = layer.bound / draw.pick<std::int64_t>({1, 4, 16}) + 1;
      while (scale.n < kMaxShift && ((reach * scale.m) >> scale.n) > o.max_code) ++scale.n;
      layer.scale.push_back(scale);
      if (o.with_add) {
        const std::int64_t whole = std::int64_t{1} << (scale.n < 30 ? scale.n : 30);
        layer.add_m.push_back(static_cast<std::int32_t>(draw.between(0, whole)));
      }
    }
    if (o.with_add) layer.add = 0;
    if (o.with_add) layer.add_zero = o.add_zero;
  }
  return layer;
}

inline std::vector<std::uint8_t> random_codes(std::int64_t size, std::int32_t largest, Draw& draw,
                                              Values values = Values::random) {
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(size));
  for (auto& code : codes) {
    code = static_cast<std::uint8_t>(draw.between(0, largest));
    if (values == Values::largest) code = static_cast<std::uint8_t>(largest);
    if (values == Values::smallest) code = 0;
  }
  return codes;
}

/// The layer by its definition. Returns the codes (or accumulators, if is_last) as int64.
inline std::vector<std::int64_t> naive_layer(const IntLayer& layer, std::int64_t N,
                                             const std::vector<std::uint8_t>& input,
                                             const std::vector<std::uint8_t>& shortcut) {
  const ConvShape& s = layer.shape;
  const std::int64_t P = s.P(), Q = s.Q();
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  std::vector<std::int64_t> out(at(N * P * Q * s.K));
  for (std::int64_t i = 0; i < N * P * Q * s.K; ++i) {
    const std::int64_t k = i % s.K, q = i / s.K % Q, p = i / s.K / Q % P, n = i / s.K / Q / P;
    std::int64_t acc = layer.bias.empty() ? 0 : layer.bias[k];
    for (std::int64_t tap = 0; tap < s.R * s.S; ++tap) {
      const std::int64_t h = p * s.stride + tap / s.S - s.pad;
      const std::int64_t w = q * s.stride + tap % s.S - s.pad;
      const bool inside = h >= 0 && h < s.H && w >= 0 && w < s.W;
      for (std::int64_t c = 0; c < s.C; ++c) {
        const bool pool = layer.kind == IntLayerKind::avg_pool;
        if (pool && c != k) continue;
        const std::int64_t in_group = c - k * s.groups / s.K * (s.C / s.groups);
        if (!pool && (in_group < 0 || in_group >= s.C / s.groups)) continue;
        const int x = inside ? input[at(((n * s.H + h) * s.W + w) * s.C + c)] : layer.pad_code[c];
        const std::int64_t place = (k * s.R * s.S + tap) * (s.C / s.groups) + in_group;
        acc += pool ? x : x * layer.weights[place];
      }
    }
    Wide sum = acc;
    if (!layer.is_last()) {
      const Multiplier scale = layer.channel_scale(k);
      sum *= scale.m;
      if (layer.add >= 0) {
        sum += (Wide{shortcut[at(i)]} - layer.add_zero) *
               layer.add_m[layer.add_m.size() == 1 ? 0 : at(k)];
      }
      // floor((2·sum + 2ⁿ) / 2ⁿ⁺¹) by division, so that no shift is shared with the engine
      const Wide divisor = Wide{1} << (scale.n + 1);
      const Wide dividend = 2 * sum + divisor / 2;
      sum = dividend / divisor - (dividend % divisor < 0 ? 1 : 0) + layer.zero_point;
      sum = sum < 0 ? Wide{0} : sum > layer.max_code ? Wide{layer.max_code} : sum;
    }
    out[at(i)] = static_cast<std::int64_t>(sum);
  }
  if (layer.pool_kernel == 0) return out;
  const std::int64_t PP = (P - layer.pool_kernel) / layer.pool_stride + 1;
  const std::int64_t QQ = (Q - layer.pool_kernel) / layer.pool_stride + 1;
  std::vector<std::int64_t> pooled(at(N * PP * QQ * s.K), -1);
  for (std::int64_t i = 0; i < N * PP * QQ * s.K; ++i) {
    const std::int64_t k = i % s.K, q = i / s.K % QQ, p = i / s.K / QQ % PP, n = i / s.K / QQ / PP;
    for (std::int64_t tap = 0; tap < layer.pool_kernel * layer.pool_kernel; ++tap) {
      const std::int64_t h = p * layer.pool_stride + tap / layer.pool_kernel;
      const std::int64_t w = q * layer.pool_stride + tap % layer.pool_kernel;
      pooled[at(i)] = std::max(pooled[at(i)], out[at(((n * P + h) * Q + w) * s.K + k)]);
    }
  }
  return pooled;
}

/// `size` elements that end, rounded up to `alignment` bytes, at a page nobody may touch: reading
/// or writing past it kills the test, also by instructions that sanitizers do not see (tile loads).
/// intact() tells whether the 64 bytes before and the few up to that page were written to.
template <class T>
class Guarded {
 public:
  static constexpr std::size_t kGuard_bytes = 64;
  static constexpr unsigned char kMark = 0xA5;

  explicit Guarded(std::int64_t size, std::size_t alignment = 64)
      : size_bytes_(static_cast<std::size_t>(size) * sizeof(T)) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t rounded = (size_bytes_ + alignment - 1) / alignment * alignment;
    mapped_bytes_ = (rounded + kGuard_bytes + page - 1) / page * page + page;
    void* mapped =
        ::mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<unsigned char*>(mapped);
    end_ = memory_ + mapped_bytes_ - page;
    if (::mprotect(end_, page, PROT_NONE) != 0) throw std::bad_alloc();
    data_ = end_ - rounded;
    std::memset(data_ - kGuard_bytes, kMark, kGuard_bytes + rounded);
  }
  ~Guarded() { ::munmap(memory_, mapped_bytes_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() { return reinterpret_cast<T*>(data_); }
  bool intact() const {
    const auto marked = [](unsigned char byte) { return byte == kMark; };
    return std::all_of(data_ - kGuard_bytes, data_, marked) &&
           std::all_of(data_ + size_bytes_, end_, marked);
  }

 private:
  std::size_t size_bytes_, mapped_bytes_;
  unsigned char *memory_, *data_, *end_;
};

/// Runs a prepared layer between guards. Input and shortcut are copied to blocks whose last byte is
/// the last that may be read. Returns what naive_layer returns; throws on a broken guard.
inline std::vector<std::int64_t> run_guarded(const PreparedLayer& prepared, const IntLayer& layer,
                                             std::int64_t N, const std::vector<std::uint8_t>& input,
                                             const std::vector<std::uint8_t>& shortcut) {
  const std::int64_t size = N * layer.output_size();
  Guarded<std::uint8_t> codes(layer.is_last() ? 0 : size);
  Guarded<std::int32_t> accumulators(layer.is_last() ? size : 0);
  Guarded<std::byte> scratch(prepared.scratch_bytes(N));
  Guarded<std::uint8_t> in(static_cast<std::int64_t>(input.size()), 1);
  Guarded<std::uint8_t> add(static_cast<std::int64_t>(shortcut.size()), 1);
  std::copy(input.begin(), input.end(), in.data());
  std::copy(shortcut.begin(), shortcut.end(), add.data());
  LayerRun args;
  args.N = N;
  args.input = in.data();
  args.shortcut = layer.add >= 0 ? add.data() : nullptr;
  args.codes = layer.is_last() ? nullptr : codes.data();
  args.accumulators = layer.is_last() ? accumulators.data() : nullptr;
  args.scratch = scratch.data();
  prepared.run(args);
  if (!codes.intact() || !accumulators.intact() || !scratch.intact()) {
    throw Error(prepared.algorithm(), "wrote outside its buffers: " + layer.shape.str(), "fix it");
  }
  std::vector<std::int64_t> result(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = layer.is_last() ? accumulators.data()[i] : codes.data()[i];
  }
  return result;
}

}  // namespace intandem::testing
