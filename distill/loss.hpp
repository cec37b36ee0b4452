// The losses of the tandem: D3 and D4 as they are put together for a stage (D5) and for the joint
// phase (D7).
#pragma once

#include <cstdint>
#include <vector>

#include "core/communicator.hpp"
#include "distill/hybrid.hpp"
#include "nn/tape.hpp"

namespace intandem {

/// The images at hand are one shard of a batch: the losses of all shards add up to the batch's.
struct BatchPart {
  Communicator* shards = nullptr;  ///< null: they are the whole batch
  float share = 1.0f;              ///< of its images
};

/// The sums D3 is made of. They add up over batches, and the loss is divided once at the end: the
/// variance of a small batch says nothing about the data.
struct LocalSums {
  double error = 0;                 ///< Σ (C(z) − C(t))²
  std::int64_t rows = 0;            ///< images × positions
  std::vector<double> sum, square;  ///< [C] Σ C(t), Σ C(t)²

  LocalSums& operator+=(const LocalSums& other);
  /// Σ_c ‖C(t)_c − mean_c‖² + ε.
  double variance() const;
  /// D3.
  double loss() const { return error / variance(); }
};

/// z and target [N][…][C] of the same shape; C clips to [low, high], the range the codes can
/// represent; equal bounds mean no clipping.
LocalSums local_sums(const TensorF& z, const TensorF& target, float low, float high);

/// D3: ‖C(z) − C(t)‖² / (Σ_c ‖C(t)_c − mean_c‖² + ε) over the batch. The gradient passes C straight
/// through: where both are saturated the error is 0 and so is the gradient, and where only the
/// student is, it is pulled back. One element. Of a shard: its part of the error, over the variance
/// of the whole batch.
Var local_loss(Tape& tape, const Var& z, const TensorF& target, float low, float high,
               const BatchPart& part = {});

/// What the terms of D5 and D7 weigh.
struct LossWeights {
  float lambda = 1.0f;  ///< L_kd in a stage
  float tau = 2.0f;     ///< its temperature
  float inner = 0.0f;   ///< mean of L_local over the other trained units, in both
  float kd = 1.0f;      ///< L_kd in the joint phase
  float ce = 0.5f;      ///< cross-entropy with the labels in the joint phase
};

/// Units whose local loss is in the loss of units first … k of a network of `units` units: the last
/// of all (its loss in the joint phase is L_kd) is not an inner one.
bool has_inner_loss(int j, int first, int k, const LossWeights& weights);

/// D5 on the tape, with its parts: total = local + λ·kd + inner.
struct StageLoss {
  /// kd, inner: null where their weight is 0. kd is a mean over the shard's images, and part of the
  /// total by the shard's share; the others add up over shards.
  Var total, local, kd, inner;
};
/// Units first … k are trained.
StageLoss stage_loss(Tape& tape, const Student& student, int first, int k, const HybridPass& hybrid,
                     const TeacherPass& teacher, const LossWeights& weights,
                     const BatchPart& part = {});

/// D7 on the tape, with its parts: total = w_kd·kd + w_ce·ce + inner.
struct JointLoss {
  Var total, kd, ce, inner;  ///< null where their weight is 0; kd and ce as in StageLoss
};
/// labels: N of them; may be empty with weights.ce = 0.
JointLoss joint_loss(Tape& tape, const Student& student, const HybridPass& hybrid,
                     const TeacherPass& teacher, const std::vector<std::int32_t>& labels,
                     const LossWeights& weights, const BatchPart& part = {});

/// Means over a stretch of training or over the held-out images; 0 where a term does not apply.
struct LossMeans {
  double total = 0;  ///< D5, or D7 in the joint phase
  double local = 0;  ///< D3 of unit k; stages only
  double kd = 0;     ///< D4
  double ce = 0;     ///< cross-entropy with the labels; joint phase only
  double inner = 0;  ///< weighted mean of D3 over the other trained units
  double top1 = 0;   ///< share of images the hybrid classifies correctly, 0 … 1; held-out only

  LossMeans& operator+=(const LossMeans& other);
  LossMeans operator/(double count) const;
};

/// The same losses over many batches without gradients, each a ratio of sums over all of them.
class LossSums {
 public:
  /// joint: D7, else D5; units first … k as in stage_loss.
  LossSums(const Student& student, int first, int k, bool joint, const LossWeights& weights);
  /// labels: what top1 and, in the joint phase, the cross-entropy compare with.
  void add(const HybridPass& hybrid, const TeacherPass& teacher,
           const std::vector<std::int32_t>& labels);
  /// The sums so far as numbers, and the sums of others in addition: of one batch each and added in
  /// the order of the batches, they are the same as if one had seen all batches.
  std::vector<double> values() const;
  void add(const std::vector<double>& values);
  LossMeans means() const;

 private:
  const Student& student_;
  int first_, k_;
  bool joint_;
  LossWeights weights_;
  std::vector<LocalSums> local_;  // by unit
  double kd_ = 0, ce_ = 0;
  std::int64_t correct_ = 0, images_ = 0;
};

}  // namespace intandem
