// Which algorithm runs which layer: the table of algorithms, the estimate that chooses at once, and
// the plan that measurement makes (engine.hpp). Every algorithm gives the same integers, so a plan
// has a say over time alone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "quant/integer/model.hpp"
#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// A way to compute a layer. To add one, write its PrepareFn and add a line to algorithms().
struct Algorithm {
  const char* name;   ///< family, and after "_" what it varies: "direct_rows64", "winograd4_s16"
  PrepareFn prepare;  ///< null result: not admissible for this layer on active_isa()
};

/// All algorithms; the last one, "ref", runs everything.
const std::vector<Algorithm>& algorithms();

/// A layer made ready by one algorithm.
struct Candidate {
  std::string name;
  std::unique_ptr<PreparedLayer> layer;
};

/// All ways to compute a layer on active_isa(), in the order of the table; the reference only if
/// there is no other.
std::vector<Candidate> find_candidates(const IntLayer& layer);

/// Clock cycles of one core by a count of products and bytes, as if every vector unit did two
/// instructions per cycle and memory gave 16 bytes: good for an order, not for a time.
std::int64_t estimate_cycles(const PreparedLayer& layer, std::int64_t N);

/// Makes a layer ready with the candidate of the lowest estimate for `batch` images. algorithm:
/// "auto", all of them; the name of one, or of a family (what stands before the first "_"): of
/// those, and if none is admissible of "direct", "depthwise", "grouped", "avg_pool", then "ref".
/// Usage error for an unknown name. Smaller and larger batches than `batch` run as well.
Candidate prepare_candidate(const IntLayer& layer, const std::string& algorithm,
                            std::int64_t batch = 1);
std::unique_ptr<PreparedLayer> prepare_layer(const IntLayer& layer, const std::string& algorithm,
                                             std::int64_t batch = 1);

/// Makes a layer ready with one algorithm and no other; null if it is not admissible. Usage error
/// for an unknown name.
std::unique_ptr<PreparedLayer> prepare_exactly(const IntLayer& layer, const std::string& algorithm);
bool is_algorithm(const std::string& name);

/// The plain loops of ops_ref.hpp behind the same seam; any layer, any CPU.
std::unique_ptr<PreparedLayer> prepare_reference(const IntLayer& layer);

/// What measured times hold for.
struct PlanMachine {
  std::string cpu;              ///< cpu_name()
  std::string instruction_set;  ///< isa_name(active_isa())
  std::string commit;           ///< of this program: another one may have other kernels
  std::int64_t threads = 0;
  std::int64_t batch = 0;  ///< images at a time, kMostPlannedImages for more

  friend bool operator==(const PlanMachine&, const PlanMachine&) = default;
};
/// More images than this at a time are planned as so many: the time of each is the same then.
inline constexpr std::int64_t kMostPlannedImages = 16;
/// This machine, with thread_count() threads and the active instruction set.
PlanMachine this_machine(std::int64_t batch);

struct PlannedLayer {
  std::string algorithm;
  std::map<std::string, std::int64_t>
      time_ns;  ///< of every candidate that was timed, `batch` images
};

/// The outcome of measurements, by plan_key. Read and written by quant/plan_file.hpp.
struct Plan {
  PlanMachine machine;
  std::map<std::string, PlannedLayer> layers;
};

/// What a layer's time depends on besides the machine: kind, shape, bits, ranges, pooling,
/// shortcut, and the order of magnitude of the model's weights, which says what is still in the
/// caches when the layer's turn comes.
std::string plan_key(const IntModel& model, const IntLayer& layer);

}  // namespace intandem
