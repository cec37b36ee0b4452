// Labelled images as raw bytes, and where they come from.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/normalization.hpp"
#include "core/tensor.hpp"
#include "data/image_source.hpp"
#include "data/photo.hpp"

namespace intandem {

/// N labelled images of one size [H][W][C]: in memory, or read from a source when they are needed.
struct Dataset {
  std::string name;
  TensorU8 images;  ///< u8 [N][H][W][C]; no elements if there is a source
  std::shared_ptr<const ImageSource> source;
  std::vector<std::int32_t> members;  ///< with a source: which of its images the N are
  std::vector<std::int32_t> labels;   ///< N, in [0, classes)
  std::int64_t classes = 0;
  std::vector<std::string> class_names;  ///< classes entries
  /// Checksum of the names, sizes and labels of the files behind the images; empty: not known.
  std::string files_digest;

  std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
  bool streamed() const { return source != nullptr; }
  /// {H, W, C}
  Shape image_shape() const;
  /// Writes image i, without augmentation, u8 [H][W][C].
  void read_image(std::int64_t i, std::uint8_t* destination) const;
};

/// Mean and standard deviation per channel over all pixels (sums are exact integers); the mean is
/// rounded half up. A channel of one value everywhere gets std_dev 1. Error if there are no images.
/// Of data sets with more than 2²⁶ pixels, in memory or not, 512 images are looked at, evenly
/// spaced.
Normalization measure_normalization(const Dataset& train);

/// u8 [N][H][W][C] → f32 of the same shape, (p − zero_point_c)/std_c rounded once (Q8), plus
/// the offset if there is one.
TensorF normalize(const TensorU8& images, const Normalization& norm);

/// A copy of images first … first + N − 1, [N][H][W][C], without augmentation.
TensorU8 image_range(const Dataset& data, std::int64_t first, std::int64_t N);

/// The images and labels at `indices`, in that order; indices may repeat.
Dataset subset(const Dataset& all, const std::vector<std::int32_t>& indices);

/// The size of the held-out part where none is asked for: a tenth of the images, 1 … 5000.
std::int64_t default_held_out(std::int64_t images);

/// Usage error, naming the data set, unless 0 ≤ held_out < images.
void check_held_out(const std::string& dataset, std::int64_t images, std::int64_t held_out);

/// Splits off `held_out` images chosen by seed, class-balanced as far as the counts allow: every
/// class gives its share of the total (largest remainder; ties to the lower class). Both parts keep
/// the order of `all`. The same seed gives the same split for any thread count. Errors of
/// check_held_out. Pass `all` by std::move: its images then stay where they are but for the
/// held-out ones, and memory for the training images is needed once.
struct Split {
  Dataset train, held_out;
};
Split split_held_out(Dataset all, std::int64_t held_out, std::uint64_t seed);

struct TrainTest {
  Dataset train, test;
  std::vector<std::string> notes;      ///< what a user should know: files left out, classes missing
  std::vector<std::string> bad_files;  ///< with skip_bad: "PATH: why", all that were left out
};

/// What is known of a data set before its pixels are read, `limit` applied.
struct DataCounts {
  std::int64_t train_images = 0, test_images = 0, classes = 0;
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<std::string> class_names;
};

/// Error naming `source` unless the images of both parts, and the held-out tenth that is copied out
/// of the training images, fit into the memory this process may use. To be called before any pixel
/// is read.
void check_fits_memory(const std::string& source, const DataCounts& counts);

/// What to read of a dataset. From `input` on for "image-folder" and "packed" alone; the others
/// have their own size and are small.
struct LoadOptions {
  std::int64_t limit = 0;  ///< > 0: the first `limit` images of each part
  /// Reads the test part alone: train has no images, and its files are not opened.
  bool test_only = false;
  /// The classes in order, where test_only finds no training images that tell ("image-folder").
  std::vector<std::string> class_names;
  /// Called once, before any pixel is read; what it throws ends the loading. May be empty.
  std::function<void(const DataCounts&)> check;

  InputFormat input;  ///< size and preprocessing of the images
  /// Images that do not fit into this are not kept but read again whenever they are needed, in
  /// buffers that do; neither changes a pixel.
  std::int64_t memory_bytes = std::int64_t{1} << 30;
  int threads = 1;        ///< that read ahead
  bool skip_bad = false;  ///< leaves out files that cannot be decoded, instead of an Error
};

/// A dataset by name from a directory: "fashion-mnist" (four IDX files), "cifar10" and "cifar100"
/// (binary version), "image-folder" (data/image_folder.hpp), "packed" (data/packed.hpp). Errors
/// name the file; an unknown name is a usage error.
TrainTest load_dataset(const std::string& name, const std::string& directory,
                       const LoadOptions& options);
TrainTest load_dataset(const std::string& name, const std::string& directory, std::int64_t limit);
std::vector<std::string> dataset_names();

}  // namespace intandem
