// A float network with batch norm whose weights and activations are quantized: the paper's teacher,
// and quantization-aware training with batch norm.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/network.hpp"
#include "nn/network_hook.hpp"
#include "quant/quantizer_options.hpp"

namespace intandem {

/// QZ1. Unit k computes BN(W^q * a^q), then ReLU, then the activation quantizer, then max-pool;
/// batch norm and everything else stay floats. The last unit's output is not quantized. Gradients
/// are straight-through (docs/quantizers.md).
class QuantizedNetwork final : public NetworkHook {
 public:
  QuantizedNetwork(const NetworkSpec& spec, const QuantizerOptions& options);

  /// Fits the weight quantizers to the network's weights, before training; DoReFa's rescales them.
  /// Activation steps are fitted to the first training batch that passes.
  void fit_weights(FloatNetwork& net);

  /// Without `train` the values of the last call are used again until there is one with it: only
  /// training and fit_weights() may change the latents.
  Var weight(Tape& tape, int k, Parameter& weight, bool train) override;
  TensorF weight_values(int k, const TensorF& weight) const override;
  Var output(Tape& tape, int k, const Var& y, bool training, bool train) override;
  bool changes_output(int k) const override { return unit(k).activation != nullptr; }
  /// Activation steps are those that shard 0 fits to its images.
  void set_shards(Communicator* shards) override { shards_ = shards; }
  std::vector<Parameter*> parameters() override;

  const QuantizerOptions& options() const { return options_; }
  /// Name of unit k's activation quantizer, its step and its largest code (Q17: less the zero
  /// point); nothing for the last.
  struct Output {
    std::string quantizer;
    double step;
    std::int32_t max_code;
  };
  std::optional<Output> output_of(int k) const;

  /// Options as metadata, steps as tensors "quantizer/<unit>/…". Loading refuses steps that are 0
  /// or not finite.
  void store(Container& file) const;
  void load(const Container& file);

 private:
  struct Unit {
    std::unique_ptr<WeightQuantizer> weights;         // null for avg_pool
    std::unique_ptr<ActivationQuantizer> activation;  // null for the last unit
    Parameter out_step;                               // one element, 0 until it is fitted
    CodeRange range;                                  // of activation codes
    TensorF frozen;             // quantized weights outside training; empty: to be worked out
    bool only_positive = true;  // no negative values reach the quantizer
  };
  const Unit& unit(int k) const { return units_[static_cast<std::size_t>(k)]; }
  Unit& unit(int k) { return units_[static_cast<std::size_t>(k)]; }

  QuantizerOptions options_;
  std::vector<Unit> units_;
  Communicator* shards_ = nullptr;
};

/// The network's quantizers, or null for a float network.
const QuantizedNetwork* quantizers_of(const FloatNetwork& net);
/// output_of(k) of its quantizers; nothing for a float network.
std::optional<QuantizedNetwork::Output> teacher_output(const FloatNetwork& net, int k);
/// "float, batch norm", "float" or "W4A4 (dorefa weights, pact activations), batch norm".
std::string describe_quantizers(const FloatNetwork& net);

/// A network with its quantizers, if it has any; what is loaded is the same function.
void store_teacher_network(const FloatNetwork& net, Container& file);
FloatNetwork load_teacher_network(const Container& file);

}  // namespace intandem
