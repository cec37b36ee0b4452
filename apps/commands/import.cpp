// `intandem import`: a network trained elsewhere → the teacher of a run (docs/exchange.md).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/commands/commands.hpp"
#include "apps/commands/tandem_job.hpp"
#include "apps/print/figures.hpp"
#include "apps/run/load_data.hpp"
#include "apps/run/threads.hpp"
#include "core/container.hpp"
#include "core/file.hpp"
#include "core/npy.hpp"
#include "core/text.hpp"
#include "core/version.hpp"
#include "distill/evaluate.hpp"
#include "distill/teacher.hpp"
#include "nn/onnx/onnx_import.hpp"
#include "nn/state_dict.hpp"
#include "quant/quantized_network.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kBatch = 256;

/// "0.5" or "0.485,0.456,0.406": one value per channel.
std::vector<double> channel_values(const std::string& flag, const std::string& text,
                                   std::int64_t channels) {
  std::vector<double> values;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    char* rest = nullptr;
    const double value = std::strtod(part.c_str(), &rest);
    if (part.empty() || *rest != '\0' || !std::isfinite(value)) {
      throw Error(flag, "'" + text + "' is no list of numbers", "give one, or one per channel",
                  ExitCode::usage);
    }
    values.push_back(value);
    begin = end + 1;
  }
  if (values.size() == 1) values.resize(static_cast<std::size_t>(channels), values[0]);
  if (static_cast<std::int64_t>(values.size()) != channels) {
    throw Error(flag,
                "gives " + std::to_string(values.size()) + " values for " +
                    std::to_string(channels) + " channels",
                "give one, or one per channel", ExitCode::usage);
  }
  return values;
}

/// x = gain·((p·range/255 − mean)/std) + offset of a pixel p, as zero point, deviation and what is
/// left (core/normalization.hpp).
Normalization normalization_of(const ImportConfig& config, const ImportedNetwork& network,
                               const std::string& model) {
  const std::int64_t C = network.net.spec().channels;
  const std::vector<double> mean = channel_values("--mean", config.mean, C);
  const std::vector<double> deviation = channel_values("--std", config.std_dev, C);
  const double range = network.takes_bytes ? 255.0 : config.range;
  Normalization norm;
  bool any_offset = false;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    const double slope = network.gain[c] * range / 255.0 / deviation[c];
    const double at_zero = network.offset[c] - network.gain[c] * mean[c] / deviation[c];
    if (!(slope > 1e-8 && slope < 1e8) || !std::isfinite(at_zero)) {
      throw Error(model,
                  "its normalization multiplies pixels of channel " + std::to_string(c) + " by " +
                      std::to_string(slope),
                  "accepted: a factor above 0; see --std and --range");
    }
    const double zero = std::clamp(std::floor(-at_zero / slope + 0.5), 0.0, 255.0);
    norm.zero_point.push_back(static_cast<std::int32_t>(zero));
    norm.std_dev.push_back(static_cast<float>(1.0 / slope));
    norm.offset.push_back(static_cast<float>(at_zero + slope * zero));
    any_offset = any_offset || std::abs(norm.offset.back()) > 1e-7f;
  }
  if (!any_offset) norm.offset.clear();
  return norm;
}

ImportedNetwork read_model(const std::string& path, const ImportConfig& config) {
  if (path.ends_with(".onnx")) {
    if (!config.network.empty()) {
      throw Error("--network", "is for a state_dict; an ONNX file describes its own network",
                  "leave it out", ExitCode::usage);
    }
    const OnnxGraph graph = read_onnx(path);
    return import_onnx(graph, printable(std::filesystem::path(path).stem().string()));
  }
  if (!path.ends_with(".safetensors")) {
    throw Error(path, "is neither .onnx nor .safetensors", "give one of these", ExitCode::usage);
  }
  if (config.network.empty()) {
    throw Error("--network", "is needed for a state_dict, which holds numbers alone",
                "describe the network in a JSON file (docs/networks.md)", ExitCode::usage);
  }
  const NetworkSpec spec = network_from_file(config.network);
  const auto C = static_cast<std::size_t>(spec.channels);
  return {load_state_dict(Container::load_foreign(path), spec), std::vector<double>(C, 1.0),
          std::vector<double>(C, 0.0), false};
}

