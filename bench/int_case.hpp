// Integer layers to measure: random weights and codes of a given shape, the same for every program
// that asks for them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/memory.hpp"
#include "core/tensor.hpp"
#include "quant/integer/plan.hpp"

namespace intandem::bench {

/// A layer of `bits`-bit symmetric weights (±1 for one bit) and codes with a scale that uses the
/// whole output range and clamps a part, no pool, padding code 0. shape.N is ignored.
IntLayer random_layer(const ConvShape& shape, std::int32_t bits);

/// `size` codes, uniform in 0 … largest.
std::vector<std::uint8_t> random_codes(std::int64_t size, std::int32_t largest);

/// A prepared layer with buffers for N images, aligned as those of the engine and of the peers are.
class Workload {
 public:
  /// `input`: codes [N][H][W][C].
  Workload(std::unique_ptr<PreparedLayer> prepared, const IntLayer& layer, std::int64_t N,
           const std::vector<std::uint8_t>& input);
  void run() const { prepared_->run(args_); }
  const PreparedLayer& prepared() const { return *prepared_; }
  /// [N][pooled P][pooled Q][K]
  std::vector<std::uint8_t> codes() const { return {codes_.begin(), codes_.end()}; }

 private:
  std::unique_ptr<PreparedLayer> prepared_;
  TensorU8 input_, codes_;
  std::shared_ptr<std::byte> scratch_;
  LayerRun args_;
};

/// A layer by itself with buffers that all its algorithms share, and what a measured plan makes of
/// it. Linear layers at batch 1 run with cold caches: that is how their weights are met in a
/// network.
class MeasuredLayer {
 public:
  /// Keeps a reference to the layer; `input` is random.
  MeasuredLayer(const IntLayer& layer, std::int64_t N);
  /// Nanoseconds of one run.
  std::int64_t run_ns(const PreparedLayer& prepared);
  /// The candidate that Engine would take with a new plan, measured now.
  Candidate choose();

 private:
  const IntLayer& layer_;
  std::int64_t N_;
  bool cold_;
  TensorU8 input_, codes_;
  std::shared_ptr<std::byte> scratch_;
  std::int64_t scratch_bytes_ = -1;
};

/// The codes of the first image by the plain loops of the reference. (The other images follow: that
/// results do not depend on the batch is tested.) Remembers the answer by the key, which names
/// layer and input.
const std::vector<std::uint8_t>& reference_codes(const IntLayer& layer,
                                                 const std::vector<std::uint8_t>& input,
                                                 const std::string& key);

}  // namespace intandem::bench
