#include "apps/run/data_check.hpp"

#include <cstdio>

#include "apps/run/processes.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/text.hpp"

namespace intandem {
namespace {

constexpr const char* kRemedy = "give its images with --data-dir, or insist with --other-data";

std::string list(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 4;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) {
    text += (i > 0 ? ", " : "") + names[i];
  }
  return text + (names.size() > kShown ? ", … (" + std::to_string(names.size()) + ")" : "");
}

/// What is found wrong: an error, or a note if the user insists.
void refuse(const std::string& subject, const std::string& problem, const std::string& remedy,
            bool only_note) {
  if (!only_note) throw Error(subject, problem, remedy);
  print_note(subject + ": " + problem);
}

}  // namespace

std::string data_directory(const std::string& typed, const ModelInfo& model,
                           const std::string& model_path, const std::string& fallback) {
  if (!typed.empty()) return typed;
  if (model.data_dir.empty()) return fallback;
  if (!file_exists(model.data_dir)) {
    throw Error(model_path, "comes from the images in " + model.data_dir + ", which is not there",
                "say with --data-dir where they are");
  }
  return model.data_dir;
}

void check_class_names(const ModelInfo& model, const std::string& model_path,
                       std::int64_t classes) {
  if (static_cast<std::int64_t>(model.class_names.size()) == classes) return;
  throw Error(model_path, "has the wrong number of class names", "export the model again");
}

void check_same_classes(const ModelInfo& model, const std::string& model_path, const Dataset& data,
                        bool other_data) {
  if (model.class_names == data.class_names) return;
  const bool same_count = model.class_names.size() == data.class_names.size();
  refuse(model_path,
         "knows the classes " + list(model.class_names) + ", but the images are of " +
             list(data.class_names),
         same_count ? kRemedy : "give its images with --data-dir", other_data && same_count);
}

void check_same_training_data(const ModelInfo& model, const std::string& model_path,
                              const Dataset& train, const Fingerprint& found, bool other_data) {
  check_same_classes(model, model_path, train, other_data);
  if (model.data.labels.empty()) return;
  if (model.data.labels != found.labels) {
    refuse(model_path,
           "was trained on other images: " + model.data.labels + "; here are " + found.labels,
           kRemedy, other_data);
  } else if (!model.data.same_pixels(found)) {
    refuse(model_path,
           "was trained on other pixels of these images (changed, or another photo decoder)", "",
           true);
  }
}

void check_same_images(const Container& checkpoint, const Fingerprint& found, bool other_data) {
  const Fingerprint then = load_fingerprint(checkpoint);
  if (then.labels.empty() || (then.labels == found.labels && then.same_pixels(found))) return;
  const std::string change =
      then.labels != found.labels
          ? "it was written with " + then.labels + "; here are " + found.labels
          : "the pixels are not those it was written with";
  refuse(checkpoint.path(), "the training images have changed: " + change,
         "restore them, start again with --overwrite, or insist with --other-data", other_data);
}

}  // namespace intandem
