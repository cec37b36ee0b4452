#include <catch2/catch.hpp>

#include "core/error.hpp"
#include "data/fashion_mnist.hpp"
#include "data/idx.hpp"
#include "tests/data/temporary_directory.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::data_test;

TEST_CASE("idx: plain and gzip files give the same items", "[data]") {
  const TemporaryDirectory dir;
  const std::string data = byte_pattern(5 * 3 * 4);
  const std::string file = idx_file({5, 3, 4}, data);
  for (const std::string& path : {dir.write("a", file), dir.write("a.gz", gzip(file))}) {
    const IdxArray all = read_idx(path, 3, 0, "remedy");
    CHECK(all.count == 5);
    CHECK(all.items.shape() == Shape{5, 3, 4});
    CHECK(std::string(all.items.begin(), all.items.end()) == data);
    const IdxArray some = read_idx(path, 3, 2, "remedy");
    CHECK(some.count == 5);
    CHECK(some.items.shape() == Shape{2, 3, 4});
    CHECK(std::string(some.items.begin(), some.items.end()) == data.substr(0, 24));
    CHECK(read_idx(path, 3, 99, "remedy").items.dim(0) == 5);
  }
}

TEST_CASE("idx: every kind of damage is an error that names the file", "[data]") {
  const TemporaryDirectory dir;
  const std::string data = byte_pattern(1000);
  const std::string good = idx_file({10, 10, 10}, data);
  const auto read = [&](const std::string& bytes, std::int64_t limit = 0) {
    return [&dir, bytes, limit] { read_idx(dir.write("f", bytes), 3, limit, "get it again"); };
  };
  const std::string name = dir.path("f");
  check_error([&] { read_idx(dir.path("absent"), 3, 0, "get it again"); },
              {dir.path("absent"), "no such file", "; get it again"});
  check_error([&] { read_idx(dir.path(), 3, 0, "x"); }, {dir.path(), "not a file"});
  check_error(read(""), {name, "truncated: the header ends after 0 of 4 bytes"});
  check_error(read(good.substr(0, 6)), {"truncated: the header ends after 2 of 4 bytes"});
  check_error(read(good.substr(0, 500)), {name, "truncated"});
  check_error(read("GIF" + good), {name, "not an IDX file: starts with 0x47 0x49"});
  check_error(read(idx_file({10, 10, 10}, data, 0x0d)), {name, "element type 0x0d"});
  check_error(read(idx_file({1000}, data)), {name, "rank 1 instead of 3"});
  check_error(read(idx_file({0, 10, 10}, "")), {name, "extent 0 in the header is 0"});
  check_error(read(good + "!"), {name, "has more bytes than its header says"});
  check_error(read(good + "!", 2), {name, "has more bytes than its header says"});

  const std::string packed = gzip(good);
  check_error(read(packed.substr(0, packed.size() / 2)), {name, "truncated"});
  check_error(read(packed.substr(0, packed.size() / 2), 1), {name, "truncated"});
  check_error(read(packed.substr(0, packed.size() - 4)), {name, "truncated"});
  std::string wrong_sum = packed;
  wrong_sum[wrong_sum.size() - 6] = static_cast<char>(wrong_sum[wrong_sum.size() - 6] ^ 1);
  check_error(read(wrong_sum), {name, "damaged gzip data"});
  check_error(read(gzip(good + "!")), {name, "has more bytes"});
  check_error(read(gzip(idx_file({10, 10, 11}, data))), {name, "ends after 1000 of 1100 bytes"});
}

TEST_CASE("idx: absurd extents are refused without allocating", "[data]") {
  const TemporaryDirectory dir;
  const std::string huge = idx_file({0x7fffffff, 0xffffffff, 0xffffffff}, byte_pattern(100));
  check_error([&] { read_idx(dir.write("f", huge), 3, 0, "x"); }, {"can hold"});
  check_error([&] { read_idx(dir.write("f.gz", gzip(huge)), 3, 0, "x"); }, {"can hold"});
  const std::string many = idx_file({0xffffffff, 1, 1}, byte_pattern(100));
  check_error([&] { read_idx(dir.write("f", many), 3, 0, "x"); }, {"can hold"});
  check_error([&] { read_idx(dir.write("f", huge), 3, 1, "x"); }, {"can hold"});
}

