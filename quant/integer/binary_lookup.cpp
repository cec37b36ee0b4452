// Driver of the one-bit kernel that looks products up. The images of a batch are one tall image,
// rows and images apart by `pad` pixels that both neighbours share. A task is some of its output
// rows and a panel of channels: the input rows become planes of sextets in the worker's own memory,
// where the sextets of 64 neighbouring windows are 64 neighbouring bytes.
#include <algorithm>
#include <cstring>

#include "core/divide.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "quant/integer/binary.hpp"
#include "quant/integer/binary_lookup_kernels.hpp"
#include "quant/integer/binary_thresholds.hpp"
#include "quant/integer/direct.hpp"
#include "quant/integer/requant_block.hpp"

#if defined(__x86_64__)
namespace intandem {
namespace {

constexpr std::int64_t kTaskVectors = 24;  // more if one row needs them
constexpr std::int64_t kMostOctets = 8;    // of a panel: the channels of a word of bits
constexpr std::int64_t kWorkerTasks = 6;   // or smaller panels, where rows are not enough

/// One worker's memory: what its planes hold, and what becomes of it.
struct Workspace {
  std::int64_t* strip;   ///< whose input rows the planes hold, −1: none
  std::uint8_t* planes;  ///< [sextets of a pixel][plane_bytes]
  std::uint8_t* digits;
  std::uint8_t* bits;    ///< codes of one bit: [octets][vectors][64]
  std::uint64_t* words;  ///< the same: [vectors][64]
  std::int32_t* acc;     ///< other codes: [vectors][64][channels of a panel]
  std::int64_t size_bytes;
};

class BinaryLookupLayer final : public PreparedLayer {
 public:
  explicit BinaryLookupLayer(const IntLayer& layer)
      : layer_(layer),
        requant_data_(layer),
        requant_(requant_function(active_isa())),
        thresholds_(binary_thresholds(layer)) {
    const ConvShape& s = layer.shape;
    pixel_sextets_ = ceil_div(s.C, kSextet);
    sextets_ = round_up(s.R * s.S * pixel_sextets_, 4);
    row_bytes_ = s.W + s.pad;
    period_ = s.H + s.pad;
    all_octets_ = ceil_div(s.K, kOctet);
    workers_ = thread_count();
    most_rows_ = std::max<std::int64_t>(1, kTaskVectors * kLookupPixels / row_bytes_);
    plane_bytes_ = ((most_rows_ + s.R - 1) * row_bytes_ + s.S + kLookupPixels) / 128 * 128 + 192;
    // Whole cache lines of codes; fewer channels rather than few tasks, or many accumulators.
    const std::int64_t strips = ceil_div(s.P(), strip_rows(1));
    octets_ = one_bit() ? kMostOctets : 2;
    while (octets_ > 2 && strips < workers_ &&
           strips * ceil_div(all_octets_, octets_) < kWorkerTasks * workers_) {
      octets_ /= 2;
    }
    panels_ = ceil_div(all_octets_, octets_);
    workspace_bytes_ = workspace(nullptr).size_bytes;
    pack();
  }

  std::string algorithm() const override { return "binary_avx512vbmi"; }
  std::string reason() const override { return "one-bit weights and codes"; }
  std::int64_t packed_bytes() const override {
    return weight_bytes() + static_cast<std::int64_t>(bounds_.size()) + thresholds_.size_bytes() +
           requant_data_.size_bytes();
  }
  std::int64_t executed_macs() const override { return layer_.shape.macs(); }
  std::int64_t cost(std::int64_t N) const override;
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return workers_ * workspace_bytes_ +
           (layer_.pool_kernel > 0 ? N * pixels() * layer_.shape.K : 0);
  }
  void run(const LayerRun& args) const override;

 private:
  bool one_bit() const { return !thresholds_.limit.empty(); }
  std::int64_t pixels() const { return layer_.shape.P() * layer_.shape.Q(); }
  std::int64_t panel_channels() const { return octets_ * kOctet; }
  std::int64_t weight_bytes() const { return all_octets_ * sextets_ * kSextetBytes; }
  /// Output rows of the tall image. Of every period_ rows the first P are an image's.
  std::int64_t tall_rows(std::int64_t N) const { return (N - 1) * period_ + layer_.shape.P(); }
  std::int64_t vectors(std::int64_t rows) const {
    return ceil_div((rows - 1) * row_bytes_ + layer_.shape.Q(), kLookupPixels);
  }
  /// Of all `all` output rows, cut into strips of `rows` and a last one.
  std::int64_t strip_vectors(std::int64_t all, std::int64_t rows) const {
    const std::int64_t last = all % rows;
    return all / rows * vectors(rows) + (last > 0 ? vectors(last) : 0);
  }
  std::int64_t strip_rows(std::int64_t N) const;
  Workspace workspace(std::byte* memory) const;
  void pack();
  void pack_table(std::int64_t k, std::int64_t tap, std::int64_t c, std::uint8_t* octet) const;
  void pack_rows(const LayerRun& args, std::int64_t first, std::int64_t rows,
                 std::uint8_t* planes) const;
  void count_panel(const Workspace& w, std::int64_t vectors, std::int64_t panel) const;
  void store_row(const LayerRun& args, std::uint8_t* codes, const Workspace& w, std::int64_t row,
                 std::int64_t pixel, std::int64_t panel) const;

