// Packed data sets: the folder's images in one file, or an error.
#include <catch2/catch.hpp>
#include <filesystem>

#include "core/file.hpp"
#include "core/parallel.hpp"
#include "data/dataset.hpp"
#include "data/image_file.hpp"
#include "data/loader.hpp"
#include "data/pack_index.hpp"
#include "data/pack_writer.hpp"
#include "data/resample.hpp"
#include "tests/data/image_writers.hpp"
#include "tests/data/temporary_directory.hpp"

using namespace intandem;
using namespace intandem::data_test;

namespace {

const Normalization kNorm{{120, 121, 122}, {60.0f, 61.0f, 62.0f}};

void write_photos(const TemporaryDirectory& dir) {
  for (int i = 0; i < 10; ++i) {
    const TensorU8 photo = gradient(20 + 3 * i, 40 - 2 * i, 3, 5 * i);
    const std::string name = std::string(i % 2 == 0 ? "a/" : "b/") + std::to_string(i);
    dir.write("train/" + name, i % 3 == 0 ? png(photo) : jpeg(photo));
    if (i < 4) dir.write("val/" + name, with_orientation(jpeg(photo), 1 + 2 * i, true));
  }
  dir.write("train/a/grey.png", png(gradient(50, 50, 1)));
}

LoadOptions load_options(Preprocessing preprocessing) {
  LoadOptions options;
  options.input = {8, 8, 3, preprocessing};
  options.memory_bytes = 1000;
  options.threads = 2;
  return options;
}

std::string epoch_of(const Dataset& data) {
  Loader::Options options;
  options.batch = 3;
  options.augment.random_crop = options.augment.flip = true;
  Loader loader(data, kNorm, options, 1);
  std::string all;
  for (Batch batch; loader.next(batch);) {
    all.append(batch.images.begin(), batch.images.end());
    for (const std::int32_t label : batch.labels) all.push_back(static_cast<char>(label));
  }
  return all;
}

PackOptions side(std::int64_t shorter_side) {
  PackOptions options;
  options.shorter_side = shorter_side;
  return options;
}

}  // namespace

TEST_CASE("pack: the files themselves give the folder's pixels", "[data]") {
  const TemporaryDirectory dir;
  write_photos(dir);
  const std::string file = dir.path("all.pack");
  const PackResult result = write_pack(dir.path(), file, side(0));
  CHECK(result.images == 15);
  CHECK(result.size_bytes == static_cast<std::int64_t>(std::filesystem::file_size(file)));
  for (const Preprocessing p : {Preprocessing::fit, Preprocessing::imagenet}) {
    const TrainTest folder = load_dataset("image-folder", dir.path(), load_options(p));
    const TrainTest packed = load_dataset("packed", file, load_options(p));
    CHECK(packed.train.labels == folder.train.labels);
    CHECK(packed.train.class_names == folder.train.class_names);
    CHECK(same(image_range(packed.train, 0, 11), image_range(folder.train, 0, 11)));
    CHECK(same(image_range(packed.test, 0, 4), image_range(folder.test, 0, 4)));
    if (p == Preprocessing::imagenet) CHECK(epoch_of(packed.train) == epoch_of(folder.train));
  }
  // Small ones are kept in memory, as those of a folder are.
  LoadOptions options = load_options(Preprocessing::fit);
  options.memory_bytes = 1 << 30;
  CHECK_FALSE(load_dataset("packed", file, options).train.streamed());
  options.test_only = true;
  CHECK(load_dataset("packed", file, options).train.size() == 0);
  options.test_only = false;
  options.limit = 2;
  const TrainTest few = load_dataset("packed", file, options);
  CHECK(few.train.labels == std::vector<std::int32_t>{0, 1});
  CHECK(few.test.size() == 2);
}

