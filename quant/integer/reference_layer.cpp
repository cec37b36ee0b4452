// The reference engine behind the kernels' seam: accumulators, then codes, then max-pool, one image
// at a time.
#include "core/parallel.hpp"
#include "quant/integer/ops_ref.hpp"
#include "quant/integer/plan.hpp"

namespace intandem {
namespace {

class ReferenceLayer final : public PreparedLayer {
 public:
  explicit ReferenceLayer(const IntLayer& layer)
      : layer_(layer), outputs_(layer.shape.P() * layer.shape.Q() * layer.shape.K) {}

  std::string algorithm() const override { return "ref"; }
  std::string reason() const override { return "plain loops"; }
  std::int64_t packed_bytes() const override { return 0; }
  std::int64_t executed_macs() const override { return layer_.shape.macs(); }

  // Per image: the accumulators and the codes before max-pool.
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return N * outputs_ * static_cast<std::int64_t>(sizeof(std::int32_t) + sizeof(std::uint8_t));
  }

  void run(const LayerRun& args) const override {
    auto* accumulators = reinterpret_cast<std::int32_t*>(args.scratch);
    auto* codes = reinterpret_cast<std::uint8_t*>(accumulators + args.N * outputs_);
    parallel_for(args.N, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t n = first; n < last; ++n) {
        run_image(args, n, accumulators + n * outputs_, codes + n * outputs_);
      }
    });
  }

 private:
  void run_image(const LayerRun& args, std::int64_t n, std::int32_t* acc,
                 std::uint8_t* codes) const {
    const ConvShape& s = layer_.shape;
    const std::int64_t rows = s.P() * s.Q();
    const std::uint8_t* input = args.input + n * s.H * s.W * s.C;
    if (layer_.is_last()) acc = args.accumulators + n * outputs_;

    if (layer_.kind == IntLayerKind::avg_pool) {
      sum_window_ref(s, input, layer_.bias.empty() ? nullptr : layer_.bias.data(), acc);
    } else {
      accumulate_ref(s, input, layer_.weights.data(), layer_.bias.data(), layer_.pad_code.data(),
                     acc);
    }
    if (layer_.is_last()) return;

    std::uint8_t* pooled = args.codes + n * layer_.output_size();
    if (layer_.pool_kernel == 0) codes = pooled;
    const bool per_channel = layer_.scale.size() > 1;
    if (layer_.add < 0) {
      requantize_ref(acc, rows, s.K, layer_.scale.data(), per_channel, layer_.max_code,
                     layer_.zero_point, codes);
    } else {
      requantize_add_ref(acc, args.shortcut + n * outputs_, rows, s.K, layer_.scale.data(),
                         layer_.add_m.data(), per_channel, layer_.max_code, layer_.add_zero,
                         layer_.zero_point, codes);
    }
    if (layer_.pool_kernel > 0) {
      max_pool_ref(codes, 1, s.P(), s.Q(), s.K, layer_.pool_kernel, layer_.pool_stride, pooled);
    }
  }

  const IntLayer layer_;  // a copy shares the tensors' buffers
  const std::int64_t outputs_;
};

}  // namespace

std::unique_ptr<PreparedLayer> prepare_reference(const IntLayer& layer) {
  return std::make_unique<ReferenceLayer>(layer);
}

}  // namespace intandem
