#include <catch2/catch.hpp>
#include <set>

#include "data/loader.hpp"
#include "tests/data/temporary_directory.hpp"

using namespace intandem;
using namespace intandem::data_test;

namespace {

constexpr std::int64_t kH = 5, kW = 4, kC = 2;

Dataset patterned(std::int64_t n) {
  Dataset data;
  data.name = "patterned";
  data.classes = 10;
  data.images = TensorU8({n, kH, kW, kC});
  const std::string bytes = byte_pattern(static_cast<std::size_t>(data.images.size()), 5);
  std::copy(bytes.begin(), bytes.end(), data.images.begin());
  for (std::int64_t i = 0; i < n; ++i) data.labels.push_back(static_cast<std::int32_t>(i % 10));
  return data;
}

const Normalization kNorm{{251, 252}, {1.0f, 1.0f}};  // fill bytes the pattern does not hold

std::vector<Batch> epoch_of(const Dataset& data, const Loader::Options& options,
                            std::int64_t epoch) {
  Loader loader(data, kNorm, options, epoch);
  std::vector<Batch> all;
  for (Batch batch; loader.next(batch);) all.push_back(std::move(batch));
  CHECK(static_cast<std::int64_t>(all.size()) == loader.batch_count());
  Batch after;
  CHECK_FALSE(loader.next(after));
  return all;
}

std::string image_bytes(const TensorU8& images, std::int64_t i) {
  const std::int64_t size = kH * kW * kC;
  return {images.begin() + i * size, images.begin() + (i + 1) * size};
}

std::vector<std::string> contents(const std::vector<Batch>& batches) {
  std::vector<std::string> all;
  for (const Batch& batch : batches) {
    for (std::size_t i = 0; i < batch.labels.size(); ++i) {
      all.push_back(image_bytes(batch.images, static_cast<std::int64_t>(i)) +
                    static_cast<char>('0' + batch.labels[i]));
    }
  }
  return all;
}

}  // namespace

TEST_CASE("augment: shift and flip against their definition", "[data]") {
  const Dataset data = patterned(1);
  const std::uint8_t fill[] = {251, 252};
  std::uint8_t out[kH * kW * kC];
  for (int dy = -6; dy <= 6; ++dy) {
    for (int dx = -6; dx <= 6; ++dx) {
      for (const bool flip : {false, true}) {
        augment_image(data.images.data(), kH, kW, kC, {dy, dx, flip}, fill, out);
        bool same = true;
        for (std::int64_t y = 0; y < kH; ++y) {
          for (std::int64_t x = 0; x < kW; ++x) {
            const std::int64_t from_y = y + dy, from_x = (flip ? kW - 1 - x : x) + dx;
            const bool inside = from_y >= 0 && from_y < kH && from_x >= 0 && from_x < kW;
            for (std::int64_t c = 0; c < kC; ++c) {
              const std::uint8_t want =
                  inside ? data.images[(from_y * kW + from_x) * kC + c] : fill[c];
              same = same && out[(y * kW + x) * kC + c] == want;
            }
          }
        }
        INFO("dy " << dy << " dx " << dx << " flip " << flip);
        CHECK(same);
      }
    }
  }
}

TEST_CASE("augment: draws cover their range and depend on seed and position", "[data]") {
  const Rng rng(3);
  std::set<int> dy, dx, flips;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const AugmentDraw draw = draw_augment({2, true}, rng, i);
    dy.insert(draw.dy);
    dx.insert(draw.dx);
    flips.insert(draw.flip);
    CHECK(draw == draw_augment({2, true}, rng, i));
    CHECK(draw_augment({0, false}, rng, i) == AugmentDraw{});
  }
  CHECK(dy == std::set<int>{-2, -1, 0, 1, 2});
  CHECK(dx == dy);
  CHECK(flips.size() == 2);
}

