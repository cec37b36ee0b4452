// `intandem trace`: one image from pixel to class, as text that can be checked with a pencil.
#include <algorithm>
#include <charconv>
#include <cstdio>

#include "apps/commands/commands.hpp"
#include "apps/run/data_check.hpp"
#include "apps/trace/layer_tensors.hpp"
#include "apps/trace/layer_text.hpp"
#include "apps/trace/save_tensors.hpp"
#include "core/container.hpp"
#include "core/npy.hpp"
#include "core/text.hpp"
#include "data/image_file.hpp"
#include "distill/model_info.hpp"

namespace intandem {
namespace {

std::string size_text(std::int64_t height, std::int64_t width, std::int64_t channels) {
  return std::to_string(height) + "x" + std::to_string(width) + "x" + std::to_string(channels);
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// The bytes of a .npy file as an image; [H][W] is one channel.
TensorU8 read_npy_image(const std::string& path) {
  TensorU8 image = load_npy<std::uint8_t>(path);
  if (image.rank() == 2) image = image.reshaped({image.dim(0), image.dim(1), 1});
  if (image.rank() != 3) {
    throw Error(path, "holds " + image.shape().str() + ", which is no image",
                "save one image of bytes, height x width x channels");
  }
  return image;
}

/// The image as the model takes it, u8 [H][W][C].
TensorU8 read_input(const TraceOptions& options, const IntModel& model) {
  const bool npy = ends_with(options.image, ".npy");
  if (!npy && model.channels != 1 && model.channels != 3) {
    throw Error(options.model,
                "takes images of " + std::to_string(model.channels) +
                    " channels, and image files have 1 (grey) or 3 (colour)",
                "give the image as a .npy file");
  }
  TensorU8 image = npy ? read_npy_image(options.image) : read_image(options.image, model.channels);
  if (options.fit && image.dim(2) == model.channels && !image.empty()) {
    image = fit_image(image, model.height, model.width);
  }
  if (!(image.shape() == Shape{model.height, model.width, model.channels})) {
    throw Error(options.image,
                "is " + size_text(image.dim(0), image.dim(1), image.dim(2)) +
                    " (height x width x channels), the model takes " +
                    size_text(model.height, model.width, model.channels),
                "give an image of that size, or --fit to cut and resize it");
  }
  if (options.invert) {
    image = image.clone();
    for (std::uint8_t& pixel : image) pixel = static_cast<std::uint8_t>(255 - pixel);
  }
  return image;
}

/// Index of the layer that --layer names; the last one without it.
int chosen_layer(const TraceOptions& options, const IntModel& model) {
  const int last = static_cast<int>(model.layers.size()) - 1;
  if (options.layer.empty()) return last;
  std::vector<std::string> names;
  for (const IntLayer& layer : model.layers) names.push_back(layer.name);
  const auto found = std::find(names.begin(), names.end(), options.layer);
  if (found == names.end()) {
    throw Error(
        "--layer", "the model has no layer '" + options.layer + "'",
        "did you mean '" + closest_name(names, options.layer) + "'? `intandem inspect` lists them",
        ExitCode::usage);
  }
  return static_cast<int>(found - names.begin());
}

/// "Y,X" as two numbers of at least 0.
void parse_pixel(const std::string& text, Place& place) {
  const char* const end = text.data() + text.size();
  const auto y = std::from_chars(text.data(), end, place.y);
  const bool comma = y.ec == std::errc() && y.ptr != end && *y.ptr == ',';
  const auto x = std::from_chars(comma ? y.ptr + 1 : end, end, place.x);
  if (!comma || x.ec != std::errc() || x.ptr != end || place.y < 0 || place.x < 0) {
    throw Error("--pixel", "'" + text + "' is not Y,X", "give row and column, such as 3,5",
                ExitCode::usage);
  }
}

/// Moves `place`, in the output of `layer`, to what --pixel and --channel say.
void choose_place(const TraceOptions& options, const IntLayer& layer, Place& place) {
  if (!options.pixel.empty()) parse_pixel(options.pixel, place);
  if (options.channel) place.channel = *options.channel;
  const std::string output = "the output of " + layer.name + " is " +
                             size_text(layer.pooled_P(), layer.pooled_Q(), layer.shape.K);
  if (place.y >= layer.pooled_P() || place.x >= layer.pooled_Q()) {
    throw Error("--pixel", "'" + options.pixel + "' is outside: " + output,
                "choose one inside; rows and columns count from 0", ExitCode::usage);
  }
  if (place.channel >= layer.shape.K) {
    throw Error("--channel", std::to_string(place.channel) + " is outside: " + output,
                "choose one inside; channels count from 0", ExitCode::usage);
  }
}

/// The largest logit's place in the last layer's output, the first if tied.
Place largest_logit(const IntLayer& last, const TensorS32& logits) {
  const std::int64_t best = std::max_element(logits.begin(), logits.end()) - logits.begin();
  const std::int64_t K = last.shape.K, Q = last.shape.Q();
  return {best / K / Q, best / K % Q, best % K};
}

}  // namespace

ExitCode trace_command(const TraceOptions& options) {
  const Container file = Container::load(options.model, "integer-model");
  const IntModel model = load_model(file);
  const ModelInfo info = load_info(file);
  check_class_names(info, options.model, model.classes);
  const int layer = chosen_layer(options, model);
  const TensorU8 image = read_input(options, model);
  const std::vector<LayerTensors> tensors = trace_tensors(model, image);
  const EngineCheck equal = check_with_engine(model, image, tensors, options.algorithm);

  const auto at = static_cast<std::size_t>(layer);
  Place logit = largest_logit(model.layers.back(), tensors.back().accumulators);
  if (options.layer.empty()) choose_place(options, model.layers.back(), logit);
  std::vector<Place> places = follow_back(model, tensors, logit);
  choose_place(options, model.layers[at], places[at]);

  std::string text = "image " + printable(options.image) + ": " +
                     size_text(model.height, model.width, model.channels) + ", bytes 0 to 255\n";
  for (int k = 0; k < static_cast<int>(model.layers.size()); ++k) {
    if (!options.layer.empty() && k != layer) continue;
    const auto i = static_cast<std::size_t>(k);
    text += "\n" + layer_trace_text(model, k, tensors[i], places[i], options.zeros);
  }
  if (options.layer.empty()) text += "\n" + logits_text(tensors.back(), info.class_names);
  if (!options.save.empty()) {
    const int files = save_tensors(options.save, model, image, tensors);
    std::fprintf(stderr, "%s: %d .npy files\n", printable(options.save).c_str(), files);
  }
  std::printf("%s\nthe engine gives the same %lld codes and %lld logits\n", text.c_str(),
              static_cast<long long>(equal.codes), static_cast<long long>(equal.logits));
  return ExitCode::ok;
}

}  // namespace intandem