TEST_CASE("idx: images and labels must agree", "[data]") {
  const TemporaryDirectory dir;
  const std::string images = dir.write("images", idx_file({3, 2, 2}, byte_pattern(12)));
  const auto labels = [&](const std::vector<std::uint32_t>& n, const std::string& bytes) {
    return dir.write("labels", idx_file(n, bytes));
  };
  const Dataset data = read_idx_dataset(images, labels({3}, {0, 9, 4}), 10, 0, "x");
  CHECK(data.images.shape() == Shape{3, 2, 2, 1});
  CHECK(data.labels == std::vector<std::int32_t>{0, 9, 4});
  CHECK(data.classes == 10);
  check_error(
      [&] {
        read_idx_dataset(images, labels({2}, {0, 9}), 10, 0, "x");
      },
      {dir.path("labels"), "2 labels for the 3 images", dir.path("images")});
  check_error(
      [&] {
        read_idx_dataset(images, labels({2}, {0, 9}), 10, 1, "x");
      },
      {"2 labels for the 3 images"});
  check_error(
      [&] {
        read_idx_dataset(images, labels({3}, {0, 10, 1}), 10, 0, "x");
      },
      {dir.path("labels"), "label 10 of image 1"});
}

TEST_CASE("fashion-mnist: a directory of made-up files", "[data]") {
  const TemporaryDirectory dir;
  check_error([&] { load_dataset("fashion-mnist", dir.path(), 0); },
              {dir.path("train-images-idx3-ubyte.gz"), "no such file", "dataset-fashion-mnist",
               "data/fetch_fashion_mnist.sh"});
  const std::string train = byte_pattern(4 * 784), test = byte_pattern(2 * 784, 3);
  dir.write("train-images-idx3-ubyte.gz", gzip(idx_file({4, 28, 28}, train)));
  dir.write("train-labels-idx1-ubyte.gz", gzip(idx_file({4}, {9, 2, 1, 7})));
  dir.write("t10k-images-idx3-ubyte", idx_file({2, 28, 28}, test));
  dir.write("t10k-labels-idx1-ubyte", idx_file({2}, {5, 6}));
  const TrainTest all = load_dataset("fashion-mnist", dir.path(), 0);
  CHECK(all.train.labels == std::vector<std::int32_t>{9, 2, 1, 7});
  CHECK(all.test.labels == std::vector<std::int32_t>{5, 6});
  CHECK(std::string(all.train.images.begin(), all.train.images.end()) == train);
  CHECK(std::string(all.test.images.begin(), all.test.images.end()) == test);
  CHECK(all.train.class_names.size() == 10);
  CHECK(all.train.class_names[9] == "Ankle boot");
  const TrainTest one = load_dataset("fashion-mnist", dir.path(), 1);
  CHECK(one.train.size() == 1);
  CHECK(one.test.images.dim(0) == 1);
  dir.write("t10k-images-idx3-ubyte", idx_file({2, 14, 56}, test));
  check_error([&] { load_dataset("fashion-mnist", dir.path(), 0); },
              {dir.path("t10k-images-idx3-ubyte"), "14x56 instead of 28x28"});
}

TEST_CASE("fashion-mnist: the real one, if installed", "[data]") {
  if (!std::filesystem::exists(std::string(kFashionMnistDirectory) +
                               "/train-images-idx3-ubyte.gz")) {
    INTANDEM_SKIP("the Debian package dataset-fashion-mnist is not installed");
  }
  const TrainTest data = load_dataset("fashion-mnist", kFashionMnistDirectory, 0);
  CHECK(data.train.images.shape() == Shape{60000, 28, 28, 1});
  CHECK(data.test.images.shape() == Shape{10000, 28, 28, 1});
  std::vector<int> per_class(10);
  for (const std::int32_t label : data.train.labels) ++per_class[static_cast<std::size_t>(label)];
  CHECK(per_class == std::vector<int>(10, 6000));
  CHECK(data.train.class_names[static_cast<std::size_t>(data.train.labels[0])] == "Ankle boot");
  // The mean 0.2860 and deviation 0.3530 usually quoted are these in units of 255.
  const Normalization norm = measure_normalization(data.train);
  CHECK(norm.zero_point[0] == 73);
  CHECK(norm.std_dev[0] / 255.0f == Approx(0.3530f).margin(1e-4));
}
