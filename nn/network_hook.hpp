// What may stand between a float network and its arithmetic: the door through which quantized
// training enters without nn knowing any quantizer (quant/quantized_network.hpp).
#pragma once

#include <vector>

#include "core/communicator.hpp"
#include "nn/tape.hpp"

namespace intandem {

class NetworkHook {
 public:
  virtual ~NetworkHook() = default;

  /// The weights that unit k's product uses in place of `weight`, same shape. train: gradients flow
  /// into `weight` and into parameters(); both must outlive the tape.
  virtual Var weight(Tape& tape, int k, Parameter& weight, bool train) = 0;
  /// The same as values.
  virtual TensorF weight_values(int k, const TensorF& weight) const = 0;
  /// What unit k passes on in place of y, its output after ReLU and before pooling. `training`: y
  /// comes from batch statistics, and the hook may still adapt to it.
  virtual Var output(Tape& tape, int k, const Var& y, bool training, bool train) = 0;
  /// Whether output() does anything at unit k.
  virtual bool changes_output(int k) const = 0;
  /// Null, or who has the other shards of each batch that is trained on.
  virtual void set_shards(Communicator* shards) = 0;
  /// Trained beside the network's own.
  virtual std::vector<Parameter*> parameters() = 0;
};

}  // namespace intandem