  const IntLayer layer_;
  const RequantData requant_data_;
  const RequantFn requant_;
  const BinaryThresholds thresholds_;
  std::int64_t pixel_sextets_ = 0, sextets_ = 0;  // of a pixel, of a window
  std::int64_t row_bytes_ = 0, period_ = 0;       // of a row of a plane; rows from image to image
  std::int64_t most_rows_ = 1;                    // output rows of a task
  /// Their input rows, the padding behind the last, and what the last vector reads beyond; an odd
  /// number of cache lines, so that planes do not share sets of the cache.
  std::int64_t plane_bytes_ = 0;
  std::int64_t all_octets_ = 0, octets_ = 0, panels_ = 0;  // of the layer, of a panel
  std::int64_t workers_ = 1, workspace_bytes_ = 0;
  std::vector<std::int64_t> offsets_;      // of the sextets of a window, from its first pixel
  std::vector<std::uint8_t> pad_sextets_;  // of a pixel outside the image
  std::vector<std::uint8_t> bounds_;       // limits + 1, [octets][kCountDigits]
  std::shared_ptr<std::byte> packed_;
};

/// In products of the direct algorithm, about 110 per cycle.
std::int64_t BinaryLookupLayer::cost(std::int64_t N) const {
  constexpr std::int64_t kPerSextet = 565, kPerTable = 350, kPerVector = 14000, kPerByte = 100;
  const std::int64_t all = tall_rows(N), rows = strip_rows(N), strips = ceil_div(all, rows);
  const std::int64_t cost =
      all_octets_ * (strip_vectors(all, rows) * (sextets_ * kPerSextet + kPerVector) +
                     strips * sextets_ * kPerTable) +
      (all + strips * (layer_.shape.R - 1)) * row_bytes_ * pixel_sextets_ * kPerByte;
  // Looking up takes the same two ports there, counting gains more from the others.
  const VectorPorts ports = cpu_traits().vector_ports;
  if (ports == VectorPorts::four_halves) return cost * 10 / 9;
  return ports == VectorPorts::four ? cost * 4 / 3 : cost;
}

/// As many rows to a task as take the fewest vectors for all of them, most_rows_ at most; the
/// tables of a task are as much work as two thirds of a vector. With a task for every worker they
/// may take a tenth more: tasks of other panels would write to the same cache lines.
std::int64_t BinaryLookupLayer::strip_rows(std::int64_t N) const {
  const std::int64_t all = tall_rows(N);
  const auto work = [&](std::int64_t rows) {
    return 3 * strip_vectors(all, rows) + 2 * ceil_div(all, rows);
  };
  const auto best = [&](std::int64_t most) {
    std::int64_t rows_of_best = most;
    for (std::int64_t rows = most; rows > 0; --rows) {
      if (work(rows) < work(rows_of_best)) rows_of_best = rows;
    }
    return rows_of_best;
  };
  const std::int64_t free = best(std::min(most_rows_, all));
  const std::int64_t shared = best(std::min(most_rows_, ceil_div(all, workers_)));
  return 10 * work(shared) <= 11 * work(free) ? shared : free;
}

/// The weights of channel k for the three codes from c on, fewer at the end of a pixel: in how many
/// places they differ, for every value of the codes, and whether that is odd.
void BinaryLookupLayer::pack_table(std::int64_t k, std::int64_t tap, std::int64_t c,
                                   std::uint8_t* octet) const {
  const ConvShape& s = layer_.shape;
  const std::int64_t count = std::min<std::int64_t>(3, s.C - c), upper = c % kSextet / 3;
  const std::int8_t* q = layer_.weights.data() + (k * s.R * s.S + tap) * s.C + c;
  std::uint8_t* matrix = octet + (c / kSextet * s.R * s.S + tap) * kSextetBytes;
  for (std::int64_t i = 0; i < count; ++i) {
    const int row = 1 << (3 * upper + i) | (q[i] > 0 ? 1 << kSextet : 0);
    matrix[kOctet - 1 - k % kOctet] ^= static_cast<std::uint8_t>(row);
  }
  std::uint8_t* ones = matrix + 8 + 16 * upper;
  for (unsigned codes = 0; codes < 8; ++codes) {
    unsigned differ = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      differ += (codes >> i & 1) != (q[i] > 0 ? 1u : 0u);
    }
    ones[codes] |= static_cast<std::uint8_t>((differ & 1) << (k % kOctet));
    ones[8 + codes] |= static_cast<std::uint8_t>((differ >> 1) << (k % kOctet));
  }
}

