// What several commands do with an integer model and a dataset.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "quant/integer/engine.hpp"

namespace intandem {

/// Predicted class of every image [N][H][W][C], `batch` images per engine call.
std::vector<std::int32_t> classify(Engine& engine, const TensorU8& images, std::int64_t batch);

std::int64_t count_correct(const std::vector<std::int32_t>& predicted, const Dataset& data);

/// Error (naming `source`) unless the images are what the model takes.
void check_fits(const IntModel& model, const Dataset& data, const std::string& source);

/// Where Debian's dataset packages put their files.
std::string default_data_dir(const std::string& dataset);

/// The algorithms in use, each once: "direct_avx512vnni, fc_packed4_avx512vnni".
std::string algorithm_list(const Engine& engine);

}  // namespace intandem
