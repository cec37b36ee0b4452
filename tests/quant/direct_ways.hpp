// Every direct kernel of an instruction set, whether the table would take it for a layer or not.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "quant/integer/direct/direct.hpp"

namespace intandem::testing {

inline std::vector<std::unique_ptr<PreparedLayer>> direct_ways(const IntLayer& layer) {
  std::vector<std::unique_ptr<PreparedLayer>> ways;
  if (layer.kind == IntLayerKind::avg_pool || layer.shape.groups > 1) return ways;
  std::set<const DirectKernel*> kernels;
  for (const bool linear : {false, true}) {
    kernels.insert(direct_kernel(active_isa(), false, linear));
  }
  if (narrow_chunk(layer) >= 1) kernels.insert(direct_kernel(active_isa(), true, false));
  const auto add = [&](std::unique_ptr<PreparedLayer> prepared) {
    if (prepared != nullptr) ways.push_back(std::move(prepared));
  };
  for (const DirectKernel* kernel : kernels) {
    if (kernel == nullptr) continue;
    add(prepare_direct_tiles(layer, *kernel));
    for (const std::int64_t width : {16, 32, 64}) add(prepare_direct_rows(layer, *kernel, width));
  }
  return ways;
}

}  // namespace intandem::testing