void BinaryLookupLayer::pack() {
  const ConvShape& s = layer_.shape;
  packed_ = allocate_aligned(static_cast<std::size_t>(weight_bytes()));
  std::memset(packed_.get(), 0, static_cast<std::size_t>(weight_bytes()));
  auto* weights = reinterpret_cast<std::uint8_t*>(packed_.get());
  for (std::int64_t k = 0; k < s.K; ++k) {
    std::uint8_t* octet = weights + k / kOctet * sextets_ * kSextetBytes;
    for (std::int64_t tap = 0; tap < s.R * s.S; ++tap) {
      for (std::int64_t c = 0; c < s.C; c += 3) pack_table(k, tap, c, octet);
    }
  }
  for (std::int64_t i = 0; i < pixel_sextets_; ++i) {
    for (std::int64_t tap = 0; tap < s.R * s.S; ++tap) {
      offsets_.push_back(i * plane_bytes_ + tap / s.S * row_bytes_ + tap % s.S);
    }
  }
  offsets_.resize(static_cast<std::size_t>(sextets_));  // tables of zeros for the rest
  pad_sextets_.resize(static_cast<std::size_t>(pixel_sextets_), 1 << kSextet);
  for (std::int64_t c = 0; c < layer_.pad_code.size(); ++c) {
    pad_sextets_[static_cast<std::size_t>(c / kSextet)] |=
        static_cast<std::uint8_t>(layer_.pad_code[c] << (c % kSextet));
  }
  if (!one_bit()) return;
  bounds_.resize(static_cast<std::size_t>(all_octets_ * kCountDigits));
  for (std::int64_t k = 0; k < s.K; ++k) {
    for (std::int64_t i = 0; i < kCountDigits; ++i) {
      const auto digit = static_cast<unsigned>(thresholds_.limit[k] + 1) >> i & 1;
      bounds_[static_cast<std::size_t>(k / kOctet * kCountDigits + i)] |=
          static_cast<std::uint8_t>(digit << (k % kOctet));
    }
  }
}

Workspace BinaryLookupLayer::workspace(std::byte* memory) const {
  const std::int64_t pixels = vectors(most_rows_) * kLookupPixels;
  std::int64_t bytes = 0;
  const auto take = [&](auto*& part, std::int64_t count) {
    part = reinterpret_cast<std::remove_reference_t<decltype(part)>>(
        memory == nullptr ? nullptr : memory + bytes);
    bytes += round_up(count * std::int64_t{sizeof *part}, 64);
  };
  Workspace w{};
  take(w.strip, 1);
  take(w.planes, pixel_sextets_ * plane_bytes_);
  take(w.digits, pixels * kDigitWords);
  take(w.bits, one_bit() ? octets_ * pixels : 0);
  take(w.words, one_bit() ? pixels : 0);
  take(w.acc, one_bit() ? 0 : pixels * panel_channels());
  w.size_bytes = bytes;
  return w;
}

/// The input of `rows` output rows of the tall image from row `first` on.
void BinaryLookupLayer::pack_rows(const LayerRun& args, std::int64_t first, std::int64_t rows,
                                  std::uint8_t* planes) const {
  const ConvShape& s = layer_.shape;
  // Eight bytes at a time.
  const auto pad = [&](std::uint8_t* to, std::int64_t count) {
    for (const std::uint8_t sextet : pad_sextets_) {
      const std::uint64_t eight = sextet * std::uint64_t{0x0101010101010101};
      for (std::int64_t i = 0; i < count; i += 8) std::memcpy(to + i, &eight, sizeof eight);
      to += plane_bytes_;
    }
  };
  // In this order, because both may spoil up to seven bytes behind.
  for (std::int64_t row = first; row < first + rows + s.R - 1; ++row, planes += row_bytes_) {
    const std::int64_t n = row / period_, h = row % period_ - s.pad;
    if (h < 0 || n >= args.N) {
      pad(planes, row_bytes_);
      continue;
    }
    pad(planes, s.pad);
    lookup_pack_avx512vbmi(args.input + (n * s.H + h) * s.W * s.C, s.W, s.C, planes + s.pad,
                           plane_bytes_);
  }
  pad(planes, s.pad);
}

