// Differentiable operations on a Tape. Activations are NHWC or [N][C]; gradients are checked
// against finite differences of double-precision reference loops (tests/nn).
#pragma once

#include <cstdint>
#include <vector>

#include "core/communicator.hpp"
#include "core/rng.hpp"
#include "nn/tape.hpp"

namespace intandem {

/// y = conv(x, w) + b. x [N][H][W][C], w [K][R][S][C/groups], b [K] or null; zero padding.
Var conv2d(Tape& tape, const Var& x, const Var& w, const Var& b, std::int64_t stride,
           std::int64_t pad, std::int64_t groups = 1);

/// y = x·wᵀ + b. x [N][…] is read as [N][C], w [K][C], b [K] or null; y [N][K].
Var linear(Tape& tape, const Var& x, const Var& w, const Var& b);

/// Running statistics of one batch normalization, over all axes but the last.
struct BatchNormState {
  TensorF running_mean, running_var;  ///< [C]; var is the unbiased batch variance, averaged
  float momentum = 0.1f;              ///< running = (1 − momentum)·running + momentum·batch
  float epsilon = 1e-5f;
  /// Set: x is one shard of the batch, and the statistics are those of all shards.
  Communicator* shards = nullptr;
};

/// y = gamma·(x − mean)/√(var + ε) + beta per channel (Ioffe & Szegedy 2015); 1-d and 2-d alike.
/// training: batch statistics (biased variance), state updated. Otherwise: running statistics.
/// relu: y = max(0, ·) in the same pass.
Var batch_norm(Tape& tape, const Var& x, const Var& gamma, const Var& beta, BatchNormState& state,
               bool training, bool relu);

/// max_pool(batch_norm(…)) for x [N][H][W][C] in the same passes: the normalized activation is
/// never stored, and its gradient sums run over the pooled tensor alone.
Var batch_norm_pool(Tape& tape, const Var& x, const Var& gamma, const Var& beta,
                    BatchNormState& state, bool training, bool relu, std::int64_t kernel,
                    std::int64_t stride);

Var relu(Tape& tape, const Var& x);
/// Square window, no padding; the first maximum in row-major order takes the gradient.
Var max_pool(Tape& tape, const Var& x, std::int64_t kernel, std::int64_t stride);
Var avg_pool(Tape& tape, const Var& x, std::int64_t kernel, std::int64_t stride);
/// The mean of every channel over the whole image: x [N][H][W][C] → [N][1][1][C].
Var global_avg_pool(Tape& tape, const Var& x);
/// Residual addition of two tensors of the same shape.
Var add(Tape& tape, const Var& a, const Var& b);
/// Inverted dropout: keeps an element with probability 1 − p and scales it by 1/(1 − p). The mask
/// is a function of `rng` and the element's index in the batch, of which x begins with image
/// `first_image`.
Var dropout(Tape& tape, const Var& x, float p, const Rng& rng, std::int64_t first_image = 0);
/// [N][…] → [N][size/N].
Var flatten(Tape& tape, const Var& x);
/// y = factor·x for a one-element factor that may be trained.
Var scale(Tape& tape, const Var& x, const Var& factor);
/// Σ_i weight_i·x_i over one-element values.
Var weighted_sum(Tape& tape, const std::vector<Var>& x, const std::vector<float>& weight);

/// Mean over N of −Σ_c t_c·log softmax(z)_c with t = (1 − s)·onehot + s/classes. One element.
Var cross_entropy(Tape& tape, const Var& logits, const std::vector<std::int32_t>& labels,
                  float smoothing);
/// τ²·mean over N of KL(softmax(target/τ) ‖ softmax(z/τ)) (Hinton et al. 2015); target constant.
Var kl_divergence(Tape& tape, const Var& logits, const TensorF& target_logits, float tau);
/// Mean of (x − target)². One element.
Var mse(Tape& tape, const Var& x, const TensorF& target);

}  // namespace intandem
