// Photos that do not fit into memory: the same pixels as if they did, whatever reads them.
#include <catch2/catch.hpp>
#include <filesystem>

#include "core/file.hpp"
#include "data/dataset.hpp"
#include "data/fingerprint.hpp"
#include "data/folder_listing.hpp"
#include "data/image_file.hpp"
#include "data/loader.hpp"
#include "tests/data/image_writers.hpp"
#include "tests/data/temporary_directory.hpp"
#include "tests/with_variable.hpp"

using namespace intandem;
using namespace intandem::data_test;

namespace {

const Normalization kNorm{{120, 121, 122}, {60.0f, 61.0f, 62.0f}};

/// 24 photos of two classes in every size and format, 6 for testing.
void write_photos(const TemporaryDirectory& dir) {
  for (int i = 0; i < 24; ++i) {
    const TensorU8 photo = gradient(20 + 3 * i, 70 - 2 * i, 3, 5 * i);
    const std::string name = std::string(i % 2 == 0 ? "a/" : "b/") + std::to_string(i);
    dir.write("train/" + name, i % 3 == 0 ? png(photo) : i % 3 == 1 ? jpeg(photo) : bmp(photo));
    if (i < 6) dir.write("val/" + name, png(photo));
  }
}

LoadOptions streaming(Preprocessing preprocessing, int threads) {
  LoadOptions options;
  options.input = {16, 12, 3, preprocessing};
  options.memory_bytes = 1000;  // less than any part
  options.threads = threads;
  return options;
}

std::string bytes_of(const TensorU8& images) { return {images.begin(), images.end()}; }

/// All batches of an epoch, one after the other, labels behind their pixels.
std::string epoch_of(const Dataset& data, const Loader::Options& options, std::int64_t epoch) {
  Loader loader(data, kNorm, options, epoch);
  std::string all;
  for (Batch batch; loader.next(batch);) {
    all += bytes_of(batch.images);
    for (const std::int32_t label : batch.labels) all.push_back(static_cast<char>(label));
  }
  return all;
}

}  // namespace

TEST_CASE("stream: the same images as in memory", "[data]") {
  const TemporaryDirectory dir;
  write_photos(dir);
  LoadOptions options = streaming(Preprocessing::fit, 3);
  const TrainTest streamed = load_dataset("image-folder", dir.path(), options);
  options.memory_bytes = 1 << 30;
  const TrainTest kept = load_dataset("image-folder", dir.path(), options);
  REQUIRE(streamed.train.streamed());
  REQUIRE_FALSE(kept.train.streamed());
  CHECK(streamed.train.images.empty());
  CHECK(streamed.train.labels == kept.train.labels);
  CHECK(same(image_range(streamed.train, 0, 24), kept.train.images));
  CHECK(same(image_range(streamed.test, 2, 3), image_range(kept.test, 2, 3)));
  const Normalization a = measure_normalization(streamed.train);
  const Normalization b = measure_normalization(kept.train);
  CHECK(a.zero_point == b.zero_point);
  CHECK(a.std_dev == b.std_dev);
  const Fingerprint f = fingerprint(streamed.train), g = fingerprint(kept.train);
  CHECK(f.labels == g.labels);
  CHECK(f.pixels.empty());
  CHECK(f.same_pixels(g));  // the files agree
  CHECK_FALSE(f.same_pixels(fingerprint(kept.test)));
  Loader::Options loading;
  loading.batch = 5;
  loading.augment = {2, true};
  CHECK(epoch_of(streamed.train, loading, 1) == epoch_of(kept.train, loading, 1));
  const Split s = split_held_out(streamed.train, 7, 3), k = split_held_out(kept.train, 7, 3);
  CHECK(s.held_out.labels == k.held_out.labels);
  CHECK(same(image_range(s.held_out, 0, 7), k.held_out.images));
  CHECK(same(image_range(s.train, 0, 17), k.train.images));
}