/// Every pixel of a strip and a panel of channels: words, or accumulators.
void BinaryLookupLayer::count_panel(const Workspace& w, std::int64_t vectors,
                                    std::int64_t panel) const {
  const std::int64_t first = panel * octets_, octets = std::min(octets_, all_octets_ - first);
  BinaryLookup lookup{};
  lookup.codes = w.planes;
  lookup.offsets = offsets_.data();
  lookup.sextets = sextets_;
  lookup.vectors = vectors;
  lookup.digits = w.digits;
  for (std::int64_t i = 0; i < octets; ++i) {
    lookup.weights = reinterpret_cast<const std::uint8_t*>(packed_.get()) +
                     (first + i) * sextets_ * kSextetBytes;
    if (one_bit()) {
      lookup.bounds = bounds_.data() + (first + i) * kCountDigits;
      lookup.bits = w.bits + i * vectors * kLookupPixels;
    }
    lookup_count_avx512vbmi(lookup);
    for (std::int64_t v = 0; v < vectors && !one_bit(); ++v) {
      lookup_sums_avx512vbmi(w.digits + v * kDigitWords * kLookupPixels,
                             thresholds_.start.data() + (first + i) * kOctet,
                             w.acc + v * kLookupPixels * panel_channels() + i * kOctet,
                             panel_channels());
    }
  }
  if (one_bit()) lookup_words_avx512vbmi(w.bits, octets, vectors, w.words);
}

/// Row `row` of a strip is the outputs from index `pixel` on.
void BinaryLookupLayer::store_row(const LayerRun& args, std::uint8_t* codes, const Workspace& w,
                                  std::int64_t row, std::int64_t pixel, std::int64_t panel) const {
  const std::int64_t Q = layer_.shape.Q(), K = layer_.shape.K, k = panel * panel_channels();
  const std::int64_t channels = std::min(panel_channels(), K - k), out = pixel * K + k;
  if (one_bit()) {
    lookup_codes_avx512vbmi(w.words + row * row_bytes_, Q, codes + out, K, channels);
    return;
  }
  const std::int32_t* acc = w.acc + row * row_bytes_ * panel_channels();
  if (layer_.is_last()) {
    for (std::int64_t q = 0; q < Q; ++q) {
      std::copy_n(acc + q * panel_channels(), channels, args.accumulators + out + q * K);
    }
    return;
  }
  requant_({acc, layer_.add >= 0 ? args.shortcut + out : nullptr, codes + out, Q, channels,
            panel_channels(), K, requant_data_.from(k)});
}

void BinaryLookupLayer::run(const LayerRun& args) const {
  if (args.N == 0) return;
  const ConvShape& s = layer_.shape;
  const bool pools = layer_.pool_kernel > 0;
  std::uint8_t* codes = args.codes;
  if (pools) codes = reinterpret_cast<std::uint8_t*>(args.scratch) + workers_ * workspace_bytes_;
  const auto memory = [&](std::int64_t worker) {
    return workspace(args.scratch + worker * workspace_bytes_);
  };
  for (std::int64_t worker = 0; worker < workers_; ++worker) *memory(worker).strip = -1;
  const std::int64_t all = tall_rows(args.N), rows = strip_rows(args.N);
  parallel_tasks(workers_, ceil_div(all, rows) * panels_, [&](std::int64_t worker, std::int64_t i) {
    const Workspace w = memory(worker);
    const std::int64_t strip = i / panels_, panel = i % panels_;
    const std::int64_t first = strip * rows, count = std::min(rows, all - first);
    if (*w.strip != strip) {
      pack_rows(args, first, count, w.planes);
      *w.strip = strip;
    }
    count_panel(w, vectors(count), panel);
    for (std::int64_t row = 0; row < count; ++row) {
      const std::int64_t n = (first + row) / period_, p = (first + row) % period_;
      if (p < s.P()) store_row(args, codes, w, row, (n * s.P() + p) * s.Q(), panel);
    }
  });
  if (pools) {
    max_pool(codes, args.N, s.P(), s.Q(), s.K, layer_.pool_kernel, layer_.pool_stride, args.codes);
  }
}

}  // namespace

std::unique_ptr<PreparedLayer> prepare_binary_lookup(const IntLayer& layer) {
  if (active_isa() < Isa::avx512vnni || !__builtin_cpu_supports("avx512vbmi") ||
      !__builtin_cpu_supports("gfni")) {
    return nullptr;
  }
  const ConvShape& s = layer.shape;
  if (!is_binary(layer) || layer.kind != IntLayerKind::conv || s.stride != 1) return nullptr;
  // Neighbouring rows and images share padding, which is enough if windows begin inside them.
  if (s.pad >= s.R || s.pad >= s.S || s.R * s.S * ceil_div(s.C, kSextet) > kMostSextets) {
    return nullptr;
  }
  return std::make_unique<BinaryLookupLayer>(layer);
}

}  // namespace intandem
#else
namespace intandem {
std::unique_ptr<PreparedLayer> prepare_binary_lookup(const IntLayer&) { return nullptr; }
}  // namespace intandem
#endif
