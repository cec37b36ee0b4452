// The direct algorithm on AMX: weights in tiles, products, requantization. Which pixels make a tile
// and who computes what: amx/layout.hpp.
#include "quant/integer/amx/driver.hpp"

#include <algorithm>
#include <cstring>

#include "core/dispatch.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "quant/integer/amx/layout.hpp"
#include "quant/integer/direct/direct.hpp"
#include "quant/integer/requant/block.hpp"

namespace intandem {
namespace {

#if defined(__x86_64__)

constexpr std::int64_t kPanelBytes = 1024 * 1024;  // of weights that stay in the second-level cache

class TileDirectLayer final : public PreparedLayer {
 public:
  explicit TileDirectLayer(const IntLayer& layer)
      : layer_(layer),
        workers_(thread_count()),
        layout_(layer.shape, workers_),
        requant_data_(layer),
        requant_(requant_function(active_isa())),
        in_shadow_(layer.add < 0 && !layer.is_last() && requant_data_.from(0).quick) {
    if (!layer_.pad_code.empty()) pad_codes_ = layer_.pad_code;
    pack();
  }

  std::string algorithm() const override { return "direct_amx"; }
  std::string reason() const override { return layout_.name(); }
  std::int64_t packed_bytes() const override {
    return layout_.weight_bytes() + bias_.size_bytes() + requant_data_.size_bytes();
  }
  std::int64_t executed_macs() const override { return layer_.shape.macs(); }
  Work work(std::int64_t N) const override;
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return unpooled_at(N) + (layer_.pool_kernel > 0 ? N * outputs() * layer_.shape.K : 0);
  }
  void run(const LayerRun& args) const override;

 private:
  /// Sums that wait for their requantization.
  struct Waiting {
    const AmxRows* rows;
    std::int64_t panel;
  };

  std::int64_t outputs() const { return layer_.shape.P() * layer_.shape.Q(); }
  std::int64_t steps() const { return static_cast<std::int64_t>(layout_.steps().size()); }
  std::int64_t worker_bytes(const TileJob& job) const {
    return job.copy_bytes + layout_.gather_bytes();
  }
  std::int64_t unpooled_at(std::int64_t N) const { return workers_ * worker_bytes(layout_.job(N)); }

  void pack();
  void run_task(const LayerRun& args, const TileJob& job, TileTask task, std::uint8_t* codes) const;
  void finish(const LayerRun& args, const Waiting& waiting, std::int64_t image,
              const std::int32_t* sums, std::uint8_t* codes) const;

  const IntLayer layer_;
  const std::int64_t workers_;
  const TileLayout layout_;
  const RequantData requant_data_;
  const RequantFn requant_;
  const bool in_shadow_;  // whole panels are requantized while the next is multiplied
  std::shared_ptr<std::byte> packed_;
  TensorS32 bias_;      // padded to whole panels
  TensorU8 pad_codes_;  // one pixel outside the image
};

// [panel][step][block][group of 4 codes][channel][4]; weights of surplus codes and channels are 0.
void TileDirectLayer::pack() {
  const ConvShape& s = layer_.shape;
  const std::int64_t row_codes = s.S * s.C, bytes = layout_.weight_bytes();
  packed_ = allocate_aligned(static_cast<std::size_t>(bytes));
  std::memset(packed_.get(), 0, static_cast<std::size_t>(bytes));
  parallel_for(s.K, kTilePanel, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t width = std::min<std::int64_t>(2, layout_.blocks() - begin / kTileChannels);
    auto* panel = reinterpret_cast<std::int8_t*>(packed_.get()) +
                  begin / kTileChannels * steps() * kWeightTileBytes;
    for (std::int64_t k = begin; k < end; ++k) {
      const std::int64_t block = (k - begin) / kTileChannels, lane = k % kTileChannels;
      std::int8_t* tile = panel + block * kWeightTileBytes;
      for (const TileStep& step : layout_.steps()) {
        const std::int8_t* weights =
            layer_.weights.data() + (k * s.R + step.row) * row_codes + step.first;
        for (std::int64_t c = 0; c < step.codes; ++c) {
          tile[(c / kGroup * kTileChannels + lane) * kGroup + c % kGroup] = weights[c];
        }
        tile += width * kWeightTileBytes;
      }
    }
  });
  bias_ = TensorS32::zeros({layout_.panels() * kTilePanel});
  std::copy(layer_.bias.begin(), layer_.bias.end(), bias_.begin());
}

/// In the products that VNNI multiplies in the same time.
Work TileDirectLayer::work(std::int64_t N) const {
  constexpr std::int64_t kVnniProducts = 128;  // per cycle
  return {N * kVnniProducts * outputs() * layout_.pixel_cycles(), packed_bytes()};
}