TEST_CASE("pack: shrunk pixels, upright, grey where they are grey", "[data]") {
  const TemporaryDirectory dir;
  write_photos(dir);
  const std::string file = dir.path("small.pack");
  write_pack(dir.path(), file, side(16));
  LoadOptions options = load_options(Preprocessing::fit);
  const TrainTest packed = load_dataset("packed", file, options);
  const TrainTest folder = load_dataset("image-folder", dir.path(), options);
  CHECK(packed.train.labels == folder.train.labels);
  // Photo 5 (class b, third): 35x30 becomes 18x16; its square middle is what the network sees.
  const TensorU8 photo = read_image(dir.path("train/b/5"), 3);
  REQUIRE(photo.shape() == Shape{35, 30, 3});
  const TensorU8 wanted = fit_image(resample_image(photo, 18, 16), 8, 8);
  CHECK(std::equal(wanted.begin(), wanted.end(), image_range(packed.train, 5, 1).begin()));
  // Grey: 16·16 bytes and not three times as many, and the same in a grey network.
  const std::string path = dir.path("one");
  dir.write("one/val/a/g.png", png(gradient(50, 50, 1)));
  const PackResult one = write_pack(path, dir.path("one.pack"), side(16));
  CHECK(one.images == 1);
  CHECK(one.size_bytes < 16 * 16 + 200);
  options.test_only = true;
  const Dataset colour = load_dataset("packed", dir.path("one.pack"), options).test;
  options.input.channels = 1;
  const Dataset grey = load_dataset("packed", dir.path("one.pack"), options).test;
  const TensorU8 c = image_range(colour, 0, 1), g = image_range(grey, 0, 1);
  for (std::int64_t i = 0; i < 64; ++i) CHECK((c[3 * i] == g[i] && c[3 * i + 2] == g[i]));
}

TEST_CASE("pack: shards together are the whole, the same for any number of threads", "[data]") {
  const TemporaryDirectory dir;
  write_photos(dir);
  const int before = thread_count();
  set_thread_count(3);
  write_pack(dir.path(), dir.path("a.pack"), side(16));
  set_thread_count(1);
  write_pack(dir.path(), dir.path("b.pack"), side(16));
  set_thread_count(before);
  CHECK(read_file(dir.path("a.pack"), "") == read_file(dir.path("b.pack"), ""));
  std::filesystem::create_directories(dir.path("shards"));
  for (int i = 0; i < 3; ++i) {
    PackOptions options = side(16);
    options.shard = i;
    options.shards = 3;
    write_pack(dir.path(), dir.path("shards/" + std::to_string(i) + ".pack"), options);
  }
  LoadOptions options = load_options(Preprocessing::imagenet);
  const TrainTest all = load_dataset("packed", dir.path("a.pack"), options);
  const TrainTest shards = load_dataset("packed", dir.path("shards"), options);
  REQUIRE(shards.train.size() == all.train.size());
  for (std::int64_t i = 0, at = 0; i < 3; ++i) {
    for (std::int64_t j = i; j < all.train.size(); j += 3, ++at) {
      CHECK(same(image_range(shards.train, at, 1), image_range(all.train, j, 1)));
      CHECK(shards.train.labels[static_cast<std::size_t>(at)] ==
            all.train.labels[static_cast<std::size_t>(j)]);
    }
  }
  // Another shard brings a class of its own: labels follow the names.
  dir.write("more/train/aa/1.png", png(gradient(20, 20, 3)));
  write_pack(dir.path("more"), dir.path("shards/more.pack"), side(16));
  const TrainTest more = load_dataset("packed", dir.path("shards"), options);
  CHECK(more.train.class_names == std::vector<std::string>{"a", "aa", "b"});
  CHECK(more.train.labels.back() == 1);
  CHECK(std::count(more.train.labels.begin(), more.train.labels.end(), 2) == 5);
}