/// The images of --images as [N][H][W][C]; of channels-first ones the order is changed.
TensorU8 load_images(const std::string& path, const NetworkSpec& spec) {
  const TensorU8 images = load_npy<std::uint8_t>(path);
  const std::int64_t N = images.rank() == 4 ? images.dim(0) : 0;
  const std::int64_t H = spec.height, W = spec.width, C = spec.channels;
  if (images.shape() == Shape{N, H, W, C}) return images;
  if (!(images.shape() == Shape{N, C, H, W})) {
    throw Error(
        path,
        "holds " + images.shape().str() + ", the network takes " + Shape{H, W, C}.str() + " images",
        "give uint8 [N][H][W][C] or [N][C][H][W]");
  }
  TensorU8 result({N, H, W, C});
  std::uint8_t* out = result.data();
  for (std::int64_t n = 0; n < N; ++n) {
    for (std::int64_t i = 0; i < H * W; ++i) {
      for (std::int64_t c = 0; c < C; ++c) *out++ = images[(n * C + c) * H * W + i];
    }
  }
  return result;
}

/// How far logits are from a reference: per image, the largest difference over the largest
/// magnitude of the reference.
struct Distance {
  double worst = 0, mean = 0;
  std::int64_t images = 0, same_class = 0;
};

Distance compare(FloatNetwork& net, const Normalization& norm, const TensorU8& images,
                 const TensorF& reference) {
  Distance result;
  const std::int64_t K = net.spec().classes, pixels = images.size() / images.dim(0);
  for (std::int64_t first = 0; first < reference.dim(0); first += kBatch) {
    const std::int64_t N = std::min(kBatch, reference.dim(0) - first);
    TensorU8 part(images.shape().with_outer(N));
    std::copy_n(images.data() + first * pixels, N * pixels, part.data());
    const TensorF logits = net.predict(normalize(part, norm));
    for (std::int64_t n = 0; n < N; ++n) {
      const float* ours = logits.data() + n * K;
      const float* theirs = reference.data() + (first + n) * K;
      double largest = 1e-30, difference = 0;
      for (std::int64_t k = 0; k < K; ++k) {
        largest = std::max(largest, std::abs(static_cast<double>(theirs[k])));
        difference = std::max(
            difference, std::abs(static_cast<double>(ours[k]) - static_cast<double>(theirs[k])));
      }
      // Not max(), which would pass over NaN.
      if (!(difference / largest <= result.worst)) result.worst = difference / largest;
      result.mean += difference / largest;
      result.same_class +=
          std::max_element(ours, ours + K) - ours == std::max_element(theirs, theirs + K) - theirs;
      ++result.images;
    }
  }
  result.mean /= static_cast<double>(result.images);
  return result;
}

Distance check_logits(const ImportConfig& config, FloatNetwork& net, const Normalization& norm,
                      const Dataset& test) {
  const TensorF reference = load_npy<float>(config.check);
  if (config.images.empty() && test.size() == 0) {
    throw Error("--check", "needs images", "give --images, or a dataset for its test images",
                ExitCode::usage);
  }
  const TensorU8 images =
      config.images.empty()
          ? image_range(test, 0, std::min(test.size(), std::max<std::int64_t>(1, reference.dim(0))))
          : load_images(config.images, net.spec());
  const std::int64_t N = reference.rank() == 2 ? reference.dim(0) : 0;
  if (N == 0 || reference.dim(1) != net.spec().classes || N > images.dim(0) ||
      (!config.images.empty() && N != images.dim(0))) {
    throw Error(config.check,
                "holds " + reference.shape().str() + " for " + std::to_string(images.dim(0)) +
                    " images and " + std::to_string(net.spec().classes) + " classes",
                "give the logits of these images, float32 [N][classes]");
  }
  return compare(net, norm, images, reference);
}

void print_network(FloatNetwork& net, const Normalization& norm) {
  const NetworkSpec& spec = net.spec();
  std::int64_t parameters = 0;
  for (const Parameter* p : net.parameters()) parameters += p->value.size();
  std::printf("%s: %lldx%lldx%lld image, %zu units, %lld parameters, %lld classes\n",
              spec.name.c_str(), static_cast<long long>(spec.height),
              static_cast<long long>(spec.width), static_cast<long long>(spec.channels),
              spec.units.size(), static_cast<long long>(parameters),
              static_cast<long long>(spec.classes));
  std::printf("input: (pixel - z)/s, per channel z, s:");
  for (std::size_t c = 0; c < norm.std_dev.size() && c < 4; ++c) {
    const double zero = norm.zero_point[c] - static_cast<double>(norm.offset_of(c)) *
                                                 static_cast<double>(norm.std_dev[c]);
    std::printf("%s %.3f, %.3f", c > 0 ? ";" : "", zero, static_cast<double>(norm.std_dev[c]));
  }
  std::printf("%s\n", norm.std_dev.size() > 4 ? "; …" : "");
}

