// The geometry of a two-dimensional convolution, shared by the float and the integer engines.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.hpp"

namespace intandem {

/// Input [N][H][W][C], weights [K][R][S][C], output [N][P][Q][K], square stride and zero or
/// zero-point padding on all four sides. A linear layer is H = W = R = S = 1. With groups > 1
/// output channel k sees only the C/groups input channels of its group k/(K/groups), and the
/// weights are [K][R][S][C/groups]; groups = C = K is a depthwise convolution.
struct ConvShape {
  std::int64_t N = 1, H = 1, W = 1, C = 1;
  std::int64_t K = 1, R = 1, S = 1;
  std::int64_t stride = 1, pad = 0;
  std::int64_t groups = 1;

  std::int64_t P() const { return (H + 2 * pad - R) / stride + 1; }
  std::int64_t Q() const { return (W + 2 * pad - S) / stride + 1; }
  /// Input and output channels of one group.
  std::int64_t group_C() const { return C / groups; }
  std::int64_t group_K() const { return K / groups; }
  /// The first input channel that output channel k sees.
  std::int64_t first_channel(std::int64_t k) const { return k / group_K() * group_C(); }
  bool is_depthwise() const { return groups > 1 && groups == C && groups == K; }
  /// Products summed into one output: R·S·C/groups.
  std::int64_t reduction() const { return R * S * group_C(); }
  std::int64_t macs() const { return N * P() * Q() * K * reduction(); }
  bool is_linear() const { return H == 1 && W == 1 && R == 1 && S == 1; }

  /// Throws unless every extent is positive, the kernel fits the padded input and the channels
  /// divide into the groups.
  void check() const {
    INTANDEM_CHECK(N >= 0 && H > 0 && W > 0 && C > 0 && K > 0 && R > 0 && S > 0 && stride > 0 &&
                       pad >= 0 && R <= H + 2 * pad && S <= W + 2 * pad && groups > 0 &&
                       C % groups == 0 && K % groups == 0,
                   "impossible convolution: " + str());
  }
  std::string str() const {
    return std::string("N") + std::to_string(N) + " " + std::to_string(H) + "x" +
           std::to_string(W) + "x" + std::to_string(C) + " -> K" + std::to_string(K) + " " +
           std::to_string(R) + "x" + std::to_string(S) + " stride " + std::to_string(stride) +
           " pad " + std::to_string(pad) +
           (groups > 1 ? " groups " + std::to_string(groups) : std::string());
  }
};

}  // namespace intandem