TEST_CASE("pack: bad files are an error, or left out and named", "[data]") {
  const TemporaryDirectory dir;
  write_photos(dir);
  dir.write("train/a/bad.jpg", jpeg(gradient(30, 30, 3)).substr(0, 300));
  PackOptions options = side(16);
  check_error([&] { write_pack(dir.path(), dir.path("x.pack"), options); }, {"bad.jpg"});
  CHECK_FALSE(file_exists(dir.path("x.pack")));
  options.skip_bad = true;
  const PackResult result = write_pack(dir.path(), dir.path("x.pack"), options);
  CHECK(result.images == 15);
  REQUIRE(result.bad_files.size() == 1);
  CHECK_THAT(result.bad_files[0], Catch::Contains("bad.jpg: damaged image"));
  check_error([&] { write_pack(dir.path("none"), dir.path("y.pack"), options); },
              {"has neither train/ nor val/"});
}

TEST_CASE("pack: damage anywhere is noticed", "[data]") {
  const TemporaryDirectory dir;
  dir.write("train/a/1.png", png(gradient(6, 6, 3)));
  dir.write("val/a/1.png", png(gradient(6, 6, 3, 9)));
  const std::string file = dir.path("good.pack");
  write_pack(dir.path(), file, side(4));
  const std::string good = read_file(file, "");
  REQUIRE(good.size() < 600);
  const auto is_refused = [&](const std::string& bytes) {
    dir.write("bad.pack", bytes);
    try {
      LoadOptions options = load_options(Preprocessing::fit);
      options.memory_bytes = 1 << 30;  // reads all
      load_dataset("packed", dir.path("bad.pack"), options);
      return false;
    } catch (const Error& error) {
      CHECK_THAT(error.what(), Catch::Contains("bad.pack: "));
      return true;
    }
  };
  CHECK_FALSE(is_refused(good));
  for (std::size_t size = 0; size < good.size(); ++size) CHECK(is_refused(good.substr(0, size)));
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int bit : {0, 7}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      CAPTURE(at, bit);
      CHECK(is_refused(bytes));
    }
  }
  CHECK(is_refused(good + "x"));
  check_error([&] { load_dataset("packed", dir.path("train"), load_options({})); },
              {"holds no .pack files"});
  check_error([&] { load_dataset("packed", dir.path("gone"), load_options({})); },
              {"gone", "cannot be opened"});
  check_error([&] { load_dataset("packed", dir.path("train/a/1.png"), load_options({})); },
              {"1.png"});
  // A whole index that says something impossible.
  PackIndex index;
  index.class_names = {"a"};
  PackEntry entry;
  entry.offset = kPackMagic.size();
  entry.size_bytes = 48;
  entry.height = entry.width = 4;
  entry.kind = PackEntry::colour;
  const auto with = [&](auto change) {
    PackIndex changed = index;
    PackEntry e = entry;
    change(changed, e);
    changed.entries = {e};
    changed.name_ends = {0};
    const std::string body = std::string(kPackMagic) + std::string(48, 'p');
    return body + pack_index_bytes(changed, body.size());
  };
  CHECK(is_refused(with([](PackIndex&, PackEntry& e) { e.label = 1; })));
  CHECK(is_refused(with([](PackIndex&, PackEntry& e) { e.label = -1; })));
  CHECK(is_refused(with([](PackIndex&, PackEntry& e) { e.offset = 1u << 30; })));
  CHECK(is_refused(with([](PackIndex&, PackEntry& e) { e.offset = ~std::uint64_t{0}; })));
  CHECK(is_refused(with([](PackIndex&, PackEntry& e) { e.size_bytes = 49; })));
  CHECK(is_refused(with([](PackIndex&, PackEntry& e) { e.height = 0; })));
  CHECK(is_refused(with([](PackIndex&, PackEntry& e) { e.kind = 3; })));
  CHECK(is_refused(with([](PackIndex&, PackEntry& e) { e.part = 2; })));
  CHECK(is_refused(with([](PackIndex&, PackEntry& e) { e.name_bytes = 5; })));
  CHECK(is_refused(with([](PackIndex& i, PackEntry&) { i.class_names = {"a", "a"}; })));
}
