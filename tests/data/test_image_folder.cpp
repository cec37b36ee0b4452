#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <limits>

#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "data/dataset.hpp"
#include "data/idx.hpp"
#include "data/loader.hpp"
#include "tests/data/image_writers.hpp"
#include "tests/data/temporary_directory.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::data_test;

namespace {

LoadOptions small_options() {
  LoadOptions options;
  options.input.height = options.input.width = 4;
  return options;
}

/// Images of one colour each: the first byte tells them apart.
std::string flat(int value) {
  return png(TensorU8::full({4, 4, 3}, static_cast<std::uint8_t>(value)));
}

std::vector<int> first_bytes(const Dataset& data) {
  std::vector<int> bytes;
  for (std::int64_t i = 0; i < data.size(); ++i) bytes.push_back(data.images[i * 48]);
  return bytes;
}

}  // namespace

TEST_CASE("image folder: classes, order, sizes, limits", "[data]") {
  const TemporaryDirectory dir;
  const auto add = [&](const std::string& name, int start) {
    dir.write(name, png(gradient(6, 6, 3, start)));
  };
  add("train/cat/b.png", 1);
  add("train/cat/a.PNG", 2);
  add("train/ant/z.png", 3);
  dir.write("train/ant/y.JPEG", jpeg(TensorU8::full({9, 12, 3}, 50)));
  add("train/cat/c.png", 4);
  dir.write("train/.hidden", "");
  dir.write("train/cat/.DS_Store", "");
  add("val/cat/v.png", 5);
  LoadOptions options;
  options.input.height = options.input.width = 6;
  const int before = thread_count();
  set_thread_count(2);
  const TrainTest data = load_dataset("image-folder", dir.path(), options);
  set_thread_count(before);
  CHECK(data.train.class_names == std::vector<std::string>{"ant", "cat"});
  CHECK(data.train.labels == std::vector<std::int32_t>{0, 1, 0, 1, 1});  // y a z b c
  CHECK(data.train.images.shape() == Shape{5, 6, 6, 3});
  CHECK(std::abs(data.train.images[0] - 50) <= 2);
  const std::int64_t size = 6 * 6 * 3;
  const int starts[] = {0, 2, 3, 1, 4};
  for (std::int64_t i = 1; i < 5; ++i) {
    const TensorU8 want = gradient(6, 6, 3, starts[i]);
    CHECK(std::equal(want.begin(), want.end(), data.train.images.begin() + i * size));
  }
  CHECK(data.test.labels == std::vector<std::int32_t>{1});
  CHECK(data.test.classes == 2);
  options.limit = 2;
  options.input.channels = 1;
  options.input.width = 3;
  const TrainTest some = load_dataset("image-folder", dir.path(), options);
  CHECK(some.train.labels == std::vector<std::int32_t>{0, 1});
  CHECK(some.train.images.shape() == Shape{2, 6, 3, 1});
}

TEST_CASE("image folder: errors name the file", "[data]") {
  const TemporaryDirectory dir;
  LoadOptions options;
  options.input.height = options.input.width = 4;
  const auto load = [&] { load_dataset("image-folder", dir.path(), options); };
  check_error(load, {dir.path("train"), "no such directory", "train|val/<class>"});
  dir.write("train/a/1.png", png(gradient(4, 4, 3)));
  check_error(load, {dir.path("val"), "no such directory"});
  dir.write("val/b/1.png", png(gradient(4, 4, 3)));
  check_error(load, {dir.path("val/b"), "is not one of the classes"});
  std::filesystem::rename(dir.path("val/b"), dir.path("val/a"));
  CHECK_NOTHROW(load());
  dir.write("val/a/2.png", "hello");
  check_error(load, {dir.path("val/a/2.png"), "is no JPEG, PNG, BMP or GIF image"});
  dir.write("val/a/2.png", jpeg(gradient(4, 4, 3)));  // the wrong name for it, but an image
  CHECK_NOTHROW(load());
  std::filesystem::create_directories(dir.path("train/empty"));
  check_error(load, {dir.path("train/empty"), "holds no images"});
  std::filesystem::remove(dir.path("train/empty"));
  dir.write("train/stray.png", png(gradient(4, 4, 3)));
  check_error(load, {dir.path("train/stray.png"), "is an image outside of the class folders"});
  std::filesystem::remove(dir.path("train/stray.png"));
  options.input.channels = 2;
  check_error(load, {"4x4x2"});
}

