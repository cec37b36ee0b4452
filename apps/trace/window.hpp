// Which output of a layer is traced, and the products that make it.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/trace/layer_tensors.hpp"

namespace intandem {

/// A place in a layer's output: row, column and channel.
struct Place {
  std::int64_t y = 0, x = 0, channel = 0;

  friend bool operator==(const Place&, const Place&) = default;
};

/// The place before max-pool whose code `output`, a place after it, takes: that of the window's
/// largest code, the first in rows if tied. Without max-pool the place itself.
Place before_pool(const IntLayer& layer, const LayerTensors& tensors, const Place& output);

/// One term of an accumulator.
struct Product {
  Place input;         ///< in the layer's source (LayerSource); may lie outside, in the padding
  bool inside = true;  ///< not in the padding
  std::int32_t weight = 1;  ///< 1 in an average pool
  std::int32_t code = 0;

  std::int64_t value() const { return std::int64_t{weight} * code; }
};

/// The terms of accumulator `at` (a place before max-pool) of layer k, in the order of the loops:
/// bias and these add up to it.
std::vector<Product> window_products(const IntModel& model, int k, const LayerTensors& tensors,
                                     const Place& at);

/// A place in the output of every layer, chosen backwards so that they hang together: `logit` of
/// the last layer; then of each layer the place that its reader's window has its largest product
/// with (by magnitude, the first if tied; the padding does not count), or that is added to its
/// reader's code. Where that says nothing, the layer's largest output code, the first if tied.
std::vector<Place> follow_back(const IntModel& model, const std::vector<LayerTensors>& tensors,
                               const Place& logit);

}  // namespace intandem
