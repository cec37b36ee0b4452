// The table of configuration keys: one line each.
#include "apps/config.hpp"
#include "data/dataset.hpp"
#include "nn/network.hpp"
#include "quant/quantizer.hpp"

namespace intandem {
namespace {

constexpr double kMany = 1e9;

ConfigKey integer(std::string name, std::int64_t& v, double low, double high, std::string help) {
  return {std::move(name), &v, low, high, {}, std::move(help), true};
}
ConfigKey real(std::string name, double& v, double low, double high, std::string help) {
  return {std::move(name), &v, low, high, {}, std::move(help), true};
}
ConfigKey boolean(std::string name, bool& v, std::string help) {
  return {std::move(name), &v, 0, 0, {}, std::move(help), true};
}
ConfigKey text(std::string name, std::string& v, std::string help) {
  return {std::move(name), &v, 0, 0, {}, std::move(help), true};
}
ConfigKey choice(std::string name, std::string& v, std::vector<std::string> choices,
                 std::string help) {
  return {std::move(name), &v, 0, 0, std::move(choices), std::move(help), true};
}
/// A key that changes speed or places, never figures.
ConfigKey harmless(ConfigKey key) {
  key.changes_results = false;
  return key;
}

}  // namespace

ConfigKeys describe(TrainConfig& c) {
  return {
      choice("dataset", c.dataset, dataset_names(), "dataset to train on"),
      harmless(
          text("data_dir", c.data_dir, "its files; default: where Debian's package puts them")),
      integer("limit", c.limit, 0, kMany, "use only so many images of each part; 0: all"),
      integer("held_out", c.held_out, 1, kMany, "training images set aside for validation"),
      choice("network", c.network, network_names(), "architecture"),
      real("width", c.width, 0.05, 4, "factor on every hidden channel count"),
      integer("seed", c.seed, 0, kMany, "seed of everything random"),
      integer("epochs", c.epochs, 1, 10000, "passes over the training images"),
      integer("batch", c.batch, 1, 65536, "images per step"),
      real("lr", c.lr, 1e-8, 100, "peak learning rate"),
      real("warmup_epochs", c.warmup_epochs, 0, 1000, "linear warm-up at the start"),
      choice("schedule", c.schedule, {"cosine", "constant", "step"}, "learning rate after it"),
      real("momentum", c.momentum, 0, 0.9999, "momentum of SGD"),
      boolean("nesterov", c.nesterov, "Nesterov's form of momentum"),
      real("weight_decay", c.weight_decay, 0, 1, "L2 penalty on weights"),
      real("label_smoothing", c.label_smoothing, 0, 0.9, "share of the target spread evenly"),
      real("clip_norm", c.clip_norm, 0, kMany, "limit on the gradient norm; 0: none"),
      integer("shift", c.shift, 0, 64, "augmentation: move by up to so many pixels"),
      boolean("flip", c.flip, "augmentation: mirror half of the images"),
      boolean("winograd", c.winograd, "3x3 convolutions of training steps by Winograd: faster"),
      harmless(integer("threads", c.threads, 0, 4096, "threads; 0: all processors")),
      harmless(integer("checkpoint_every", c.checkpoint_every, 1, kMany,
                       "steps between checkpoints (also one per epoch)")),
  };
}

ConfigKeys describe(DistillConfig& c) {
  return {
      harmless(text("teacher", c.teacher, "teacher file; default: teacher.safetensors of the run")),
      harmless(text("data_dir", c.data_dir, "directory of the dataset; default: the teacher's")),
      text("name", c.name, "name of the student in the run; default: w4a4 and the like"),
      integer("seed", c.seed, 0, kMany, "seed of everything random"),
      integer("weight_bits", c.weight_bits, 1, 8, "bits of a weight"),
      integer("activation_bits", c.activation_bits, 1, 8, "bits of an activation"),
      integer("first_last_weight_bits", c.first_last_weight_bits, 1, 8,
              "bits of a weight in the first and last layer"),
      text("overrides", c.overrides, "bits of single layers, W/A: conv3=2/4,fc6=4/4"),
      choice("quantizer", c.quantizer, weight_quantizer_names(), "how weights become codes"),
      boolean("full_range", c.full_range, "let weight codes reach -2^(W-1), not just its negative"),
      integer("multiplier_bits", c.multiplier_bits, 1, 15,
              "bits of the integer scale m of a layer; 1: powers of two"),
      integer("batch", c.batch, 1, 65536, "images per step"),
      integer("images", c.images, 0, kMany,
              "train on so many images, a fifth of them held out; 0: all of the teacher's"),
      boolean("labels", c.labels, "use the labels of the training images"),
      text("window", c.window, "layers, up to the current one, that a stage trains, or all"),
      real("lambda", c.lambda, 0, 1000, "weight of the hybrid's KL term; 0: purely local"),
      real("tau", c.tau, 0.1, 100, "temperature of the KL term"),
      real("inner_weight", c.inner_weight, 0, 1000,
           "weight of the local losses of the other trained layers, in stages and joint phase"),
      real("lr", c.lr, 1e-8, 100, "peak learning rate of a stage"),
      real("epochs_per_stage", c.epochs_per_stage, 0, 1000, "longest training of one layer"),
      integer("evals_per_stage", c.evals_per_stage, 1, 1000, "held-out evaluations in that time"),
      integer("patience", c.patience, 1, 1000, "evaluations without progress that end a stage"),
      integer("calibration_images", c.calibration_images, 1, kMany,
              "images for the closed-form start of a layer"),
      boolean("random_init", c.random_init, "start from random weights, not the folded teacher"),
      choice("stage_input", c.stage_input, {"student", "teacher"},
             "whose activations feed a stage; teacher: an ablation, with window 1"),
      real("joint_epochs", c.joint_epochs, 0, 1000,
           "fine-tuning of all layers together at the end"),
      integer("joint_evals", c.joint_evals, 1, 1000, "held-out evaluations in that time"),
      real("joint_lr", c.joint_lr, 1e-8, 100, "its peak learning rate"),
      real("kd_weight", c.kd_weight, 0, 1000, "weight of the KL term in it"),
      real("ce_weight", c.ce_weight, 0, 1000, "weight of the label loss in it"),
      harmless(integer("threads", c.threads, 0, 4096, "threads; 0: all processors")),
      harmless(real("checkpoint_seconds", c.checkpoint_seconds, 0.1, 1e6,
                    "longest training between checkpoints")),
  };
}

}  // namespace intandem
