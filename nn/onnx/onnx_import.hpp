// From an ONNX graph to a float network (docs/exchange.md).
#pragma once

#include <string>
#include <vector>

#include "nn/network.hpp"
#include "nn/onnx/graph.hpp"

namespace intandem {

/// A network with the weights of its graph. The network reads x_c = gain_c·v_c + offset_c for the
/// graph's input v (what Sub, Mul, Div, BatchNormalization do to the image before its first layer).
struct ImportedNetwork {
  FloatNetwork net;
  std::vector<double> gain, offset;  ///< one per channel
  bool takes_bytes = false;          ///< v are bytes, 0 … 255
};

/// Translates node by node: layers become units; what fits behind one (batch norm, bias, sum, ReLU,
/// max-pool, in the order of docs/networks.md) becomes part of it; where it does not fit, a unit
/// of one 1×1 filter per channel is put in between, which changes no value. Channels-first weights
/// become channels-last, also those of a linear layer behind a flattened image. A unit has the name
/// of its weights or else of its node. `name`: of the network. Errors name the graph's file, the
/// node, its operator and the attribute or input at fault, and what would be accepted.
ImportedNetwork import_onnx(const OnnxGraph& graph, const std::string& name);

}  // namespace intandem
