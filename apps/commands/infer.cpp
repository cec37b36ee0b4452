// `intandem infer`: image files → classes, in integers from the first pixel to the last logit.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/commands/commands.hpp"
#include "apps/run/data_check.hpp"
#include "core/container.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "data/image_file.hpp"
#include "data/photo.hpp"
#include "distill/model_info.hpp"
#include "quant/integer/engine.hpp"
#include "quant/plan_file.hpp"

namespace intandem {
namespace {

/// A border as bright as this, on a 0 … 255 scale, is taken for a white background.
constexpr std::int64_t kBrightBorder = 192;

bool has_bright_border(const TensorU8& image) {
  const std::int64_t H = image.dim(0), W = image.dim(1), C = image.dim(2);
  std::int64_t sum = 0, count = 0;
  for (std::int64_t h = 0; h < H; ++h) {
    for (std::int64_t w = 0; w < W; ++w) {
      if (h != 0 && h != H - 1 && w != 0 && w != W - 1) continue;
      for (std::int64_t c = 0; c < C; ++c) sum += image[(h * W + w) * C + c];
      count += C;
    }
  }
  return sum >= kBrightBorder * count;
}

/// The `top` classes with the largest logits, the largest first.
std::vector<std::size_t> top_classes(const std::vector<std::int32_t>& logits, std::int64_t top) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // Stable: the lowest index wins ties, as in argmax.
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  order.resize(std::min(order.size(), static_cast<std::size_t>(top)));
  return order;
}

/// A path or a class name in JSON, which must be UTF-8.
std::string json_text(const std::string& text) { return is_utf8(text) ? text : printable(text); }

void print_json(const std::string& path, const std::vector<std::int32_t>& logits,
                const std::vector<std::string>& names, std::int64_t top) {
  Json best = Json::array();
  for (const std::size_t c : top_classes(logits, top)) {
    best.push_back({{"class", c}, {"name", json_text(names[c])}, {"logit", logits[c]}});
  }
  const Json line = {{"image", json_text(path)},
                     {"class", best[0]["class"]},
                     {"name", best[0]["name"]},
                     {"top", best},
                     {"logits", logits}};
  std::printf("%s\n", to_text(line).c_str());
}

void print_json_error(const std::string& path, const Error& error) {
  const Json line = {{"image", json_text(path)}, {"error", json_text(error.what())}};
  std::printf("%s\n", to_text(line).c_str());
}

void print_classes(const std::string& path, const std::vector<std::int32_t>& logits,
                   const std::vector<std::string>& names, std::int64_t top) {
  const std::vector<std::size_t> order = top_classes(logits, top);
  std::printf("%s:", printable(path).c_str());
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::printf("%s %s (%d)", i > 0 ? "," : "", printable(names[order[i]]).c_str(),
                logits[order[i]]);
  }
  std::printf("\n");
}

}  // namespace

ExitCode infer_command(const InferOptions& options) {
  const Container file = Container::load(options.model, "integer-model");
  const IntModel model = load_model(file);
  const ModelInfo info = load_info(file);
  check_class_names(info, options.model, model.classes);
  if (model.channels != 1 && model.channels != 3) {
    throw Error(options.model,
                "takes images of " + std::to_string(model.channels) +
                    " channels, and image files have 1 (grey) or 3 (colour)",
                "use a model of 1 or 3 channels");
  }
  const InputFormat input{model.height, model.width, model.channels, info.preprocessing};
  PlanSource plan(options.plan, 1);
  Engine engine(model, 1, plan.options(options.algorithm));
  plan.keep();
  std::vector<std::int32_t> logits(static_cast<std::size_t>(model.classes));
  ExitCode code = ExitCode::ok;
  for (const std::string& path : options.images) {
    TensorU8 image;
    try {
      const TensorU8 photo = read_image(path, model.channels);
      image = TensorU8({model.height, model.width, model.channels});
      cut_photo(photo.data(), photo.dim(0), photo.dim(1), input, nullptr, image.data());
    } catch (const Error& error) {
      std::fprintf(stderr, "intandem: error: %s\n", error.what());
      if (options.json) print_json_error(path, error);
      code = ExitCode::runtime;
      continue;
    }
    if (options.invert) {
      for (std::uint8_t& pixel : image) pixel = static_cast<std::uint8_t>(255 - pixel);
    }
    if (info.dataset == "fashion-mnist" && has_bright_border(image)) {
      std::fprintf(stderr,
                   "intandem: note: %s: bright background, but Fashion-MNIST shows light items on "
                   "black; try %s --invert\n",
                   printable(path).c_str(), options.invert ? "without" : "with");
    }
    engine.run(image.data(), 1, logits.data());
    (options.json ? print_json : print_classes)(path, logits, info.class_names, options.top);
  }
  return code;
}

}  // namespace intandem