TEST_CASE("loader: an epoch is every image once, in a new order each epoch", "[data]") {
  const Dataset data = patterned(23);
  Loader::Options options;
  options.batch = 5;
  options.drop_last = false;
  const auto first = epoch_of(data, options, 0);
  REQUIRE(first.size() == 5);
  CHECK(first[4].images.dim(0) == 3);
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(first[i].index == static_cast<int>(i));
  std::multiset<std::string> wanted;
  for (std::int64_t i = 0; i < 23; ++i) {
    wanted.insert(image_bytes(data.images, i) +
                  static_cast<char>('0' + data.labels[static_cast<std::size_t>(i)]));
  }
  const auto order = contents(first);
  CHECK(std::multiset<std::string>(order.begin(), order.end()) == wanted);
  CHECK(contents(epoch_of(data, options, 0)) == order);
  CHECK(contents(epoch_of(data, options, 1)) != order);
  options.seed = 1;
  CHECK(contents(epoch_of(data, options, 0)) != order);

  options.shuffle = false;
  const auto plain = epoch_of(data, options, 4);
  CHECK(std::equal(plain[0].images.begin(), plain[0].images.end(), data.images.begin()));
  options.drop_last = true;
  CHECK(epoch_of(data, options, 0).size() == 4);
}

TEST_CASE("loader: augmentation does not depend on the batch size", "[data]") {
  const Dataset data = patterned(40);
  Loader::Options options;
  options.augment = {2, true};
  options.seed = 11;
  options.batch = 4;
  const auto four = contents(epoch_of(data, options, 3));
  options.batch = 10;
  CHECK(contents(epoch_of(data, options, 3)) == four);
  options.augment = {};
  CHECK(contents(epoch_of(data, options, 3)) != four);
}

TEST_CASE("loader: resuming inside an epoch gives the batches that were left", "[data]") {
  const Dataset data = patterned(40);
  Loader::Options options;
  options.augment = {1, true};
  options.batch = 8;
  const auto all = epoch_of(data, options, 2);
  options.first_batch = 3;
  Loader rest(data, kNorm, options, 2);
  CHECK(rest.batch_count() == 5);
  for (std::size_t i = 3; i < 5; ++i) {
    Batch batch;
    REQUIRE(rest.next(batch));
    CHECK(batch.index == static_cast<std::int64_t>(i));
    CHECK(contents({batch}) == contents({all[i]}));
  }
  Batch after;
  CHECK_FALSE(rest.next(after));
}

TEST_CASE("loader: slices of a batch are the batch", "[data]") {
  const Dataset data = patterned(43);
  Loader::Options options;
  options.augment = {1, true};
  options.batch = 10;
  options.drop_last = false;
  const auto whole = epoch_of(data, options, 1);
  REQUIRE(whole.size() == 5);
  std::vector<std::vector<std::string>> joined(whole.size());
  for (const auto& [first, count] : {std::pair{0, 4}, {4, 3}, {7, -1}}) {
    options.slice_first = first;
    options.slice_count = count;
    const auto part = epoch_of(data, options, 1);
    REQUIRE(part.size() == whole.size());
    for (std::size_t b = 0; b < part.size(); ++b) {
      CHECK(part[b].first == static_cast<std::int64_t>(joined[b].size()));
      for (const std::string& image : contents({part[b]})) joined[b].push_back(image);
    }
  }
  for (std::size_t b = 0; b < whole.size(); ++b) CHECK(joined[b] == contents({whole[b]}));
}

TEST_CASE("loader: may be abandoned at any point", "[data]") {
  const Dataset data = patterned(200);
  Loader::Options options;
  options.batch = 1;
  for (int taken = 0; taken < 20; ++taken) {
    Loader loader(data, kNorm, options, taken);
    Batch batch;
    for (int i = 0; i < taken; ++i) CHECK(loader.next(batch));
  }
}

TEST_CASE("loader: an error of the thread comes out of next", "[data]") {
  Dataset data = patterned(50);
  data.labels[37] = 10;
  Loader::Options options;
  options.batch = 10;
  options.shuffle = false;
  Loader loader(data, kNorm, options, 0);
  Batch batch;
  for (int i = 0; i < 3; ++i) CHECK(loader.next(batch));
  for (int i = 0; i < 2; ++i) {
    check_error([&] { loader.next(batch); }, {"patterned", "image 37 has label 10"});
  }
}

TEST_CASE("loader: options that cannot work are refused", "[data]") {
  const Dataset data = patterned(8);
  const auto make = [&](std::int64_t batch, int shift) {
    return [&data, batch, shift] {
      Loader::Options options;
      options.batch = batch;
      options.augment.shift = shift;
      Loader(data, kNorm, options, 0);
    };
  };
  CHECK_NOTHROW(make(8, 4)());
  check_error(make(9, 0), {"has 8 training images, less than one batch of 9"});
  check_error(make(0, 0), {"0 is not positive"});
  check_error(make(8, 5), {"augment shift"});
  check_error(make(8, -1), {"augment shift"});
}
