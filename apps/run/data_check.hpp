// Whether the images at hand are those that a model or a checkpoint comes from.
#pragma once

#include <cstdint>
#include <string>

#include "core/container.hpp"
#include "data/fingerprint.hpp"
#include "distill/model_info.hpp"

namespace intandem {

/// Where to look for a model's images: `typed` (--data-dir) unless empty, else the directory in the
/// model, else `fallback`. Error naming `model_path` if the recorded one is gone.
std::string data_directory(const std::string& typed, const ModelInfo& model,
                           const std::string& model_path, const std::string& fallback = {});

/// Error naming the file unless there is a name for each of so many classes.
void check_class_names(const ModelInfo& model, const std::string& model_path, std::int64_t classes);

/// Error naming both lists unless `data` has the model's classes, by name and in order. With
/// `other_data` (--other-data) a note on standard error instead, as long as the counts agree.
void check_same_classes(const ModelInfo& model, const std::string& model_path, const Dataset& data,
                        bool other_data);

/// check_same_classes, and the same count, size and labels as the training images of the model if
/// it recorded them; other pixels behind them are worth a note. found: fingerprint(train).
void check_same_training_data(const ModelInfo& model, const std::string& model_path,
                              const Dataset& train, const Fingerprint& found, bool other_data);

/// Error unless the images are, pixel by pixel, those the checkpoint was written with (if it
/// recorded them); with `other_data` a note.
void check_same_images(const Container& checkpoint, const Fingerprint& found, bool other_data);

}  // namespace intandem
