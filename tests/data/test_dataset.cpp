#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "core/parallel.hpp"
#include "data/dataset.hpp"
#include "tests/data/temporary_directory.hpp"

using namespace intandem;
using namespace intandem::data_test;

namespace {

// n 1×1×1 images whose pixel is their index mod 256.
Dataset numbered(const std::vector<std::int32_t>& labels, std::int64_t classes) {
  Dataset data;
  data.name = "numbered";
  data.classes = classes;
  data.labels = labels;
  data.images = TensorU8({data.size(), 1, 1, 1});
  for (std::int64_t i = 0; i < data.size(); ++i) {
    data.images[i] = static_cast<std::uint8_t>(i & 255);
  }
  return data;
}

}  // namespace

TEST_CASE("normalization: mean rounds half up, deviation per channel", "[data]") {
  Dataset data = numbered({0, 0}, 1);
  data.images = TensorU8({2, 1, 2, 3});
  const std::uint8_t pixels[] = {0, 10, 7, 1, 20, 7, 0, 30, 7, 1, 41, 7};
  std::copy(std::begin(pixels), std::end(pixels), data.images.begin());
  const Normalization norm = measure_normalization(data);
  // Channel 0: mean 0.5 → 1. Channel 1: mean 25.25. Channel 2 is constant.
  CHECK(norm.zero_point == std::vector<std::int32_t>{1, 25, 7});
  CHECK(norm.std_dev[0] == Approx(0.5));
  CHECK(norm.std_dev[1] == Approx(std::sqrt((100 + 400 + 900 + 1681) / 4.0 - 25.25 * 25.25)));
  CHECK(norm.std_dev[2] == 1.0f);

  const TensorF x = normalize(data.images, norm);
  CHECK(x.shape() == data.images.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const auto c = static_cast<std::size_t>(i % 3);
    CHECK(x[i] == static_cast<float>(data.images[i] - norm.zero_point[c]) / norm.std_dev[c]);
  }
  CHECK_THROWS(normalize(TensorU8({1, 1, 1, 1}), norm));
  CHECK_THROWS(measure_normalization(Dataset{}));
}

TEST_CASE("normalization does not depend on the thread count", "[data]") {
  Dataset data = numbered(std::vector<std::int32_t>(50, 0), 1);
  data.images = TensorU8({50, 64, 64, 3});
  const std::string bytes = byte_pattern(static_cast<std::size_t>(data.images.size()));
  std::copy(bytes.begin(), bytes.end(), data.images.begin());
  const int before = thread_count();
  set_thread_count(1);
  const Normalization one = measure_normalization(data);
  set_thread_count(3);
  const Normalization three = measure_normalization(data);
  set_thread_count(before);
  CHECK(one.zero_point == three.zero_point);
  CHECK(one.std_dev == three.std_dev);
}

TEST_CASE("subset: order and repetition as given", "[data]") {
  const Dataset all = numbered({0, 1, 2, 0}, 3);
  const Dataset part = subset(all, {3, 1, 1});
  CHECK(part.labels == std::vector<std::int32_t>{0, 1, 1});
  CHECK(part.images.shape() == Shape{3, 1, 1, 1});
  CHECK(part.images[0] == 3);
  CHECK(part.images[2] == 1);
  CHECK(part.classes == 3);
  CHECK(subset(all, {}).size() == 0);
  CHECK_THROWS(subset(all, {4}));
  CHECK_THROWS(subset(all, {-1}));
}

TEST_CASE("split: a partition with every class's share, by seed", "[data]") {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 200; ++i) labels.push_back(i % 10 == 0 ? 2 : i % 2);
  const Dataset all = numbered(labels, 4);  // counts 80, 100, 20, 0
  const Split split = split_held_out(all, 50, 7);
  CHECK(split.train.size() == 150);
  CHECK(split.held_out.size() == 50);
  std::multiset<int> pixels;
  for (const Dataset* part : {&split.train, &split.held_out}) {
    CHECK(std::is_sorted(part->images.begin(), part->images.end()));
    for (std::int64_t i = 0; i < part->size(); ++i) {
      pixels.insert(part->images[i]);
      CHECK(part->labels[static_cast<std::size_t>(i)] == labels[part->images[i]]);
    }
  }
  for (int i = 0; i < 200; ++i) CHECK(pixels.count(i) == 1);
  const auto count = [&](int c) {
    return std::count(split.held_out.labels.begin(), split.held_out.labels.end(), c);
  };
  CHECK(count(0) == 20);
  CHECK(count(1) == 25);
  CHECK(count(2) == 5);

  const auto pixels_of = [&](std::uint64_t seed, std::int64_t n) {
    const Dataset part = split_held_out(all, n, seed).held_out;
    return std::vector<int>(part.images.begin(), part.images.end());
  };
  CHECK(pixels_of(7, 50) == pixels_of(7, 50));
  CHECK(pixels_of(7, 50) != pixels_of(8, 50));
  // 3 of 200: shares 1.2, 1.5, 0.3; the largest remainder takes the one left over.
  const Split small = split_held_out(all, 3, 1);
  CHECK(std::multiset<int>(small.held_out.labels.begin(), small.held_out.labels.end()) ==
        std::multiset<int>{0, 1, 1});
  CHECK(split_held_out(all, 0, 1).held_out.size() == 0);
  check_error([&] { split_held_out(all, 200, 1); }, {"cannot hold out 200 of 200"});
  CHECK_THROWS(split_held_out(all, -1, 1));
}

TEST_CASE("split: training images stay in the memory they were read into", "[data]") {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 200; ++i) labels.push_back(i % 3);
  Dataset all = numbered(labels, 3);
  const Split copied = split_held_out(all, 60, 3);
  const std::uint8_t* before = all.images.data();
  const Split moved = split_held_out(std::move(all), 60, 3);
  CHECK(moved.train.images.data() == before);
  CHECK(copied.train.images.data() != before);
  for (const auto part : {&Split::train, &Split::held_out}) {
    const Dataset &a = copied.*part, &b = moved.*part;
    CHECK(a.labels == b.labels);
    CHECK(a.images.shape() == b.images.shape());
    CHECK(std::equal(a.images.begin(), a.images.end(), b.images.begin()));
  }
}

TEST_CASE("split: a tenth is held out where nothing is asked for, 5000 at most", "[data]") {
  CHECK(default_held_out(60000) == 5000);  // Fashion-MNIST
  CHECK(default_held_out(50000) == 5000);  // CIFAR
  CHECK(default_held_out(1234) == 123);
  CHECK(default_held_out(5) == 1);
}
