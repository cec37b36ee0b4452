// Runs an integer model: a plan made once, then no allocation and no floating point.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/cpu.hpp"
#include "quant/integer/model.hpp"
#include "quant/integer/plan.hpp"
#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// Which algorithms an engine uses; all of them give the same results.
struct EngineOptions {
  /// "auto", "ref" (the teaching engine, ops_ref.hpp) or the name of an algorithm or a family, used
  /// where admissible (plan.hpp). The environment variable INTANDEM_INT_ALGORITHM takes the place
  /// of "auto".
  std::string algorithm = "auto";
  /// With "auto": what was measured, by this process or another. Layers that it does not know are
  /// measured and entered; so are all if it is of another machine, number of threads or of images,
  /// or of another version of this program. Null: by estimate, at once and always the same.
  Plan* plan = nullptr;

  EngineOptions() = default;
  EngineOptions(const char* name) : algorithm(name) {}
  EngineOptions(std::string name, Plan* measured = nullptr)
      : algorithm(std::move(name)), plan(measured) {}
};

/// Results depend on neither batch size, thread count nor instruction set.
class Engine {
 public:
  /// Plans and packs `model` (which must outlive the engine) for batches of up to max_batch images.
  /// The model is checked (check_layers); it may still be under construction, see run_prefix. Usage
  /// error for unknown names of algorithms.
  Engine(const IntModel& model, std::int64_t max_batch, const EngineOptions& options = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const IntModel& model() const;
  const PreparedLayer& layer(int k) const;
  /// The name of its algorithm in the table of plan.hpp.
  const std::string& algorithm(int k) const;

  /// Pixels u8 [N][H][W][C] → logits s32 [N][classes], N ≤ max_batch (larger N runs in slices). The
  /// model's last layer must be a raw-accumulator layer.
  void run(const std::uint8_t* images, std::int64_t N, std::int32_t* logits);

  /// Runs layers 0 … last−1 and keeps every layer's output; N ≤ max_batch. Prefixes of a model
  /// under construction are run this way during distillation.
  void run_prefix(const std::uint8_t* images, std::int64_t N, int last);
  /// Output codes of layer k < last after run_prefix, [N][pooled P][pooled Q][K]; valid until the
  /// next run or run_prefix. Error after run(), which reuses the memory of codes nobody reads.
  const std::uint8_t* codes(int k) const;
  /// Accumulators [N][classes] of the last layer after run_prefix(…, all layers).
  const std::int32_t* accumulators() const;

  /// Starts (from zero) or stops adding up the time each layer takes, two clock readings per layer
  /// and call.
  void time_layers(bool on);
  /// Nanoseconds spent in each layer since time_layers(true); empty before.
  const std::vector<std::int64_t>& layer_ns() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// argmax per row, lowest index wins ties. logits [N][classes] → classes [N].
void argmax_rows(const std::int32_t* logits, std::int64_t N, std::int64_t classes,
                 std::int32_t* result);

}  // namespace intandem
