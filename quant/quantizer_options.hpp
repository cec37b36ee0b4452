// Which quantizer and how many bits each layer gets: what a student and a quantized teacher share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/network.hpp"
#include "quant/activation_quantizer.hpp"

namespace intandem {

class Container;

struct QuantizerOptions {
  std::string weight_quantizer = "lsq";
  std::string activation_quantizer = "lsq";
  int weight_bits = 4;
  int activation_bits = 4;
  int first_last_weight_bits = 8;      ///< weights of the first and the last unit
  bool full_range = true;              ///< lsq, uniform: weight codes down to −2^(W−1)
  std::string uniform_method = "mse";  ///< uniform: "min-max", "percentile" or "mse" (Q15)
  double activation_range = 1.0;       ///< dorefa: activations are clipped to 0 … this
  /// Per-layer exceptions, comma separated: "name=W/A", with quantizers of their own
  /// "name=W/A:weights/activations", e.g. "conv3=2/4,fc1=2/2:dorefa/pact".
  std::string overrides;
};

/// What QuantizerOptions come to for one unit.
struct UnitQuantizers {
  int weight_bits = 0, activation_bits = 0;
  std::string weight_quantizer, activation_quantizer;
};

/// One entry per unit. Error (usage): an override that cannot be read, names no unit or the same
/// unit again, or an unknown quantizer or bit-width anywhere.
std::vector<UnitQuantizers> resolve_quantizers(const NetworkSpec& spec,
                                               const QuantizerOptions& options);

/// The registry (quant/quantizer_registry.cpp).
std::vector<std::string> weight_quantizer_names();
std::vector<std::string> activation_quantizer_names();
/// Names for both at once, and what each stands for: "pact" takes DoReFa's weights as its paper
/// does, every other name itself.
std::vector<std::string> quantizer_names();
std::string weight_quantizer_of(const std::string& quantizer);
std::string activation_quantizer_of(const std::string& quantizer);

/// Error (usage) for an unknown name or bits outside 1 … 8. parameter_name: of the state, if any.
std::unique_ptr<WeightQuantizer> make_weight_quantizer(const UnitQuantizers& unit,
                                                       const QuantizerOptions& options,
                                                       const std::string& parameter_name);
std::unique_ptr<ActivationQuantizer> make_activation_quantizer(const UnitQuantizers& unit,
                                                               const QuantizerOptions& options);

/// As metadata "weight_quantizer", "weight_bits" and so on; load reads what store wrote, and
/// students written when "quantizer" stood for both.
void store_quantizer_options(const QuantizerOptions& options, Container& file);
QuantizerOptions load_quantizer_options(const Container& file);

}  // namespace intandem