/// The images its students will learn from, if any are named.
TrainTest load_images_of_students(ImportConfig& config, const NetworkSpec& spec,
                                  const std::string& model) {
  if (config.dataset == "none" && config.data_dir.empty()) return {};
  if (config.dataset == "none") config.dataset = "image-folder";
  config.data_dir = resolve_data_dir(config.dataset, config.data_dir);
  DataRequest request;
  request.dataset = config.dataset;
  request.directory = config.data_dir;
  request.limit = config.limit;
  request.preprocessing = preprocessing_from_name(config.preprocessing, "--preprocessing");
  return load_data(request, spec, [&](const DataCounts& counts) {
    if (counts.classes != spec.classes) {
      throw Error(model,
                  "has " + std::to_string(spec.classes) + " classes, " + config.dataset + " has " +
                      std::to_string(counts.classes),
                  "give the images it was trained on");
    }
    if (config.held_out == 0) config.held_out = default_held_out(counts.train_images);
    check_held_out(config.dataset, counts.train_images, config.held_out);
  });
}

ModelInfo info_of(const ImportConfig& config, const Normalization& norm, const Dataset& train,
                  std::int64_t classes) {
  ModelInfo info;
  info.dataset = config.dataset == "none" ? "image-folder" : config.dataset;
  info.data_dir = config.data_dir;
  info.norm = norm;
  info.seed = static_cast<std::uint64_t>(config.seed);
  info.held_out = config.held_out;
  info.limit = config.limit;
  info.preprocessing = preprocessing_from_name(config.preprocessing, "--preprocessing");
  info.augment = augment_for(info.preprocessing, config.shift, config.flip, 0);
  info.commit = intandem_commit();
  if (train.size() > 0) {
    info.data = fingerprint(train);
    info.class_names = train.class_names;
    check_class_names(info.class_names, config.data_dir);
  } else {
    for (std::int64_t k = 0; k < classes; ++k) info.class_names.push_back(std::to_string(k));
  }
  return info;
}

}  // namespace

ExitCode import_command(const std::string& model, ImportConfig config, const JobOptions& job) {
  use_threads(config.threads);
  const ConfigKeys keys = describe(config);
  std::optional<RunDir> run;
  if (file_exists(job.run)) run.emplace(job, "import");
  ImportedNetwork imported = read_model(model, config);
  FloatNetwork& net = imported.net;
  const Normalization norm = normalization_of(config, imported, model);
  print_network(net, norm);
  const TrainTest data = load_images_of_students(config, net.spec(), model);
  const ModelInfo info = info_of(config, norm, data.train, net.spec().classes);
  if (!config.check.empty()) {
    const Distance distance = check_logits(config, net, norm, data.test);
    std::printf(
        "check: %lld images, largest difference %.2e of the image's largest logit "
        "(mean %.2e), same class for %lld\n",
        static_cast<long long>(distance.images), distance.worst, distance.mean,
        static_cast<long long>(distance.same_class));
    if (!(distance.worst <= config.tolerance)) {
      std::fprintf(stderr,
                   "intandem: error: %s: the logits differ by more than %g; check --mean, --std, "
                   "--range and the images\n",
                   config.check.c_str(), config.tolerance);
      return ExitCode::mismatch;
    }
  }
  // A directory that is not there yet stays so until there is something to put into it.
  if (!run) run.emplace(job, "import");
  run->begin(keys, true);
  save_teacher(net, info, run->path("teacher.safetensors"));
  if (data.test.size() > 0) {
    const Evaluation result = evaluate_float(net, norm, data.test, kBatch);
    merge_results(run->directory(), {{"dataset", info.dataset},
                                     {"network", net.spec().name},
                                     {"seed", config.seed},
                                     {"class_names", info.class_names},
                                     {"teacher_crc", file_crc(run->path("teacher.safetensors"))},
                                     {"teacher_top1", percent(result.correct, result.images)},
                                     {"teacher_top5", percent(result.correct_top5, result.images)},
                                     {"teacher_arithmetic", describe_quantizers(net)},
                                     {"teacher_correct", result.correct},
                                     {"images", result.images}});
    std::printf("teacher top-1 %.2f %% (%lld of %lld test images), top-5 %.2f %%\n",
                percent(result.correct, result.images), static_cast<long long>(result.correct),
                static_cast<long long>(result.images), percent(result.correct_top5, result.images));
  }
  run->finish();
  std::printf("wrote %s\n", run->path("teacher.safetensors").c_str());
  return ExitCode::ok;
}

}  // namespace intandem
