#include "apps/commands/tandem_job.hpp"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <numeric>

#include "apps/print/figures.hpp"
#include "apps/print/layer_text.hpp"
#include "apps/print/png.hpp"
#include "apps/run/data_check.hpp"
#include "apps/run/load_data.hpp"
#include "apps/run/run_files.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/parallel.hpp"
#include "quant/quantized_network.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kTestBatch = 256;
constexpr std::size_t kMaxStages = 100'000;
constexpr std::int64_t kFirstImages = 40, kWrongImages = 20;

Json sample_json(const Dataset& test, const Evaluation& evaluation, std::int64_t index) {
  TensorU8 image(test.image_shape());
  test.read_image(index, image.data());
  const auto at = static_cast<std::size_t>(index);
  return {{"index", index},
          {"label", test.labels[at]},
          {"predicted", evaluation.predicted[at]},
          {"png", base64(encode_png(image))}};
}

}  // namespace

std::string student_name(const DistillConfig& config) {
  if (!config.name.empty()) return config.name;
  return "w" + std::to_string(config.weight_bits) + "a" + std::to_string(config.activation_bits);
}

void complete(DistillConfig& config, const std::string& run) {
  config.name = student_name(config);
  const bool plain = config.name.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                         "UVWXYZ0123456789_-") == std::string::npos;
  if (!plain || config.name == "teacher" || config.name == "train") {
    throw Error("--name", "'" + config.name + "' cannot name a student",
                "use letters, digits, - and _", ExitCode::usage);
  }
  if (config.teacher.empty()) config.teacher = run + "/teacher.safetensors";
  // Recorded for --resume, which may be typed elsewhere.
  config.teacher = std::filesystem::absolute(config.teacher).lexically_normal().string();
}

namespace {

/// `images` of the training images chosen by seed without a look at their labels; every fifth of
/// them is held out.
Split few_images(const Dataset& train, std::int64_t images, std::uint64_t seed) {
  if (images > train.size() || images < 10) {
    throw Error("--images",
                "cannot take " + std::to_string(images) + " of " + std::to_string(train.size()) +
                    " training images",
                "take at least 10 and no more than there are", ExitCode::usage);
  }
  const std::vector<std::int32_t> order =
      random_permutation(static_cast<std::int32_t>(train.size()), Rng(seed).stream("few images"));
  std::vector<std::int32_t> trained, held_out;
  for (std::int64_t i = 0; i < images; ++i) {
    (i % 5 == 4 ? held_out : trained).push_back(order[static_cast<std::size_t>(i)]);
  }
  return {subset(train, trained), subset(train, held_out)};
}

/// "all" → 0, else the number of layers.
int window_of(const DistillConfig& config) {
  if (config.window == "all") return 0;
  int window = 0;
  const char* end = config.window.data() + config.window.size();
  const auto parsed = std::from_chars(config.window.data(), end, window);
  if (parsed.ec != std::errc() || parsed.ptr != end || window < 1) {
    throw Error("--window", "'" + config.window + "' is no number of layers", "use 1, 2, … or all",
                ExitCode::usage);
  }
  return window;
}

}  // namespace

std::string recorded_data_dir(const std::string& run) {
  const Json record = read_config_file(run + "/config.json");
  const Json::json_pointer key("/train/config/data_dir");
  return record.contains(key) && record.at(key).is_string() ? record.at(key).get<std::string>()
                                                            : std::string();
}

namespace {

/// What would only fail after every image has been read.
void check_counts(const DistillConfig& config, const ModelInfo& teacher, const DataCounts& counts,
                  const JobOptions& job, bool trains) {
  if (!job.other_data) {
    Dataset named;
    named.classes = counts.classes;
    named.class_names = counts.class_names;
    check_same_classes(teacher, config.teacher, named, false);
  }
  check_held_out(teacher.dataset, counts.train_images, teacher.held_out);
  std::int64_t images = counts.train_images - teacher.held_out;
  if (config.images > 0) images = std::min(images, config.images - config.images / 5);
  if (trains) check_batch(teacher.dataset, images, config.batch);
}

}  // namespace