TEST_CASE("stream: random crops follow from seed, epoch and image alone", "[data]") {
  const TemporaryDirectory dir;
  write_photos(dir);
  const auto load = [&](int threads) {
    return load_dataset("image-folder", dir.path(), streaming(Preprocessing::imagenet, threads));
  };
  const TrainTest one = load(1), four = load(4);
  Loader::Options loading;
  loading.batch = 4;
  loading.augment.random_crop = loading.augment.flip = true;
  loading.augment.jitter = 0.4;
  const std::string wanted = epoch_of(one.train, loading, 2);
  for (int again = 0; again < 5; ++again) CHECK(epoch_of(four.train, loading, 2) == wanted);
  CHECK(epoch_of(one.train, loading, 3) != wanted);
  // One image of an epoch does not depend on the batch it is in, nor on who else was held out.
  loading.shuffle = false;
  loading.batch = 24;
  const std::int64_t size = 16 * 12 * 3;
  const std::string all = epoch_of(one.train, loading, 2);
  loading.batch = 1;
  const Dataset part = subset(one.train, {5, 17, 5});
  const std::string three = epoch_of(part, loading, 2);
  const auto image = [&](const std::string& epoch, std::int64_t at) {
    return epoch.substr(static_cast<std::size_t>(at), static_cast<std::size_t>(size));
  };
  CHECK(image(three, 0) == image(all, 5 * size));
  CHECK(image(three, size + 1) == image(all, 17 * size));
  CHECK(image(three, 2 * (size + 1)) == image(three, 0));
  // Some are mirrored, and some are not.
  loading.augment.flip = false;
  loading.batch = 24;
  const std::string plain = epoch_of(one.train, loading, 2);
  int kept = 0;
  for (std::int64_t i = 0; i < 24; ++i) kept += image(plain, i * size) == image(all, i * size);
  CHECK(kept > 3);
  CHECK(kept < 21);
}

TEST_CASE("stream: slices, resumed epochs and abandoned ones", "[data]") {
  const TemporaryDirectory dir;
  write_photos(dir);
  const TrainTest data =
      load_dataset("image-folder", dir.path(), streaming(Preprocessing::imagenet, 3));
  Loader::Options loading;
  loading.batch = 7;
  loading.drop_last = false;
  loading.augment.random_crop = true;
  std::vector<std::string> whole(4);
  {
    Loader loader(data.train, kNorm, loading, 0);
    for (Batch batch; loader.next(batch);) {
      whole[static_cast<std::size_t>(batch.index)] = bytes_of(batch.images);
    }
  }
  for (std::int64_t first_batch = 0; first_batch < 4; ++first_batch) {
    std::vector<std::string> joined(4);
    for (const auto& [first, count] : {std::pair{0, 2}, {2, 2}, {4, 3}}) {
      loading.first_batch = first_batch;
      loading.slice_first = first;
      loading.slice_count = count;
      Loader loader(data.train, kNorm, loading, 0);
      for (Batch batch; loader.next(batch);) {
        joined[static_cast<std::size_t>(batch.index)] += bytes_of(batch.images);
      }
    }
    for (auto b = static_cast<std::size_t>(first_batch); b < 4; ++b) CHECK(joined[b] == whole[b]);
  }
  loading = {};
  loading.batch = 2;
  for (int taken = 0; taken < 6; ++taken) {
    Loader loader(data.train, kNorm, loading, taken);
    Batch batch;
    for (int i = 0; i < taken; ++i) CHECK(loader.next(batch));
  }
}

TEST_CASE("stream: files that are no images are an error, or left out and named", "[data]") {
  const TemporaryDirectory dir;
  write_photos(dir);
  const std::string good = jpeg(gradient(30, 30, 3));
  dir.write("train/a/bad1.jpg", good.substr(0, good.size() / 2));
  dir.write("train/a/bad2.jpg", "");
  dir.write("train/b/bad3.png", "<html>not found</html>");
  dir.write("val/b/bad4.jpg", good.substr(0, 100));
  LoadOptions options = streaming(Preprocessing::imagenet, 2);
  const TrainTest data = load_dataset("image-folder", dir.path(), options);
  CHECK(data.train.size() == 27);
  Loader::Options loading;
  loading.batch = 27;
  loading.shuffle = false;
  loading.augment.random_crop = true;
  Loader loader(data.train, kNorm, loading, 0);
  Batch batch;
  for (int i = 0; i < 2; ++i) check_error([&] { loader.next(batch); }, {"train/", "bad"});
  check_error([&] { image_range(data.test, 0, data.test.size()); }, {"val/b/bad4.jpg"});

  options.skip_bad = true;
  for (const std::int64_t memory_bytes : {1000, 1 << 30}) {
    options.memory_bytes = memory_bytes;
    options.input.preprocessing = Preprocessing::fit;
    const TrainTest rest = load_dataset("image-folder", dir.path(), options);
    CHECK(rest.train.size() == 24);
    CHECK(rest.test.size() == 6);
    REQUIRE(rest.bad_files.size() == 4);
    CHECK_THAT(rest.bad_files[0], Catch::Contains("train/a/bad1.jpg: damaged image (truncated"));
    CHECK_THAT(rest.bad_files[1], Catch::Contains("train/b/bad3.png: is no JPEG"));
    CHECK_THAT(rest.bad_files[2], Catch::Contains("train/a/bad2.jpg: is empty"));
    REQUIRE(rest.notes.size() == 2);
    CHECK_THAT(rest.notes[0], Catch::Contains("left out 3 of 27 files that cannot be decoded"));
    CHECK_NOTHROW(image_range(rest.train, 0, 24));
  }
}