TEST_CASE("image folder: what is no image is left out and said", "[data]") {
  const TemporaryDirectory dir;
  for (const std::string part : {"train/", "val/"}) {
    dir.write(part + "a/1.png", flat(1));
    dir.write(part + "a/Thumbs.db", "no image");
    dir.write(part + "a/images/2.png", flat(2));
    dir.write(part + "a/images/deep/3.JPG", flat(3));
    dir.write(part + "a/photo", flat(4));  // by its contents
    dir.write(part + "a/__MACOSX/5.png", "resource fork");
    dir.write(part + "README", "words");
    dir.write(part + "__MACOSX/a/1.png", "resource fork");
    dir.write(part + "b/1.png", flat(6));
  }
  std::filesystem::remove_all(dir.path("val/b"));
  const TrainTest data = load_dataset("image-folder", dir.path(), small_options());
  CHECK(first_bytes(data.train) == std::vector<int>{1, 6, 2, 3, 4});
  CHECK(data.train.labels == std::vector<std::int32_t>{0, 1, 0, 0, 0});
  CHECK(data.train.class_names == std::vector<std::string>{"a", "b"});
  REQUIRE(data.notes.size() == 3);
  CHECK_THAT(data.notes[0], Catch::Contains("train: left out 4 entries that are no image: README, "
                                            "__MACOSX, a/Thumbs.db, a/__MACOSX"));
  CHECK_THAT(data.notes[1], Catch::Contains("val: left out 4 entries"));
  CHECK_THAT(data.notes[2], Catch::Contains("val: no images of 1 class: b"));
  std::filesystem::create_directory_symlink("..", dir.path("train/a/circle"));
  check_error([&] { load_dataset("image-folder", dir.path(), small_options()); }, {"folders deep"});
}

TEST_CASE("image folder: val/ before test/, and said where both are", "[data]") {
  const TemporaryDirectory dir;
  dir.write("train/a/1.png", flat(1));
  dir.write("test/a/1.png", flat(2));
  const TrainTest without = load_dataset("image-folder", dir.path(), small_options());
  CHECK(first_bytes(without.test) == std::vector<int>{2});
  CHECK(without.notes.empty());
  dir.write("val/a/1.png", flat(3));
  const TrainTest both = load_dataset("image-folder", dir.path(), small_options());
  CHECK(first_bytes(both.test) == std::vector<int>{3});
  REQUIRE(both.notes.size() == 1);
  CHECK_THAT(both.notes[0], Catch::Contains("has val/ and test/; val/ is used"));
}

TEST_CASE("image folder: the test part alone opens no training image", "[data]") {
  const TemporaryDirectory dir;
  dir.write("train/a/1.png", "damaged");
  dir.write("train/b/1.png", "damaged");
  dir.write("val/b/1.png", flat(9));
  LoadOptions options = small_options();
  options.test_only = true;
  const TrainTest data = load_dataset("image-folder", dir.path(), options);
  CHECK(data.train.size() == 0);
  CHECK(data.test.labels == std::vector<std::int32_t>{1});
  check_error([&] { load_dataset("image-folder", dir.path(), small_options()); },
              {dir.path("train/a/1.png")});
  // Without train/ the model's names give the labels; strange folders stand for themselves.
  std::filesystem::remove_all(dir.path("train"));
  options.class_names = {"a", "b", "c"};
  const TrainTest named = load_dataset("image-folder", dir.path(), options);
  CHECK(named.test.labels == std::vector<std::int32_t>{1});
  CHECK(named.test.class_names == options.class_names);
  options.class_names = {"x", "y"};
  CHECK(load_dataset("image-folder", dir.path(), options).test.class_names ==
        std::vector<std::string>{"b"});
}