TandemInputs load_inputs(DistillConfig& config, const JobOptions& job, bool trains) {
  if (!file_exists(config.teacher)) {
    throw Error(config.teacher, "no such teacher", "run 'intandem train' first, or give --teacher");
  }
  Teacher teacher = load_teacher(config.teacher);
  resolve_quantizers(teacher.net.spec(), quantizer_options(config));  // errors before data load
  ModelInfo& info = teacher.info;
  config.data_dir = resolve_data_dir(
      info.dataset,
      data_directory(config.data_dir, info, config.teacher, recorded_data_dir(job.run)));
  DataRequest request = request_of(info, config.data_dir);
  request.memory_gb = config.data_memory;
  request.threads = config.data_threads;
  TrainTest data = load_data(request, teacher.net.spec(), [&](const DataCounts& counts) {
    // A teacher imported without images has no held-out part yet.
    if (info.held_out == 0) info.held_out = default_held_out(counts.train_images);
    check_counts(config, info, counts, job, trains);
  });
  const Fingerprint found = fingerprint(data.train);
  check_same_training_data(info, config.teacher, data.train, found, job.other_data);
  // The student is trained on these images, wherever the teacher saw them.
  info.data_dir = config.data_dir;
  info.data = found;
  Split split = split_held_out(std::move(data.train), info.held_out, info.seed);
  if (config.images > 0) {
    split = few_images(split.train, config.images, static_cast<std::uint64_t>(config.seed));
  }
  return {std::move(teacher), std::move(split), std::move(data.test)};
}

DistillOptions distill_options(const DistillConfig& config, const ModelInfo& teacher) {
  DistillOptions options;
  options.student = {quantizer_options(config), static_cast<int>(config.multiplier_bits)};
  options.seed = static_cast<std::uint64_t>(config.seed);
  options.batch = config.batch;
  options.augment = teacher.augment;
  options.mixup = config.mixup;
  options.window = window_of(config);
  options.stage_input = config.stage_input == "teacher" ? StageInput::teacher : StageInput::student;
  if (options.stage_input == StageInput::teacher && options.window != 1) {
    throw Error("--stage-input", "the teacher's activations can feed one layer at a time alone",
                "use --window 1 with it", ExitCode::usage);
  }
  options.lambda = config.lambda;
  options.inner = config.inner_weight;
  options.tau = config.tau;
  options.lr = config.lr;
  options.epochs_per_stage = config.epochs_per_stage;
  options.evals_per_stage = config.evals_per_stage;
  options.patience = config.patience;
  options.calibration_images = config.calibration_images;
  options.random_init = config.random_init;
  options.fix_alpha = config.fix_alpha;
  options.joint_epochs = config.joint_epochs;
  options.joint_evals = config.joint_evals;
  options.joint_lr = config.joint_lr;
  options.kd_weight = config.kd_weight;
  options.ce_weight = config.labels ? config.ce_weight : 0.0;
  if (options.joint_epochs > 0.0 && options.kd_weight + options.ce_weight <= 0.0) {
    throw Error("--kd-weight", "the joint phase has neither the teacher nor labels to learn from",
                "give --kd-weight or, with labels, --ce-weight a positive value", ExitCode::usage);
  }
  return options;
}

Evaluation evaluate_teacher(const std::string& run, const DistillConfig& config,
                            TandemInputs& inputs, FloatNetwork& network, Communicator& shard) {
  const Teacher& teacher = inputs.teacher;
  Evaluation result =
      evaluate_float(network, teacher.info.norm, inputs.test, kTestBatch, {}, shard);
  if (shard.is_first() && !read_results(run).contains("teacher_top1")) {
    merge_results(run, {{"dataset", teacher.info.dataset},
                        {"network", teacher.net.spec().name},
                        {"seed", teacher.info.seed},
                        {"class_names", teacher.info.class_names},
                        {"teacher_crc", file_crc(config.teacher)},
                        {"teacher_top1", percent(result.correct, result.images)},
                        {"teacher_top5", percent(result.correct_top5, result.images)},
                        {"teacher_arithmetic", describe_quantizers(teacher.net)},
                        {"teacher_correct", result.correct},
                        {"images", result.images}});
  }
  return result;
}

