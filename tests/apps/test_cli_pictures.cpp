// Folders of pictures as people have them, through the program.
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/apps/command_line.hpp"
#include "tests/data/image_writers.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::apps_test;
using data_test::gradient;
using data_test::png;

namespace {

/// part/<class>/0.png … of three classes.
std::string write_part(const TemporaryDirectory& scratch, const std::string& part, int per_class) {
  for (const std::string name : {"ant", "bee", "cat"}) {
    for (int i = 0; i < per_class; ++i) {
      scratch.write("data/" + part + "/" + name + "/" + std::to_string(i) + ".png",
                    png(gradient(30, 40, 3, 80 * (name[0] - 'a') + i)));
    }
  }
  return scratch.path("data");
}

std::vector<std::string> train(const std::string& data, const std::string& run_dir) {
  return {"train",   "--run",     run_dir,   "--data-dir", data,       "--dataset", "image-folder",
          "--width", "0.1",       "--batch", "8",          "--epochs", "1",         "--lr",
          "0.05",    "--threads", "1",       "--quiet"};
}

const std::vector<std::string> kSmall = {"--network", "fashion-alexnet"};

}  // namespace

TEST_CASE("a small folder of photos trains, and says what becomes of them", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_part(scratch, "train", 10);
  write_part(scratch, "val", 2);
  scratch.write("data/train/README", "words");
  const std::string dir = scratch.path("run");
  // A network of another size is a choice, not a default.
  check_one_error(run(scratch, train(data, dir)), 2,
                  {"--network: is needed for image-folder", "alexnet (224x224x3)"});
  const Outcome trained = run(scratch, with(train(data, dir), kSmall));  // held out: 3 of 30
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  CHECK_THAT(trained.err, Catch::Contains("resized to 28x28 grey"));
  CHECK_THAT(trained.err, Catch::Contains("left out 1 entry that is no image: README"));

  // Neither eval nor verify opens a training image.
  const std::string broken = scratch.write("data/train/ant/0.png", "damaged");
  CHECK(run(scratch, {"eval", dir + "/teacher.safetensors"}).code == 0);
  check_one_error(run(scratch, with(train(data, scratch.path("again")), kSmall)), 1, {broken});
  // What does not need the pixels comes before them.
  check_one_error(
      run(scratch, with(train(data, scratch.path("again")), with(kSmall, {"--batch", "28"}))), 2,
      {"has 27 training images, less than one batch of 28"});
  check_one_error(
      run(scratch, with(train(data, scratch.path("again")), with(kSmall, {"--held-out", "30"}))), 2,
      {"cannot hold out 30 of 30"});
  std::filesystem::remove_all(data + "/train");
  const Outcome alone = run(scratch, {"eval", dir + "/teacher.safetensors"});
  CHECK(alone.code == 0);
  CHECK_THAT(alone.out, Catch::Contains("of 6 test images"));
}

TEST_CASE("infer names every file that is no image, and goes on", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch, 80, 20), dir = scratch.path("run");
  REQUIRE(run(scratch, small_train(data, dir)).code == 0);
  REQUIRE(run(scratch, with(small_distill(dir), {"--epochs-per-stage", "0", "--joint-epochs", "0"}))
              .code == 0);
  const std::string first = scratch.write("1.png", png(gradient(28, 28, 1)));
  const std::string bad = scratch.write("2.png", "no image");
  const std::string last = scratch.write("3.bmp", data_test::bmp(gradient(28, 28, 3)));
  const Outcome infer =
      run(scratch, {"infer", dir + "/w4a4.safetensors", first, bad, scratch.path("none"), last});
  CHECK(infer.code == 1);
  CHECK_THAT(infer.out, Catch::StartsWith(first + ": ") && Catch::Contains("\n" + last + ": "));
  CHECK_THAT(infer.err,
             Catch::Contains("intandem: error: " + bad + ": is no JPEG, PNG, BMP or GIF"));
  CHECK_THAT(infer.err, Catch::Contains("intandem: error: " + scratch.path("none")));
}
