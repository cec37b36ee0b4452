// The parameters of a PyTorch module, stored by safetensors' save_file(model.state_dict(), …).
#pragma once

#include "nn/network.hpp"

namespace intandem {

class Container;

/// The network with the file's parameters (Container::load_foreign). What belongs to unit U is
/// found by name:
///
///     product      U.weight, U.conv.weight, U.linear.weight, U.fc.weight or U.0.weight, and .bias
///     batch norm   U.bn, U.norm, U.batch_norm or U.1; else the product's prefix with its last
///                  "conv" as "bn", or with its last number raised by one: weight, bias,
///                  running_mean, running_var (ε is PyTorch's 1e-5)
///
/// the first that exists. Channels-first weights are reordered, also those of a linear unit behind
/// an image. Error, naming the file and the tensor or unit: nothing found, a wrong shape or type,
/// tensors that no unit takes (num_batches_tracked aside), a negative variance.
FloatNetwork load_state_dict(const Container& file, const NetworkSpec& spec);

}  // namespace intandem