Json student_figures(const DistillConfig& config, const Evaluation& teacher) {
  const QuantizerOptions quantizers = quantizer_options(config);
  return {{"weight_bits", config.weight_bits},
          {"activation_bits", config.activation_bits},
          {"first_last_weight_bits", config.first_last_weight_bits},
          {"overrides", config.overrides},
          {"weight_quantizer", quantizers.weight_quantizer},
          {"activation_quantizer", quantizers.activation_quantizer},
          {"seed", config.seed},
          {"threads", thread_count()},
          {"teacher_crc", file_crc(config.teacher)},
          {"teacher_top1", percent(teacher.correct, teacher.images)},
          {"teacher_top5", percent(teacher.correct_top5, teacher.images)},
          {"images", teacher.images}};
}

Json test_figures(const std::string& prefix, const Evaluation& test, const Evaluation& teacher) {
  return {{prefix + "top1", percent(test.correct, test.images)},
          {prefix + "top5", percent(test.correct_top5, test.images)},
          {prefix + "correct", test.correct},
          {prefix + "agreement", percent(count_agreeing(test, teacher), test.images)}};
}

std::string file_crc(const std::string& path) {
  const std::string bytes = read_file(path, "check its permissions");
  return std::to_string(
      crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

LoggedStages read_logged_stages(const std::string& log_path, const std::string& job) {
  LoggedStages all;
  std::vector<std::int64_t> steps;
  for (const Json& line : read_log_file(log_path)) {
    if (line.value("job", "") != job) continue;
    const auto stage = line.value("stage", std::size_t{1});
    if (stage < 1 || stage > kMaxStages) {
      throw Error(log_path, "a line is of stage " + std::to_string(stage),
                  "restore the log of this run");
    }
    while (steps.size() < stage) {
      steps.push_back(0);
      all.hybrid_top1.push_back(nullptr);
    }
    // The last line of a stage tells how long it was trained.
    steps[stage - 1] = line.value("step", std::int64_t{0});
    if (!line.value("best", false)) continue;
    all.hybrid_top1[stage - 1] = line.contains("hybrid_top1") ? line.at("hybrid_top1") : Json();
    const auto loss = line.find("held_out_loss");
    if (line.value("phase", "") == "joint" && loss != line.end() && loss->is_number()) {
      all.joint_held_out_loss = loss->get<double>();
    }
  }
  all.steps = std::accumulate(steps.begin(), steps.end(), std::int64_t{0});
  return all;
}

Json confusion_json(const Evaluation& evaluation, std::int64_t classes) {
  Json rows = Json::array();
  for (std::int64_t truth = 0; truth < classes; ++truth) {
    const auto begin = evaluation.confusion.begin() + truth * classes;
    rows.push_back(std::vector<std::int64_t>(begin, begin + classes));
  }
  return rows;
}

Json layers_json(const IntModel& model) {
  Json rows = Json::array();
  for (const IntLayer& layer : model.layers) {
    Json row = {{"name", layer.name},
                {"shape", shape_text(layer)},
                {"weight_bits", layer.weight_bits},
                {"in_bits", bits_of(layer.in_max)},
                {"out_bits", layer.is_last() ? 32 : bits_of(layer.max_code)},
                {"macs", layer_macs(layer)},
                {"weight_bytes", weight_bytes(layer)},
                {"bound", layer.bound},
                {"zero_channels", layer.zero_channels}};
    if (layer.scale.size() == 1) {
      row["m"] = layer.scale.front().m;
      row["n"] = layer.scale.front().n;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void save_samples(const std::string& path, const Dataset& test, const Evaluation& evaluation) {
  Json first = Json::array(), wrong = Json::array();
  for (std::int64_t i = 0; i < test.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const bool is_wrong = evaluation.predicted[at] != test.labels[at];
    if (i < kFirstImages) {
      first.push_back(sample_json(test, evaluation, i));
    } else if (is_wrong && static_cast<std::int64_t>(wrong.size()) < kWrongImages) {
      wrong.push_back(sample_json(test, evaluation, i));
    }
  }
  write_file_atomic(path, to_text({{"first", first}, {"wrong", wrong}}) + "\n");
}

}  // namespace intandem
