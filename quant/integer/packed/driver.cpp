#include "quant/integer/packed/packed.hpp"

#include <algorithm>
#include <cstring>

#include "core/dispatch.hpp"
#include "core/divide.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "quant/integer/direct/direct.hpp"
#include "quant/integer/kernel_args.hpp"
#include "quant/integer/packed/kernels.hpp"
#include "quant/integer/requant/block.hpp"

namespace intandem {
namespace {

struct PackedKernels {
  const char* isa;
  PackedTileFn four_bits, two_bits;
  bool streams;  ///< obey PackedTile::stream_ahead_bytes
};

#if defined(__x86_64__)
constexpr PackedKernels kVnni = {"avx512vnni", fc_packed4_avx512vnni, fc_packed2_avx512vnni, true};
constexpr PackedKernels kAvx2 = {"avx2", fc_packed4_avx2, fc_packed2_avx2, false};
#endif

constexpr KernelRow<const PackedKernels*> kTable[] = {
#if defined(__x86_64__)
    {Isa::avx512vnni, &kVnni},
    {Isa::avx2, &kAvx2},
#endif
    {Isa::ref, nullptr},
};

/// q_w = (u << shift) − offset with 0 ≤ u < 2^bits.
struct UnsignedCode {
  bool possible = false;
  std::int32_t shift = 0, offset = 0;
};

UnsignedCode unsigned_code(const TensorS8& weights, std::int32_t bits) {
  std::int32_t low = 0, high = 0;
  bool odd = true;
  const std::int32_t levels = 1 << bits;
  constexpr std::int64_t kPart = 4096;  // most layers of more bits are known by their first weights
  for (std::int64_t first = 0; first < weights.size(); first += kPart) {
    for (std::int64_t i = first; i < std::min(weights.size(), first + kPart); ++i) {
      const std::int8_t q = weights[i];
      low = std::min<std::int32_t>(low, q);
      high = std::max<std::int32_t>(high, q);
      odd = odd && q % 2 != 0;
    }
    if (low <= -levels || high >= levels) return {};
  }
  if (low >= -levels / 2 && high < levels / 2) return {true, 0, levels / 2};
  if (odd && low > -levels && high < levels) return {true, 1, levels - 1};
  return {};
}

class PackedLayer final : public PreparedLayer {
 public:
  PackedLayer(const IntLayer& layer, std::int32_t bits, UnsignedCode code,
              const PackedKernels& kernels, std::int64_t stream_ahead_bytes)
      : layer_(layer),
        bits_(bits),
        code_(code),
        kernels_(kernels),
        tile_(bits == 4 ? kernels.four_bits : kernels.two_bits),
        stride_(round_up(layer.shape.C, kPackedCodes)),
        panels_(ceil_div(layer.shape.K, kPackedWidth)),
        panel_bytes_(stride_ * kPackedWidth * bits / 8),
        requant_data_(layer),
        requant_(requant_function(active_isa())),
        stream_ahead_bytes_(stream_ahead_bytes) {
    // Even, because at 2 bits the kernel takes two groups at a time.
    chunk_ = 32767 / (2 * ((1 << bits) - 1) * layer.in_max) / 2 * 2;
    pack();
  }

  std::string algorithm() const override {
    return "packed" + std::to_string(bits_) + "_" + kernels_.isa;
  }
  std::string reason() const override { return "weights stay packed in memory"; }
  std::int64_t packed_bytes() const override {
    return panels_ * panel_bytes_ + bias_.size_bytes() + requant_data_.size_bytes();
  }
  std::int64_t executed_macs() const override { return layer_.shape.macs(); }
  /// Panels are whole: a layer of 10 classes costs as much as one of 32.
  Work work(std::int64_t N) const override {
    return {N * panels_ * kPackedWidth * layer_.shape.C, packed_bytes()};
  }
  // Every worker's corrections, one per row; then rows padded to whole blocks of codes, if they are
  // not whole as they lie.
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return workers_ * corrections_bytes(N) + (stride_ == layer_.shape.C ? 0 : N * stride_);
  }
  void run(const LayerRun& args) const override;

 private:
  static std::int64_t corrections_bytes(std::int64_t N) {
    return round_up(N * std::int64_t{sizeof(std::int32_t)}, 64);
  }
  void pack();
  const std::uint8_t* whole_rows(const LayerRun& args) const;
  void run_panel(const LayerRun& args, std::int64_t panel, const std::uint8_t* rows,
                 const std::int32_t* corrections) const;

