// What a distillation run is made of.
#pragma once

#include <cstdint>

#include "data/loader.hpp"
#include "distill/hybrid.hpp"
#include "distill/loss.hpp"
#include "quant/student.hpp"

namespace intandem {

struct DistillOptions {
  StudentOptions student;
  std::uint64_t seed = 1;
  std::int64_t batch = 128;
  Augment augment;
  double mixup = 0.0;  ///< share of the training images that are mixtures (data/mixup.hpp), 0 … 1

  // Stages (D5).
  int window = 0;       ///< layers, up to the current one, that a stage trains; 0: all of them
  double lambda = 1.0;  ///< weight of the hybrid's KL divergence (D4); 0: purely local
  double tau = 2.0;     ///< its temperature
  double inner = 0.0;   ///< weight of the local losses of the other trained layers, joint phase too
  double lr = 0.01;     ///< peak rate, relative to each parameter's magnitude
  double epochs_per_stage = 0.25;          ///< at most; patience may stop earlier
  std::int64_t evals_per_stage = 1;        ///< held-out evaluations in that time, besides the first
  std::int64_t patience = 2;               ///< evaluations without improvement before freezing (D6)
  std::int64_t calibration_images = 2048;  ///< for the local init
  bool fix_alpha = false;                  ///< the scales stay what the local init made them
  bool random_init = false;                ///< start from random weights, not the folded teacher's
  StageInput stage_input = StageInput::student;  ///< teacher: an ablation, with a window of 1

  // Joint phase (D7).
  double joint_epochs = 4.0;  ///< fine-tuning of all layers with the scales fixed; 0: none
  std::int64_t joint_evals = 2;
  double joint_lr = 0.01;
  double kd_weight = 1.0;  ///< weight of the KL divergence
  double ce_weight = 0.5;  ///< weight of the labels' cross-entropy; 0: labels are not used at all

  LossWeights loss_weights() const {
    return {static_cast<float>(lambda), static_cast<float>(tau), static_cast<float>(inner),
            static_cast<float>(kd_weight), static_cast<float>(ce_weight)};
  }
};

}  // namespace intandem