TEST_CASE("stream: what changes or is too large while it is read", "[data]") {
  const TemporaryDirectory dir;
  dir.write("train/a/1.png", png(gradient(40, 40, 3)));
  dir.write("train/a/2.png", png(gradient(40, 40, 3)));
  dir.write("train/a/3.png", png(TensorU8::full({3000, 3000, 3}, 9)));  // a few KB on disk
  dir.write("val/a/1.png", png(gradient(40, 40, 3)));
  const TrainTest data =
      load_dataset("image-folder", dir.path(), streaming(Preprocessing::imagenet, 1));
  TensorU8 image(data.train.image_shape());
  CHECK_NOTHROW(data.train.read_image(0, image.data()));
  check_error([&] { data.train.read_image(2, image.data()); },
              {"3.png", "to decode, and images may take 33 MB", "--data-memory"});
  dir.write("train/a/1.png", png(gradient(41, 40, 3)));
  check_error([&] { data.train.read_image(0, image.data()); }, {"1.png", "has changed"});
  std::filesystem::remove(dir.path("train/a/2.png"));
  check_error([&] { data.train.read_image(1, image.data()); }, {"2.png", "has gone"});
}

TEST_CASE("stream: a budget serves large images one after the other", "[data]") {
  const TemporaryDirectory dir;
  for (int i = 0; i < 8; ++i) {
    dir.write("train/a/" + std::to_string(i) + ".png", png(TensorU8::full({1300, 1000, 3}, 9)));
  }
  dir.write("val/a/1.png", png(gradient(40, 40, 3)));
  LoadOptions options = streaming(Preprocessing::imagenet, 4);
  options.memory_bytes = 80'000'000;  // 36 MB an image, 40 for decoding
  const TrainTest data = load_dataset("image-folder", dir.path(), options);
  Loader::Options loading;
  loading.batch = 8;
  loading.augment.random_crop = true;
  Loader loader(data.train, kNorm, loading, 0);
  Batch batch;
  CHECK(loader.next(batch));
  CHECK(bytes_of(batch.images) == std::string(static_cast<std::size_t>(batch.images.size()), 9));
}

TEST_CASE("stream: the listing of a large folder is cached, and forgotten when it changes",
          "[data]") {
  const TemporaryDirectory dir;
  const test::WithVariable cache("XDG_CACHE_HOME", dir.path("cache"));
  constexpr int kFiles = 4200;
  for (int i = 0; i < kFiles; ++i) {
    dir.write("part/" + std::string(i % 2 == 0 ? "a/" : "b/x/") + std::to_string(i) + ".png", "?");
  }
  dir.write("part/README", "words");
  const auto make_old = [&] {
    for (const char* folder : {"part", "part/a", "part/b", "part/b/x"}) {
      std::filesystem::last_write_time(
          dir.path(folder), std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
    }
  };
  const auto cached_files = [&] {
    if (!file_exists(dir.path("cache/intandem/folders"))) return 0;
    return static_cast<int>(
        std::distance(std::filesystem::directory_iterator(dir.path("cache/intandem/folders")), {}));
  };
  const auto same_list = [](const FileList& a, const FileList& b) {
    bool equal = a.size() == b.size();
    for (std::size_t i = 0; equal && i < a.size(); ++i) {
      equal = a.path(i) == b.path(i) && a.size_bytes(i) == b.size_bytes(i) &&
              a.date_ns(i) == b.date_ns(i);
    }
    return equal;
  };
  const FolderWalk fresh = walk_folder(dir.path("part"));
  CHECK(cached_files() == 0);  // too new to tell the next change
  make_old();
  const FolderWalk stored = walk_folder(dir.path("part"));
  CHECK(cached_files() == 1);
  CHECK(stored.images.size() == kFiles);
  CHECK(stored.images.size_bytes(0) == 1);
  CHECK(same_list(fresh.images, stored.images));
  // Remembered: what changes without its folder is not looked at.
  std::filesystem::resize_file(dir.path("part/a/0.png"), 7);
  const FolderWalk again = walk_folder(dir.path("part"));
  CHECK(same_list(again.images, stored.images));
  CHECK(same_list(again.others, stored.others));
  CHECK(same_list(again.folders, stored.folders));
  // A file more, anywhere, and all are looked at.
  dir.write("part/b/x/more.png", "?");
  const FolderWalk more = walk_folder(dir.path("part"));
  CHECK(more.images.size() == kFiles + 1);
  CHECK(more.images.size_bytes(0) == 7);
  // A damaged cache is none.
  make_old();
  walk_folder(dir.path("part"));
  for (const auto& entry :
       std::filesystem::directory_iterator(dir.path("cache/intandem/folders"))) {
    std::filesystem::resize_file(entry.path(), 1000);
  }
  CHECK(walk_folder(dir.path("part")).images.size() == kFiles + 1);
}
