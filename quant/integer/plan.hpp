// Which algorithm runs which layer: the one table of the integer engine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/cpu.hpp"
#include "quant/integer/model.hpp"
#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// A way to compute a layer. To add one, write its PrepareFn and add a line to algorithms().
struct Algorithm {
  const char* name;     ///< as given to Engine and INTANDEM_INT_ALGORITHM, e.g. "direct"
  PrepareFn prepare;    ///< null result: not admissible for this layer on active_isa()
  std::int32_t weight;  ///< cost of one executed product, in hundredths of "direct"'s
};

/// All algorithms, in order of preference at equal cost; the last one, "ref", runs everything.
const std::vector<Algorithm>& algorithms();

/// Makes a layer ready. "auto": of the admissible algorithms the one of the least
/// cost(batch) · weight, and if `cold` what its packed weights cost that come from memory once per
/// batch. A name: that one where admissible, else as "auto" without the faster alternatives that
/// were not asked for ("direct", "depthwise", "grouped", then "ref"). Usage error for an unknown
/// name. Smaller and larger batches than `batch` run as well.
std::unique_ptr<PreparedLayer> prepare_layer(const IntLayer& layer, const std::string& algorithm,
                                             std::int64_t batch = 1, bool cold = false);

/// Makes a layer ready with one algorithm and no other; null if it is not admissible.
std::unique_ptr<PreparedLayer> prepare_exactly(const IntLayer& layer, const std::string& algorithm);

/// The plain loops of ops_ref.hpp behind the same seam; any layer, any CPU.
std::unique_ptr<PreparedLayer> prepare_reference(const IntLayer& layer);

}  // namespace intandem
