// What the float comparison measures: matrix products and the three passes of convolutions, each
// run by us or by a peer on operands of its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/shapes.hpp"

namespace intandem::bench {

enum class FloatPass { product, forward, data_gradient, weight_gradient };

struct FloatCase {
  std::string name;
  FloatPass pass = FloatPass::product;
  ConvShape shape;  ///< a product of M×K by K×N: N = M, C = K, K = N, all else 1
  bool trans_b = false;
  double flop = 0;
  std::vector<std::string> contenders;  ///< "intandem" first; "winograd" is ours too
};

/// Every case whose name contains `filter`, in the order of the report.
std::vector<FloatCase> float_cases(const std::string& filter);

/// What runs the case once; it owns its operands. Contender is one of the case's.
std::function<void()> prepare(const FloatCase& c, const std::string& contender);

/// The same for oneDNN: its convolution in the layouts it likes best, reorders not counted.
std::function<void()> prepare_onednn_convolution(const FloatCase& c);

}  // namespace intandem::bench
