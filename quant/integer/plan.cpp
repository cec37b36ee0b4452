#include "quant/integer/plan.hpp"

#include "core/error.hpp"
#include "quant/integer/binary.hpp"
#include "quant/integer/direct.hpp"
#include "quant/integer/fastconv.hpp"
#include "quant/integer/fc_packed.hpp"
#include "quant/integer/grouped.hpp"

namespace intandem {
namespace {

const Algorithm& find_algorithm(const std::string& name) {
  std::string known = "auto";
  for (const Algorithm& algorithm : algorithms()) {
    if (name == algorithm.name) return algorithm;
    known += std::string(", ") + algorithm.name;
  }
  throw Error("integer algorithm '" + name + "'", "unknown", "use one of " + known,
              ExitCode::usage);
}

/// Products of the direct algorithm in the time a byte of weights takes to come from memory.
/// Measured on virtual machines of 2 cores: convolutions read cold weights at about 15 GB/s; both
/// cores multiply at some 700 products per ns with VNNI, 230 with AVX2, 3,000 with AMX. With half
/// vectors it is 470 products, and 36 GB/s.
std::int64_t products_per_byte() {
  if (active_isa() >= Isa::amx) return 200;
  if (active_isa() >= Isa::avx512vnni)
    return cpu_traits().vector_ports == VectorPorts::four_halves ? 12 : 48;
  return active_isa() >= Isa::avx2 ? 15 : 1;
}

std::unique_ptr<PreparedLayer> prepare_best(const IntLayer& layer, std::int64_t batch, bool cold) {
  std::unique_ptr<PreparedLayer> best;
  std::int64_t best_cost = 0;
  for (const Algorithm& algorithm : algorithms()) {
    // The loops of the reference pack nothing, which makes them cheap where bytes are dear.
    if (best != nullptr && algorithm.prepare == prepare_reference) continue;
    std::unique_ptr<PreparedLayer> candidate = algorithm.prepare(layer);
    if (candidate == nullptr) continue;
    std::int64_t cost = candidate->cost(batch) * algorithm.weight;
    if (cold) cost += candidate->packed_bytes() * products_per_byte() * 100;
    if (best != nullptr && cost >= best_cost) continue;
    best = std::move(candidate);
    best_cost = cost;
  }
  return best;
}

}  // namespace

const std::vector<Algorithm>& algorithms() {
  static const std::vector<Algorithm> table = {
      {"packed2", prepare_packed2, 80},
      {"packed4", prepare_packed4, 90},
      {"direct", prepare_direct, 100},
      {"winograd4", prepare_winograd4, 100},
      {"winograd2", prepare_winograd2, 100},
      {"winograd3", prepare_winograd3, 100},
      {"winograd4_s16", prepare_winograd4_s16, 100},
      {"winograd2_s16", prepare_winograd2_s16, 100},
      {"winograd3_s16", prepare_winograd3_s16, 100},
      {"binary", prepare_binary, 100},
      {"depthwise", prepare_depthwise, 100},
      {"grouped", prepare_grouped, 100},
      {"ref", prepare_reference, 10000},
  };
  return table;
}

std::unique_ptr<PreparedLayer> prepare_exactly(const IntLayer& layer,
                                               const std::string& algorithm) {
  return find_algorithm(algorithm).prepare(layer);
}

std::unique_ptr<PreparedLayer> prepare_layer(const IntLayer& layer, const std::string& algorithm,
                                             std::int64_t batch, bool cold) {
  if (algorithm == "auto") return prepare_best(layer, batch, cold);
  std::unique_ptr<PreparedLayer> prepared = find_algorithm(algorithm).prepare(layer);
  for (const PrepareFn next : {prepare_direct, prepare_depthwise, prepare_grouped}) {
    if (prepared == nullptr) prepared = next(layer);
  }
  if (prepared == nullptr) prepared = prepare_reference(layer);
  return prepared;
}

}  // namespace intandem
