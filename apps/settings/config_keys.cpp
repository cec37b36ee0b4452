// The table of configuration keys: one line each.
#include "apps/settings/config.hpp"
#include "core/error.hpp"
#include "data/dataset.hpp"
#include "nn/network.hpp"
#include "quant/quantizer_options.hpp"

namespace intandem {
namespace {

constexpr double kMany = 1e9;
constexpr double kLeastDataMemory = 0.125, kMostDataMemory = 1e6;  // GB

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
/// A choice that also takes the name of a file.
ConfigKey or_file(ConfigKey key, std::string suffix) {
  key.or_suffix = std::move(suffix);
  return key;
}
ConfigKey path(std::string name, std::string& v, std::string help) {
  ConfigKey key = text(std::move(name), v, std::move(help));
  key.is_path = true;
  return key;
}
std::vector<std::string> with_auto(std::vector<std::string> names) {
  names.insert(names.begin(), "auto");
  return names;
}

/// names: of the choices that --quantizer has.
ConfigKeys quantizer_keys(QuantizerConfig& c, std::vector<std::string> names) {
  return {
      integer("weight_bits", c.weight_bits, 1, 8, "bits of a weight"),
      integer("activation_bits", c.activation_bits, 1, 8, "bits of an activation"),
      integer("first_last_weight_bits", c.first_last_weight_bits, 1, 8,
              "bits of a weight in the first and last layer"),
      text("overrides", c.overrides,
           "single layers, W/A or W/A:quantizers: conv3=2/4,fc6=4/4:dorefa/pact"),
      choice("quantizer", c.quantizer, std::move(names), "how floats become codes"),
      choice("weight_quantizer", c.weight_quantizer, with_auto(weight_quantizer_names()),
             "the weights' quantizer; auto: as --quantizer"),
      choice("activation_quantizer", c.activation_quantizer,
             with_auto(activation_quantizer_names()),
             "the activations' quantizer; auto: as --quantizer"),
      boolean("full_range", c.full_range,
              "lsq, uniform: let weight codes reach -2^(W-1), not just its negative"),
      choice("uniform_method", c.uniform_method, {"mse", "min-max", "percentile"},
             "uniform: how the step is fitted"),
      real("activation_range", c.activation_range, 1e-3, 1000,
           "dorefa: activations are clipped to 0 ... this"),
  };
}

ConfigKey shards_key(std::int64_t& shards) {
  return integer("shards", shards, 1, 4096,
                 "parts of a batch, each worked on by itself and the gradients summed; processes "
                 "of mpirun or srun share them out, at least one each");
}

/// A key that changes speed or places, never figures.
ConfigKey harmless(ConfigKey key) {
  key.changes_results = false;
  return key;
}

/// How photos are streamed.
ConfigKey data_memory_key(double& v) {
  return harmless(real("data_memory", v, kLeastDataMemory, kMostDataMemory,
                       "GB for photos, decoded or being decoded, whatever their number"));
}
ConfigKey data_threads_key(std::int64_t& v) {
  return harmless(
      integer("data_threads", v, 0, 4096, "threads that decode photos ahead; 0: half as many"));
}

}  // namespace

ConfigKeys describe(TrainConfig& c) {
  ConfigKeys keys = {
      choice("dataset", c.dataset, dataset_names(), "dataset to train on"),
      harmless(
          path("data_dir", c.data_dir, "its files; default: where Debian's package puts them")),
      integer("limit", c.limit, 0, kMany, "use only so many images of each part; 0: all"),
      integer("held_out", c.held_out, 0, kMany,
              "training images set aside for validation; 0: a tenth, at most 5000"),
      or_file(choice("network", c.network, with_auto(network_names()),
                     "architecture, by name or from a file; auto: fashion-alexnet for "
                     "fashion-mnist, others must be named"),
              ".json"),
      real("width", c.width, 0.05, 4, "factor on every hidden channel count of a built-in network"),
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
      choice("preprocessing", c.preprocessing, preprocessing_names(),
             "photos; fit: the middle, resized; imagenet: random resized crops, evaluation of the "
             "middle 7/8"),
      integer("shift", c.shift, 0, 64,
              "augmentation: move by up to so many pixels (preprocessing fit)"),
      boolean("flip", c.flip, "augmentation: mirror half of the images"),
      real("colour_jitter", c.colour_jitter, 0, 1,
           "augmentation: change brightness, contrast and saturation by up to this share"),
      boolean("skip_bad", c.skip_bad,
              "photos: leave out files that cannot be decoded, after a look at all of them"),
      data_memory_key(c.data_memory),
      data_threads_key(c.data_threads),
      boolean("winograd", c.winograd, "3x3 convolutions of training steps by Winograd: faster"),
      harmless(integer("threads", c.threads, 0, 4096, "threads; 0: all processors")),
      harmless(integer("checkpoint_every", c.checkpoint_every, 1, kMany,
                       "steps between checkpoints (also one per epoch)")),
      path("init", c.init, "teacher file to start from; default: random weights"),
      shards_key(c.shards),
      choice("batch_norm", c.batch_norm, {"per-shard", "sync"},
             "whose statistics batch norm takes: each shard's own, or the whole batch's"),
  };
  std::vector<std::string> names = quantizer_names();
  names.insert(names.begin(), "none");
  const ConfigKeys quantizers = quantizer_keys(c, std::move(names));
  keys.insert(keys.end(), quantizers.begin(), quantizers.end());
  return keys;
}

ConfigKeys describe(ImportConfig& c) {
  std::vector<std::string> datasets = dataset_names();
  datasets.insert(datasets.begin(), "none");
  return {
      path("network", c.network, "JSON file of the network (docs/networks.md), for a state_dict"),
      choice("dataset", c.dataset, std::move(datasets),
             "dataset its students will learn from; none with --data-dir: image-folder"),
      harmless(
          path("data_dir", c.data_dir, "its files; default: where Debian's package puts them")),
      integer("limit", c.limit, 0, kMany, "use only so many images of each part; 0: all"),
      integer("held_out", c.held_out, 0, kMany,
              "training images set aside for validation; 0: a tenth, at most 5000"),
      text("mean", c.mean, "subtracted from an image of 0 ... range: a number, or R,G,B"),
      text("std", c.std_dev, "then divided by: a number, or R,G,B"),
      real("range", c.range, 1e-6, 1e6, "largest value of an image before that: 1, or 255"),
      path("check", c.check, ".npy file of logits, float32 [N][classes], to compare with"),
      path("images", c.images,
           ".npy file of their images, uint8 [N][H][W][C] or [N][C][H][W]; default: test images"),
      real("tolerance", c.tolerance, 0, 1, "largest difference to an image's largest logit"),
      integer("seed", c.seed, 0, kMany, "seed of the split into training and held-out images"),
      choice("preprocessing", c.preprocessing, preprocessing_names(),
             "photos; fit: the middle, resized; imagenet: the middle 7/8, students train on random "
             "resized crops"),
      integer("shift", c.shift, 0, 64, "augmentation of students: move by up to so many pixels"),
      boolean("flip", c.flip, "augmentation of students: mirror half of the images"),
      harmless(integer("threads", c.threads, 0, 4096, "threads; 0: all processors")),
  };
}

std::optional<QuantizerOptions> chosen_quantizers(const QuantizerConfig& c) {
  if (c.quantizer != "none") return quantizer_options(c);
  const bool weights = c.weight_quantizer != "auto";
  const bool activations = c.activation_quantizer != "auto";
  if (weights && activations) return quantizer_options(c);
  if (!weights && !activations) return std::nullopt;
  throw Error(weights ? "--weight-quantizer" : "--activation-quantizer",
              "is given without the other one, and --quantizer is none",
              "give both, or --quantizer", ExitCode::usage);
}

QuantizerOptions quantizer_options(const QuantizerConfig& c) {
  QuantizerOptions options;
  options.weight_quantizer =
      c.weight_quantizer == "auto" ? weight_quantizer_of(c.quantizer) : c.weight_quantizer;
  options.activation_quantizer = c.activation_quantizer == "auto"
                                     ? activation_quantizer_of(c.quantizer)
                                     : c.activation_quantizer;
  options.weight_bits = static_cast<int>(c.weight_bits);
  options.activation_bits = static_cast<int>(c.activation_bits);
  options.first_last_weight_bits = static_cast<int>(c.first_last_weight_bits);
  options.full_range = c.full_range;
  options.uniform_method = c.uniform_method;
  options.activation_range = c.activation_range;
  options.overrides = c.overrides;
  return options;
}

ConfigKeys describe(DistillConfig& c) {
  ConfigKeys keys = {
      harmless(path("teacher", c.teacher, "teacher file; default: teacher.safetensors of the run")),
      harmless(path("data_dir", c.data_dir, "directory of the dataset; default: the teacher's")),
      text("name", c.name, "name of the student in the run; default: w4a4 and the like"),
      integer("seed", c.seed, 0, kMany, "seed of everything random"),
      integer("multiplier_bits", c.multiplier_bits, 1, 15,
              "bits of the integer scale m of a layer; 1: powers of two"),
      integer("batch", c.batch, 1, 65536, "images per step"),
      integer("images", c.images, 0, kMany,
              "train on so many images, a fifth of them held out; 0: all of the teacher's"),
      boolean("labels", c.labels, "use the labels of the training images"),
      real("mixup", c.mixup, 0, 1,
           "share of the training images that are mixed with another one, for long training"),
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
      boolean("fix_alpha", c.fix_alpha,
              "leave the layers' scales as the closed-form start made them"),
      boolean("random_init", c.random_init, "start from random weights, not the folded teacher"),
      choice("stage_input", c.stage_input, {"student", "teacher"},
             "whose activations feed a stage; teacher: an ablation, with window 1"),
      real("joint_epochs", c.joint_epochs, 0, 1000,
           "fine-tuning of all layers together at the end"),
      integer("joint_evals", c.joint_evals, 1, 1000, "held-out evaluations in that time"),
      real("joint_lr", c.joint_lr, 1e-8, 100, "its peak learning rate"),
      real("kd_weight", c.kd_weight, 0, 1000, "weight of the KL term in it"),
      real("ce_weight", c.ce_weight, 0, 1000, "weight of the label loss in it"),
      shards_key(c.shards),
      data_memory_key(c.data_memory),
      data_threads_key(c.data_threads),
      harmless(integer("threads", c.threads, 0, 4096, "threads; 0: all processors")),
      harmless(real("checkpoint_seconds", c.checkpoint_seconds, 0.1, 1e6,
                    "longest training between checkpoints")),
  };
  // After name and seed, before the method's own keys.
  const ConfigKeys quantizers = quantizer_keys(c, quantizer_names());
  keys.insert(keys.begin() + 4, quantizers.begin(), quantizers.end());
  return keys;
}

}  // namespace intandem
