// Labelled images as raw bytes, and where they come from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/normalization.hpp"
#include "core/tensor.hpp"

namespace intandem {

/// images u8 [N][H][W][C]; labels in [0, classes).
struct Dataset {
  std::string name;
  TensorU8 images;
  std::vector<std::int32_t> labels;
  std::int64_t classes = 0;
  std::vector<std::string> class_names;  ///< classes entries

  std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
};

/// Mean and standard deviation per channel over all pixels (double accumulation, exact integers).
Normalization measure_normalization(const Dataset& train);

/// u8 [N][H][W][C] → f32 of the same shape.
TensorF normalize(const TensorU8& images, const Normalization& norm);

/// The images and labels at `indices`, in that order.
Dataset subset(const Dataset& all, const std::vector<std::int32_t>& indices);

/// Splits off `held_out` images, class-balanced as far as the counts allow, chosen by seed. The
/// same seed gives the same split for any thread count.
struct Split {
  Dataset train, held_out;
};
Split split_held_out(const Dataset& all, std::int64_t held_out, std::uint64_t seed);

/// A dataset by name from a directory: "fashion-mnist" (four IDX .gz files). limit > 0 keeps the
/// first `limit` images of each part. Errors name the file.
struct TrainTest {
  Dataset train, test;
};
TrainTest load_dataset(const std::string& name, const std::string& directory, std::int64_t limit);

}  // namespace intandem