  const IntLayer layer_;
  const std::int32_t bits_;
  const UnsignedCode code_;
  const PackedKernels& kernels_;
  const PackedTileFn tile_;
  const std::int64_t stride_, panels_, panel_bytes_;
  const RequantData requant_data_;
  const RequantFn requant_;
  const std::int64_t workers_ = thread_count();
  const std::int64_t stream_ahead_bytes_;
  std::int64_t chunk_ = 0;
  std::shared_ptr<std::byte> packed_;
  TensorS32 bias_;
};

// Layout: packed/kernels.hpp. Channels and codes beyond the layer's are 0: their activations are
// 0, their accumulators are not stored.
void PackedLayer::pack() {
  const std::int64_t K = layer_.shape.K, C = layer_.shape.C;
  packed_ = allocate_aligned(static_cast<std::size_t>(panels_ * panel_bytes_));
  std::memset(packed_.get(), 0, static_cast<std::size_t>(panels_ * panel_bytes_));
  parallel_for(K, kPackedWidth, [&](std::int64_t first, std::int64_t last) {
    auto* panel =
        reinterpret_cast<std::uint8_t*>(packed_.get()) + first / kPackedWidth * panel_bytes_;
    for (std::int64_t k = first; k < last; ++k) {
      for (std::int64_t c = 0; c < C; ++c) {
        const std::int32_t u = (layer_.weights[k * C + c] + code_.offset) >> code_.shift;
        const std::int64_t group = c / 4, lane = 4 * (k % 16) + c % 4,
                           upper = k % kPackedWidth / 16;
        const std::int64_t vector = bits_ == 4 ? group : group / 2;
        const std::int64_t at = upper * bits_ + (bits_ == 4 ? 0 : group % 2 * 4);
        std::uint8_t& byte = panel[64 * vector + lane];
        byte = static_cast<std::uint8_t>(byte | u << at);
      }
    }
  });
  bias_ = TensorS32::zeros({panels_ * kPackedWidth});
  std::copy(layer_.bias.begin(), layer_.bias.end(), bias_.begin());
}

void PackedLayer::run_panel(const LayerRun& args, std::int64_t panel, const std::uint8_t* rows,
                            const std::int32_t* corrections) const {
  const std::int64_t K = layer_.shape.K, first = panel * kPackedWidth;
  const std::int64_t channels = std::min(kPackedWidth, K - first);
  const auto* weights = reinterpret_cast<const std::uint8_t*>(packed_.get()) + panel * panel_bytes_;
  alignas(64) std::int32_t acc[kPackedRows * kPackedWidth];
  for (std::int64_t n = 0; n < args.N; n += kPackedRows) {
    const std::int64_t count = std::min(kPackedRows, args.N - n);
    tile_({weights, rows + n * stride_, stride_, bias_.data() + first, corrections + n, code_.shift,
           chunk_, acc, stream_ahead_bytes_},
          count);
    if (layer_.is_last()) {
      for (std::int64_t i = 0; i < count; ++i) {
        std::memcpy(args.accumulators + (n + i) * K + first, acc + i * kPackedWidth,
                    static_cast<std::size_t>(channels) * sizeof(std::int32_t));
      }
      continue;
    }
    requant_({acc, nullptr, args.codes + n * K + first, count, channels, kPackedWidth, K,
              requant_data_.from(first)});
  }
}

/// The rows of codes, stride_ apart.
const std::uint8_t* PackedLayer::whole_rows(const LayerRun& args) const {
  const std::int64_t C = layer_.shape.C;
  if (stride_ == C) return args.input;
  auto* rows = reinterpret_cast<std::uint8_t*>(args.scratch + workers_ * corrections_bytes(args.N));
  for (std::int64_t n = 0; n < args.N; ++n) {
    std::memcpy(rows + n * stride_, args.input + n * C, static_cast<std::size_t>(C));
    std::memset(rows + n * stride_ + C, 0, static_cast<std::size_t>(stride_ - C));
  }
  return rows;
}

// Panels are shared out as they are asked for. Every worker adds up the codes for itself, because
// another one may have to wake up first, and weights should already be on their way then.
void PackedLayer::run(const LayerRun& args) const {
  const std::uint8_t* rows = whole_rows(args);
  const std::int64_t workers = linear_workers(layer_.shape, args.N, workers_);
  SharedRange panels(panels_, workers);
  parallel_for(workers, 1, [&](std::int64_t worker, std::int64_t) {
    auto* corrections =
        reinterpret_cast<std::int32_t*>(args.scratch + worker * corrections_bytes(args.N));
    for (std::int64_t n = 0; n < args.N; ++n) {
      std::uint32_t sum = 0;
      for (std::int64_t c = 0; c < layer_.shape.C; ++c) sum += rows[n * stride_ + c];
      corrections[n] = static_cast<std::int32_t>(sum * static_cast<std::uint32_t>(code_.offset));
    }
    for (std::int64_t first = 0, last = 0; panels.take(first, last);) {
      for (std::int64_t p = first; p < last; ++p) run_panel(args, p, rows, corrections);
    }
  });
}

}  // namespace

std::unique_ptr<PreparedLayer> prepare_packed(const IntLayer& layer, std::int32_t bits,
                                              bool ahead) {
  const PackedKernels* kernels = choose_kernel(kTable);
  if (kernels == nullptr || layer.kind != IntLayerKind::linear || layer.in_max > 127 ||
      layer.add >= 0 || layer.pool_kernel > 0 || (ahead && !kernels->streams)) {
    return nullptr;
  }
  const UnsignedCode code = unsigned_code(layer.weights, bits);
  if (!code.possible) return nullptr;
  return std::make_unique<PackedLayer>(layer, bits, code, *kernels, ahead ? kStreamAhead_bytes : 0);
}

}  // namespace intandem
