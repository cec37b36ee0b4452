// A model knows its images: which ones it was made from, where they lie, what they are called.
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/print/png.hpp"
#include "core/container.hpp"
#include "core/json.hpp"
#include "data/fingerprint.hpp"
#include "distill/teacher.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::apps_test;
namespace fs = std::filesystem;

namespace {

/// train/ and val/ with 16 grey 28x28 pictures per class, brighter from class to class.
std::string write_folder(const TemporaryDirectory& scratch, const std::string& name,
                         const std::vector<std::string>& classes) {
  for (const char* part : {"train", "val"}) {
    for (std::size_t c = 0; c < classes.size(); ++c) {
      for (int i = 0; i < 16; ++i) {
        TensorU8 image({28, 28, 1});
        for (std::int64_t p = 0; p < image.size(); ++p) {
          image[p] = static_cast<std::uint8_t>(40 + 60 * c + (p * 7 + i * 13) % 31);
        }
        scratch.write(name + "/" + part + "/" + classes[c] + "/" + std::to_string(i) + ".png",
                      encode_png(image));
      }
    }
  }
  return scratch.path(name);
}

std::vector<std::string> folder_train(const std::string& data, const std::string& run_dir) {
  return {"train",        "--run",     run_dir,
          "--data-dir",   data,        "--dataset",
          "image-folder", "--network", "fashion-alexnet",
          "--held-out",   "8",         "--width",
          "0.1",          "--batch",   "10",
          "--epochs",     "1",         "--lr",
          "0.05",         "--threads", "1",
          "--quiet"};
}

const std::vector<std::string> kQuick = {"--epochs-per-stage", "0", "--joint-epochs", "0"};

}  // namespace

TEST_CASE("a teacher of other classes neither evaluates nor teaches", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string abc = write_folder(scratch, "abc", {"a", "b", "c"});
  const std::string xyz = write_folder(scratch, "xyz", {"x", "y", "z"});
  const std::string four = write_folder(scratch, "four", {"a", "b", "c", "d"});
  const std::string dir = scratch.path("run"), teacher = dir + "/teacher.safetensors";
  const Outcome trained = run(scratch, folder_train(abc, dir));
  INFO(trained.err);
  REQUIRE(trained.code == 0);

  check_one_error(run(scratch, {"eval", teacher, "--data-dir", xyz}), 1,
                  {teacher, "a, b, c", "x, y, z", "--other-data"});
  const Outcome insisted = run(scratch, {"eval", teacher, "--data-dir", xyz, "--other-data"});
  CHECK(insisted.code == 0);
  CHECK_THAT(insisted.err, Catch::Contains("note") && Catch::Contains("x, y, z"));
  check_one_error(run(scratch, {"eval", teacher, "--data-dir", four, "--other-data"}), 1,
                  {teacher, "a, b, c, d"});
  for (const std::string& other : {xyz, four}) {
    for (const char* command : {"distill", "baseline"}) {
      auto words = small_distill(dir);
      words[0] = command;
      check_one_error(run(scratch, with(words, {"--data-dir", other})), 1, {teacher, "a, b, c"});
    }
  }
  CHECK_FALSE(fs::exists(dir + "/distill-w4a4.checkpoint"));
  // Other images of the same classes are other data too.
  fs::remove(abc + "/train/b/3.png");
  check_one_error(run(scratch, small_distill(dir)), 1, {teacher, "48 images", "47 images"});
  REQUIRE(run(scratch, with(with(small_distill(dir), kQuick), {"--other-data"})).code == 0);

  // Where the images lie is in the model: no flag is needed, anywhere.
  const Outcome eval = run(scratch, {"eval", dir + "/w4a4.safetensors"});
  INFO(eval.err);
  CHECK(eval.code == 0);
  CHECK_THAT(eval.out,
             Catch::Contains("of 48 test images") && Catch::Contains("image-folder, " + abc));
  const Outcome verify = run(scratch, {"verify", "--run", dir, "--name", "w4a4", "--quiet"});
  CHECK(verify.code == 0);
  CHECK_THAT(verify.out, Catch::Contains("image-folder, " + abc));
  check_one_error(
      run(scratch, {"verify", "--run", dir, "--name", "w4a4", "--quiet", "--data-dir", xyz}), 1,
      {"w4a4.safetensors", "x, y, z"});
  fs::rename(abc, abc + "-away");
  check_one_error(run(scratch, {"eval", teacher}), 1, {teacher, abc, "--data-dir"});
  CHECK(run(scratch, {"eval", teacher, "--data-dir", abc + "-away"}).code == 0);
}

