// What a distillation run is made of.
#pragma once

#include <cstdint>

#include "data/loader.hpp"
#include "quant/student.hpp"

namespace intandem {

struct DistillOptions {
  StudentOptions student;
  std::uint64_t seed = 1;
  std::int64_t batch = 128;
  Augment augment;

  double lambda = 1.0;  ///< weight of the hybrid's KL divergence in a stage (D5); 0: purely local
  double tau = 2.0;     ///< its temperature (D4)
  double lr = 0.01;     ///< a stage's peak rate, relative to each parameter's magnitude
  double epochs_per_stage = 1.0;           ///< at most; patience may stop earlier
  std::int64_t evals_per_stage = 4;        ///< held-out evaluations in that time, besides the first
  std::int64_t patience = 2;               ///< evaluations without improvement before freezing (D6)
  std::int64_t calibration_images = 2048;  ///< for the local init
  bool random_init = false;  ///< start from random weights, not from the teacher's folded ones

  double joint_epochs = 1.0;  ///< fine-tuning of all layers with the scales fixed (D7); 0: none
  std::int64_t joint_evals = 4;
  double joint_lr = 0.002;
  double ce_weight = 0.5;  ///< weight of the labels' cross-entropy in the joint phase
};

}  // namespace intandem
