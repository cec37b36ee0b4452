#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "data/cifar.hpp"
#include "tests/data/image_writers.hpp"
#include "tests/data/temporary_directory.hpp"

using namespace intandem;
using namespace intandem::data_test;

namespace {

// Records of `label_bytes` label bytes (the last one from `labels`) and a pattern per image.
std::string records(const std::string& labels, std::size_t label_bytes) {
  std::string file;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    file += std::string(label_bytes - 1, '\x13') + labels[i] + byte_pattern(3072, 100 * i + 1);
  }
  return file;
}

void write_cifar10(const TemporaryDirectory& dir, const std::string& folder) {
  for (int i = 1; i <= 5; ++i) {
    const std::string labels = {static_cast<char>(i), static_cast<char>(i + 4)};
    dir.write(folder + "data_batch_" + std::to_string(i) + ".bin", records(labels, 1));
  }
  dir.write(folder + "test_batch.bin", records({3, 0, 9}, 1));
}

}  // namespace

TEST_CASE("cifar10: planes become channels, batches follow one another", "[data]") {
  const TemporaryDirectory dir;
  const std::string folder = GENERATE("", "cifar-10-batches-bin/");
  write_cifar10(dir, folder);
  const TrainTest data = load_dataset("cifar10", dir.path(), 0);
  CHECK(data.train.images.shape() == Shape{10, 32, 32, 3});
  CHECK(data.train.labels == std::vector<std::int32_t>{1, 5, 2, 6, 3, 7, 4, 8, 5, 9});
  CHECK(data.test.labels == std::vector<std::int32_t>{3, 0, 9});
  CHECK(data.train.class_names[9] == "truck");
  const std::string planes = byte_pattern(3072, 101);  // image 1
  for (const std::size_t y : {0u, 7u, 31u}) {
    for (const std::size_t x : {0u, 11u, 31u}) {
      for (std::size_t c = 0; c < 3; ++c) {
        const auto at = static_cast<std::int64_t>(3072 + (y * 32 + x) * 3 + c);
        CHECK(data.train.images[at] == static_cast<std::uint8_t>(planes[c * 1024 + y * 32 + x]));
      }
    }
  }
  const TrainTest some = load_dataset("cifar10", dir.path(), 3);
  CHECK(some.train.labels == std::vector<std::int32_t>{1, 5, 2});
  CHECK(some.test.size() == 3);
}

TEST_CASE("cifar100: fine labels and their names", "[data]") {
  const TemporaryDirectory dir;
  dir.write("train.bin", records({99, 4}, 2));
  dir.write("test.bin", records({7}, 2));
  std::string names;
  for (int i = 0; i < 100; ++i) names += "name" + std::to_string(i) + "\n";
  dir.write("fine_label_names.txt", names + "\n");
  const TrainTest data = load_dataset("cifar100", dir.path(), 0);
  CHECK(data.train.labels == std::vector<std::int32_t>{99, 4});
  CHECK(data.test.classes == 100);
  CHECK(data.test.class_names[99] == "name99");
  dir.write("fine_label_names.txt", "apple\n");
  check_error([&] { load_dataset("cifar100", dir.path(), 0); },
              {dir.path("fine_label_names.txt"), "has 1 names for 100 classes"});
}

TEST_CASE("cifar: errors name the file", "[data]") {
  const TemporaryDirectory dir;
  check_error([&] { load_dataset("cifar10", dir.path(), 0); },
              {dir.path("data_batch_1.bin"), "no such file", "cifar-10-binary.tar.gz"});
  write_cifar10(dir, "");
  dir.write("data_batch_4.bin", records({1}, 1) + "x");
  check_error([&] { load_dataset("cifar10", dir.path(), 0); },
              {dir.path("data_batch_4.bin"), "3074 bytes are not whole records of 3073"});
  dir.write("data_batch_4.bin", "");
  check_error([&] { load_dataset("cifar10", dir.path(), 0); }, {"data_batch_4.bin", "its 0 bytes"});
  dir.write("data_batch_4.bin", records({1, 10}, 1));
  check_error([&] { load_dataset("cifar10", dir.path(), 0); },
              {dir.path("data_batch_4.bin"), "label 10 of record 1"});
  check_error([&] { load_dataset("cifar11", dir.path(), 0); },
              {"unknown name 'cifar11'", "fashion-mnist, cifar10, cifar100, image-folder"});
}

TEST_CASE("the binary version and folders of the same images give the same data", "[data]") {
  const TemporaryDirectory binary, folders;
  write_cifar10(binary, "");
  LoadOptions options;
  options.input.height = options.input.width = 32;
  const TrainTest from_binary = load_dataset("cifar10", binary.path(), options);
  const auto write_part = [&](const Dataset& part, const std::string& name) {
    for (std::int64_t i = 0; i < part.size(); ++i) {
      const std::string& label =
          part.class_names[static_cast<std::size_t>(part.labels[static_cast<std::size_t>(i)])];
      TensorU8 image({32, 32, 3});
      std::copy_n(part.images.data() + i * image.size(), image.size(), image.data());
      folders.write(name + "/" + label + "/" + std::to_string(i) + ".png", png(image));
    }
  };
  // Ten training labels, 1 5 2 6 3 7 4 8 5 9: class 0 needs an image for its folder to be there.
  Dataset train = from_binary.train;
  train.labels[8] = 0;
  write_part(train, "train");
  write_part(from_binary.test, "test");
  const TrainTest from_folders = load_dataset("image-folder", folders.path(), options);

  CHECK(from_folders.train.class_names == from_binary.train.class_names);
  CHECK(from_folders.train.classes == 10);
  const auto images_of = [](const Dataset& data) {
    std::multiset<std::string> images;
    const std::int64_t size = 32 * 32 * 3;
    for (std::int64_t i = 0; i < data.size(); ++i) {
      const auto* pixels = reinterpret_cast<const char*>(data.images.data() + i * size);
      images.insert(std::to_string(data.labels[static_cast<std::size_t>(i)]) + ": " +
                    std::string(pixels, static_cast<std::size_t>(size)));
    }
    return images;
  };
  CHECK((images_of(from_folders.train) == images_of(train)));  // not to be printed
  CHECK((images_of(from_folders.test) == images_of(from_binary.test)));
  const Normalization a = measure_normalization(from_folders.train);
  const Normalization b = measure_normalization(train);
  CHECK(a.zero_point == b.zero_point);
  CHECK(a.std_dev == b.std_dev);
}