TEST_CASE("data sets: counts are checked before a pixel is read", "[data]") {
  const TemporaryDirectory dir;
  for (const std::string part : {"train/", "val/"}) {
    dir.write(part + "a/1.png", "damaged");
    dir.write(part + "b/1.png", "damaged");
    dir.write(part + "b/2.png", "damaged");
  }
  LoadOptions options = small_options();
  DataCounts seen;
  options.check = [&](const DataCounts& counts) {
    seen = counts;
    check_batch("image-folder", counts.train_images, 128);
  };
  check_error([&] { load_dataset("image-folder", dir.path(), options); },
              {"image-folder: has 3 training images, less than one batch of 128"});
  CHECK(seen.train_images == 3);
  CHECK(seen.test_images == 3);
  CHECK(seen.classes == 2);
  options.limit = 2;
  check_error([&] { load_dataset("image-folder", dir.path(), options); },
              {"has 2 training images"});

  // Headers alone: the labels are missing.
  dir.write("train-images-idx3-ubyte", idx_file({70, 28, 28}, std::string(70 * 784, '\0')));
  dir.write("t10k-images-idx3-ubyte", idx_file({20, 28, 28}, std::string(20 * 784, '\0')));
  options.limit = 0;
  check_error([&] { load_dataset("fashion-mnist", dir.path(), options); },
              {"has 70 training images"});
  CHECK(seen.test_images == 20);
  for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                           "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"}) {
    dir.write(name, std::string(2 * 3073, '\xFF'));  // labels of no class
  }
  check_error([&] { load_dataset("cifar10", dir.path(), options); }, {"has 10 training images"});
  CHECK(seen.width == 32);
}

TEST_CASE("data sets: the test part alone needs no training files", "[data]") {
  const TemporaryDirectory dir;
  dir.write("t10k-labels-idx1-ubyte", idx_file({3}, std::string("\1\2\3", 3)));
  dir.write("t10k-images-idx3-ubyte", idx_file({3, 28, 28}, byte_pattern(3 * 784)));
  dir.write("test_batch.bin", std::string(2 * 3073, '\3'));
  LoadOptions options;
  options.test_only = true;
  const TrainTest fashion = load_dataset("fashion-mnist", dir.path(), options);
  CHECK(fashion.train.size() == 0);
  CHECK(fashion.test.labels == std::vector<std::int32_t>{1, 2, 3});
  const TrainTest cifar = load_dataset("cifar10", dir.path(), options);
  CHECK(cifar.train.size() == 0);
  CHECK(cifar.test.size() == 2);
}

TEST_CASE("memory: a control group limits what may be used, at any level", "[data]") {
  const TemporaryDirectory dir;
  const auto none = std::numeric_limits<std::int64_t>::max();
  CHECK(control_group_limit_bytes("0::/job/step\n", dir.path()) == none);
  dir.write("job/step/memory.max", "max\n");
  CHECK(control_group_limit_bytes("0::/job/step\n", dir.path()) == none);
  dir.write("job/memory.max", "1073741824\n");
  CHECK(control_group_limit_bytes("0::/job/step\n", dir.path()) == 1073741824);
  CHECK(control_group_limit_bytes("0::/\n", dir.path()) == none);
  dir.write("memory.max", "4096\n");
  CHECK(control_group_limit_bytes("0::/elsewhere\n", dir.path()) == 4096);
  dir.write("memory/slurm/memory.limit_in_bytes", "2048\n");
  CHECK(control_group_limit_bytes("5:cpu,memory:/slurm\n1:cpu:/\n", dir.path()) == 2048);
  CHECK(memory_limit_bytes() > 0);
}

TEST_CASE("memory: no data set is read that cannot fit", "[data]") {
  DataCounts counts;
  counts.train_images = 1;
  counts.height = counts.width = counts.channels = 1;
  check_fits_memory("here", counts);
  counts.train_images = memory_limit_bytes();  // and the held-out ones on top
  check_error([&] { check_fits_memory("here", counts); }, {"here", "more than the memory"});

  // Files with holes, as large as they say.
  const TemporaryDirectory dir;
  std::error_code refused;
  const std::int64_t images = memory_limit_bytes() / (1 << 24) + 1;
  const std::string idx =
      dir.write("large", idx_file({static_cast<std::uint32_t>(images), 4096, 4096}, ""));
  std::filesystem::resize_file(idx, static_cast<std::uintmax_t>(16 + images * (1 << 24)), refused);
  const std::string cifar = dir.write("test_batch.bin", "");
  if (!refused) {
    std::filesystem::resize_file(
        cifar, static_cast<std::uintmax_t>((memory_limit_bytes() / 3072 + 1) * 3073), refused);
  }
  if (refused) INTANDEM_SKIP("no files of this size here");
  check_error([&] { read_idx(idx, 3, 0, "get it again"); }, {idx, "bytes of memory"});
  LoadOptions options;
  options.test_only = true;
  check_error([&] { load_dataset("cifar10", dir.path(), options); }, {"more than the memory"});
  options.limit = 3;
  CHECK(load_dataset("cifar10", dir.path(), options).test.size() == 3);
}