TEST_CASE("an empty path is no default", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string dir = scratch.path("run");
  check_one_error(run(scratch, {"train", "--run", dir, "--data-dir", ""}), 2,
                  {"--data-dir", "empty"});
  check_one_error(run(scratch, {"train", "--run", ""}), 2, {"--run", "empty"});
  check_one_error(run(scratch, {"verify", "--run", "", "--name", "w4a4"}), 2, {"--run", "empty"});
  check_one_error(run(scratch, {"verify", "--run", dir, "--name", ""}), 2, {"--name", "empty"});
  check_one_error(run(scratch, {"report", "--run", ""}), 2, {"--run", "empty"});
  check_one_error(run(scratch, {"report", "--run", dir, "--run", ""}), 2, {"--run", "empty"});
  check_one_error(run(scratch, {"report", "--run", dir, "--output", ""}), 2, {"--output", "empty"});
  check_one_error(run(scratch, {"sweep", "x.json", "--run", ""}), 2, {"--run", "empty"});
  check_one_error(run(scratch, {"distill", "--run", dir, "--teacher", ""}), 2,
                  {"--teacher", "empty"});
  check_one_error(run(scratch, {"eval", "x.safetensors", "--data-dir", ""}), 2,
                  {"--data-dir", "empty"});
  check_one_error(run(scratch, {"verify", "--run", dir, "--name", "w4a4", "--data-dir", ""}), 2,
                  {"--data-dir", "empty"});
}

TEST_CASE("class names are looked at before anything is trained", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  int number = 0;
  for (const auto& [name, shown] :
       {std::pair{"caf\xE9", "caf\\xe9"}, std::pair{"two\nlines", "two\\x0alines"},
        std::pair{"\x1B[31mred", "\\x1b[31mred"}}) {
    const std::string data = write_folder(scratch, "data" + std::to_string(++number), {"a", name});
    const std::string dir = scratch.path("run" + std::to_string(number));
    check_one_error(run(scratch, folder_train(data, dir)), 1, {data, shown, "rename"});
    CHECK_FALSE(fs::exists(dir + "/train.checkpoint"));
  }
  const std::string good = write_folder(scratch,
                                        "g\xC3\xBC"
                                        "ter",
                                        {"caf\xC3\xA9",
                                         "sm\xC3\xB8rbr\xC3\xB8"
                                         "d"});
  CHECK(run(scratch, folder_train(good, scratch.path("good"))).code == 0);
  check_one_error(run(scratch, folder_train(scratch.path("caf\xE9"), scratch.path("r"))), 2,
                  {"not UTF-8", "caf\\xe9"});
  CHECK_NOTHROW(check_class_names({"a", "T-shirt/top"}, "here"));
  CHECK_THROWS_AS(check_class_names({"a", ""}, "here"), Error);
  CHECK_THROWS_AS(check_class_names({"a", "a"}, "here"), Error);
}

TEST_CASE("a fingerprint tells count, size, order and pixels", "[data]") {
  Dataset data;
  data.classes = 3;
  data.images = TensorU8::full({2, 4, 4, 1}, 7);
  data.labels = {0, 1};
  const Fingerprint first = fingerprint(data);
  CHECK_THAT(first.labels, Catch::StartsWith("2 images 4x4x1 in 3 classes, labels "));
  CHECK(fingerprint(data).labels == first.labels);
  CHECK(fingerprint(data).pixels == first.pixels);
  data.labels = {1, 0};
  CHECK(fingerprint(data).labels != first.labels);
  data.labels = {0, 1};
  data.images[31] = 8;
  CHECK(fingerprint(data).labels == first.labels);
  CHECK(fingerprint(data).pixels != first.pixels);
  data.images = TensorU8::full({2, 2, 8, 1}, 7);
  CHECK(fingerprint(data).labels != first.labels);
}

TEST_CASE("what a model calls its classes cannot command the terminal", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string dir = scratch.path("run");
  const std::string data = write_bars(scratch, 80, 20);
  REQUIRE(run(scratch, small_train(data, dir)).code == 0);
  REQUIRE(run(scratch, with(small_distill(dir), kQuick)).code == 0);
  const std::string path = dir + "/w4a4.safetensors";
  Container file = Container::load(path);
  std::string names;
  for (int c = 0; c < 10; ++c) names += "\x1B[31mclass" + std::to_string(c) + "\n";
  file.set("class_names", names);
  file.save(path);
  const std::string png = scratch.write("x.png", encode_png(TensorU8::full({28, 28, 1}, 9)));
  const Outcome infer = run(scratch, {"infer", path, png});
  CHECK(infer.code == 0);
  CHECK_THAT(infer.out, Catch::Contains("\\x1b[31mclass") && !Catch::Contains("\x1B"));
  // Pixels of two channels are no image file's.
  file.set("channels", "2");
  file.save(path);
  const Outcome two = run(scratch, {"infer", path, png});
  CHECK(two.code == 1);
  CHECK_THAT(two.err, !Catch::Contains("bug"));
}
