// Typed configuration. Every key is described once, in config_keys.cpp; files, flags, help texts
// and the resolved configuration in the run directory all come from that table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/json.hpp"
#include "quant/quantizer_options.hpp"

namespace intandem {

/// Bits and quantizers of a network (quant/quantizer_options.hpp).
struct QuantizerConfig {
  std::string quantizer = "lsq";
  std::string weight_quantizer = "auto";      ///< auto: as `quantizer` says
  std::string activation_quantizer = "auto";  ///< auto: as `quantizer` says
  std::int64_t weight_bits = 4;
  std::int64_t activation_bits = 4;
  std::int64_t first_last_weight_bits = 8;
  std::string overrides;
  bool full_range = true;
  std::string uniform_method = "mse";
  double activation_range = 1.0;
};

/// What `intandem train` needs to know.
struct TrainConfig : QuantizerConfig {
  TrainConfig() { quantizer = "none"; }  // a float teacher

  std::string dataset = "fashion-mnist";
  std::string data_dir;  ///< empty: where the dataset's Debian package puts it
  std::int64_t limit = 0;
  std::int64_t held_out = 0;     ///< 0: default_held_out (data/dataset.hpp)
  std::string network = "auto";  ///< choose_network (apps/run/load_data.hpp)
  double width = 1.0;
  std::int64_t seed = 1;
  std::int64_t epochs = 8;
  std::int64_t batch = 128;
  double lr = 0.1;
  double warmup_epochs = 0.5;
  std::string schedule = "cosine";
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 5e-4;
  double label_smoothing = 0.0;
  double clip_norm = 0.0;
  std::string preprocessing = "fit";  ///< of photos (data/photo.hpp)
  std::int64_t shift = 2;
  bool flip = true;
  double colour_jitter = 0.0;
  bool skip_bad = false;
  double data_memory = 1.0;       ///< GB
  std::int64_t data_threads = 0;  ///< 0: half of all
  bool winograd = true;
  std::string init;  ///< teacher file to start from; empty: random weights
  std::int64_t shards = 1;
  std::string batch_norm = "per-shard";
  std::int64_t threads = 0;
  std::int64_t checkpoint_every = 100;
};

/// What `intandem import` needs to know, besides the model.
struct ImportConfig {
  std::string network;                ///< JSON file, for a state_dict
  std::string dataset = "none";       ///< none with a data_dir: image-folder
  std::string data_dir;               ///< empty: where the dataset's Debian package puts it
  std::int64_t limit = 0;             ///< as in TrainConfig
  std::int64_t held_out = 0;          ///< as in TrainConfig
  std::string mean = "0";             ///< one number, or one per channel
  std::string std_dev = "1";          ///< one number, or one per channel
  double range = 1.0;                 ///< largest value of an image before mean and std_dev
  std::string check;                  ///< .npy of logits; empty: no check
  std::string images;                 ///< .npy of their images; empty: the test images
  double tolerance = 1e-3;            ///< of the check, relative to an image's largest logit
  std::int64_t seed = 1;              ///< of the held-out split
  std::string preprocessing = "fit";  ///< as in TrainConfig
  std::int64_t shift = 2;             ///< augmentation of students
  bool flip = true;
  std::int64_t threads = 0;
};

/// What `intandem distill` and `intandem baseline` need to know; meanings in distill/options.hpp.
struct DistillConfig : QuantizerConfig {
  std::string teacher;   ///< empty: teacher.safetensors of the run
  std::string data_dir;  ///< empty: as for the teacher
  std::string name;      ///< empty: "w4a4" and the like, from the bits
  std::int64_t seed = 1;
  std::int64_t multiplier_bits = 15;
  std::int64_t batch = 128;
  std::int64_t images = 0;
  bool labels = true;
  double mixup = 0.0;
  std::string window = "all";
  double lambda = 1.0;
  double tau = 2.0;
  double inner_weight = 0.0;
  double lr = 0.01;
  double epochs_per_stage = 0.25;
  std::int64_t evals_per_stage = 1;
  std::int64_t patience = 2;
  std::int64_t calibration_images = 2048;
  bool random_init = false;
  bool fix_alpha = false;
  std::string stage_input = "student";
  double joint_epochs = 4.0;
  std::int64_t joint_evals = 2;
  double joint_lr = 0.01;
  double kd_weight = 1.0;
  double ce_weight = 0.5;
  double data_memory = 1.0;       ///< GB
  std::int64_t data_threads = 0;  ///< 0: half of all
  std::int64_t threads = 0;
  std::int64_t shards = 1;
  double checkpoint_seconds = 60;
};

/// One key of a configuration, bound to the variable it sets. (The descriptor of --NAME, of "NAME"
/// in a file, and of its help.)
struct ConfigKey {
  std::string name;
  std::variant<std::int64_t*, double*, bool*, std::string*> value;
  double lowest = 0, highest = 0;    ///< inclusive; numbers only
  std::vector<std::string> choices;  ///< strings only; empty: free text
  std::string help;
  /// Whether two runs that differ in this key may give different figures. --resume insists on
  /// equal values of such keys only.
  bool changes_results = true;
  /// Besides the choices, any text that ends in this, e.g. ".json" of a file; empty: nothing else.
  std::string or_suffix = {};
  bool is_path = false;  ///< of a file or directory: a flag may not give it empty

  /// "--weight-bits"
  std::string flag() const;
  /// "an integer from 1 to 8", "one of cosine, constant, step", "true or false", …
  std::string allowed() const;
};
using ConfigKeys = std::vector<ConfigKey>;

/// The candidate with the smallest edit distance, to guess what was meant; candidates not empty.
std::string closest_name(const std::vector<std::string>& candidates, const std::string& name);

/// The table of all keys, bound to `config`, which must outlive it. (config_keys.cpp)
ConfigKeys describe(TrainConfig& config);
ConfigKeys describe(ImportConfig& config);
ConfigKeys describe(DistillConfig& config);

/// The choice that the keys of QuantizerConfig come to; none for "none" and "auto" throughout.
/// Error (usage) if only weights or only activations are to be quantized.
std::optional<QuantizerOptions> chosen_quantizers(const QuantizerConfig& config);
/// The same where quantizers are a must.
QuantizerOptions quantizer_options(const QuantizerConfig& config);

/// Sets keys from a JSON object in a file. Usage errors name the file and key: unknown key (with
/// the closest known one), wrong type, value out of range (with what is allowed), not JSON.
void apply_config_file(const ConfigKeys& keys, const std::string& path);
void apply_config_text(const ConfigKeys& keys, const std::string& text, const std::string& source);

/// Sets one key from the text of its flag; same errors, subject is the flag.
void apply_flag(const ConfigKeys& keys, const std::string& name, const std::string& text);

/// The values as they are now, all keys in table order.
Json config_to_json(const ConfigKeys& keys);

/// The values of the keys that change results, one text for comparing.
std::string results_text(const ConfigKeys& keys);

/// Refuses (usage) to resume unless every key that changes results has the value in `stored`;
/// `source` is the checkpoint.
void check_same_config(const ConfigKeys& keys, const Json& stored, const std::string& source);

}  // namespace intandem