// Rows that follow one another in the sums and in the output go together.
void TileDirectLayer::finish(const LayerRun& args, const Waiting& waiting, std::int64_t image,
                             const std::int32_t* sums, std::uint8_t* codes) const {
  const std::int64_t K = layer_.shape.K, first = waiting.panel * kTilePanel;
  const std::int64_t channels = std::min(kTilePanel, K - first);
  const AmxRows& rows = *waiting.rows;
  for (std::int64_t i = 0, next; i < rows.count; i = next) {
    const std::int32_t* acc = sums + rows.sums[i];
    const std::int64_t out = image * outputs() * K + rows.codes[i] + first;
    for (next = i + 1; next < rows.count; ++next) {
      if (rows.sums[next] != rows.sums[i] + (next - i) * kTilePanel) break;
      if (rows.codes[next] != rows.codes[i] + (next - i) * K) break;
    }
    if (layer_.is_last()) {
      for (std::int64_t r = 0; r < next - i; ++r) {
        std::memcpy(args.accumulators + out + r * K, acc + r * kTilePanel,
                    static_cast<std::size_t>(channels) * sizeof(std::int32_t));
      }
      continue;
    }
    requant_({acc, layer_.add >= 0 ? args.shortcut + out : nullptr, codes + out, next - i, channels,
              kTilePanel, K, requant_data_.from(first)});
  }
}

// As many panels of weights as stay in the cache while all pixels pass, two tiles at a time. Sums
// are requantized while the next ones are being computed.
void TileDirectLayer::run_task(const LayerRun& args, const TileJob& job, TileTask task,
                               std::uint8_t* codes) const {
  const std::int64_t K = layer_.shape.K;
  const std::int64_t panel_bytes = 2 * steps() * kWeightTileBytes;
  const std::int64_t group = std::max<std::int64_t>(1, kPanelBytes / panel_bytes);
  alignas(64) std::int32_t sums[2 * kTileRows * kTilePanel];
  TilePair pairs[2];
  Waiting waiting{};
  int turn = 0;
  amx_configure(job.height);
  for (std::int64_t begin = task.first_panel; begin < task.last_panel; begin += group) {
    const std::int64_t end = std::min(task.last_panel, begin + group);
    const std::int64_t fetch_lines = layout_.fetch_lines(job, end - begin);
    for (std::int64_t tile = task.first_tile; tile < task.last_tile; tile += 2, turn ^= 1) {
      TilePair& pair = pairs[turn];
      layout_.pair(job, task, tile, pair);
      for (std::int64_t panel = begin; panel < end; ++panel) {
        const std::int64_t done = waiting.panel * kTilePanel;
        const bool shadow = in_shadow_ && waiting.rows != nullptr && done + kTilePanel <= K;
        AmxFinish finishes{};
        if (shadow) {
          finishes = {waiting.rows, codes + task.image * outputs() * K + done,
                      requant_data_.from(done)};
        }
        const std::int64_t lines = task.fetch < task.fetch_end ? fetch_lines : 0;
        amx_product({{pair.codes[0], pair.codes[1]},
                     layout_.stride(),
                     layout_.offsets().data(),
                     steps(),
                     reinterpret_cast<const std::int8_t*>(packed_.get()) + panel * panel_bytes,
                     bias_.data() + panel * kTilePanel,
                     task.fetch,
                     lines},
                    pair.tiles, std::min<std::int64_t>(2, layout_.blocks() - 2 * panel), sums,
                    shadow ? &finishes : nullptr);
        if (waiting.rows != nullptr && !shadow) finish(args, waiting, task.image, sums, codes);
        waiting = {&pair.rows, panel};
        task.fetch += lines * std::max<std::int64_t>(0, steps() - 2) * kTileCodes;
      }
    }
  }
  amx_store(sums);
  amx_release();
  finish(args, waiting, task.image, sums, codes);
}

void TileDirectLayer::run(const LayerRun& args) const {
  const ConvShape& s = layer_.shape;
  const TileJob job = layout_.job(args.N);
  const bool pools = layer_.pool_kernel > 0;
  auto* scratch = reinterpret_cast<std::uint8_t*>(args.scratch);
  std::uint8_t* codes = pools ? scratch + workers_ * worker_bytes(job) : args.codes;
  const std::int64_t tasks = job.images * job.parts * job.splits;
  parallel_tasks(workers_, tasks, [&](std::int64_t worker, std::int64_t index) {
    std::uint8_t* own = scratch + worker * worker_bytes(job);
    run_task(args, job, layout_.task(job, index, args.input, pad_codes_.data(), own), codes);
  });
  if (pools) {
    max_pool(codes, args.N, s.P(), s.Q(), s.K, layer_.pool_kernel, layer_.pool_stride, args.codes);
  }
}

#endif

}  // namespace

std::unique_ptr<PreparedLayer> prepare_direct_amx(const IntLayer& layer) {
#if defined(__x86_64__)
  if (!isa_includes(active_isa(), Isa::amx) || layer.kind == IntLayerKind::avg_pool ||
      layer.shape.groups > 1) {
    return nullptr;
  }
  return std::make_unique<TileDirectLayer>(lift_scales(layer));
#else
  (void)layer;
  return nullptr;
#endif
}

}  // namespace intandem
