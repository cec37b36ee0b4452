// A layer of a trace as text that can be checked with a pencil.
#pragma once

#include <string>
#include <vector>

#include "apps/trace/window.hpp"

namespace intandem {

/// One output of layer k: what the layer is, the largest code of the max-pool window, every product
/// of the accumulator with subtotals and running sum, and the requantization step by step. `output`
/// is a place after max-pool. zeros: also the products with a factor 0.
std::string layer_trace_text(const IntModel& model, int k, const LayerTensors& tensors,
                             const Place& output, bool zeros);

/// The logits with their class names (all of up to 20, else the ten largest), and the class (Q10).
std::string logits_text(const LayerTensors& last, const std::vector<std::string>& class_names);

}  // namespace intandem
