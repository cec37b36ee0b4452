// Bad input ends in one clear line and the right exit code, whichever way it gets in.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "core/container.hpp"
#include "data/dataset.hpp"
#include "distill/teacher.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::apps_test;
namespace fs = std::filesystem;

namespace {

/// A teacher nobody trained, to have a model file at hand.
std::string write_teacher(const TemporaryDirectory& scratch, const std::string& network,
                          std::int64_t channels) {
  ModelInfo info;
  info.dataset = "fashion-mnist";
  for (int c = 0; c < 10; ++c) info.class_names.push_back("class " + std::to_string(c));
  info.norm.zero_point.assign(static_cast<std::size_t>(channels), 80);
  info.norm.std_dev.assign(static_cast<std::size_t>(channels), 50.0f);
  info.held_out = 20;
  info.commit = "none";
  const std::string path = scratch.path("teacher.safetensors");
  save_teacher(FloatNetwork(make_network(network, 0.05, 10), Rng(1)), info, path);
  return path;
}

/// Raises the number that follows `key": "` in the header; the header keeps its length.
std::string with_version(std::string bytes, const std::string& key, char digit) {
  const auto at = bytes.find("\"" + key + "\":\"");
  REQUIRE(at != std::string::npos);
  bytes[at + key.size() + 4] = digit;
  return bytes;
}

}  // namespace

TEST_CASE("help and version are no errors, no command is one", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  CHECK(run(scratch, {"--version"}).code == 0);
  CHECK_THAT(run(scratch, {"--version"}).out, Catch::StartsWith("intandem "));
  for (const char* command :
       {"train", "distill", "baseline", "verify", "eval", "inspect", "infer", "export", "report"}) {
    const Outcome help = run(scratch, {command, "--help"});
    INFO(command);
    CHECK(help.code == 0);
    CHECK(help.err.empty());
    CHECK_THAT(help.out, Catch::Contains(std::string("intandem ") + command));
  }
  CHECK(run(scratch, {}).code == 2);
  CHECK_THAT(run(scratch, {}).err, Catch::Contains("Usage"));
}

TEST_CASE("a bad command line is a usage error that helps", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string dir = scratch.path("run");
  check_one_error(run(scratch, {"trian"}), 2, {"trian", "'train'"});
  check_one_error(run(scratch, {"train"}), 2, {"--run"});
  check_one_error(run(scratch, {"train", "--run", dir, "--epoch", "3"}), 2,
                  {"--epoch", "--epochs"});
  check_one_error(run(scratch, {"train", "--run", dir, "--epochs", "many"}), 2,
                  {"--epochs", "many", "an integer from 1"});
  check_one_error(run(scratch, {"distill", "--run", dir, "--weight-bits", "9"}), 2,
                  {"--weight-bits", "an integer from 1 to 8"});
  check_one_error(run(scratch, {"distill", "--run", dir, "--name", "../x"}), 2, {"--name"});
  check_one_error(run(scratch, {"train", "--run", dir, "--resume", "--overwrite"}), 2,
                  {"--overwrite"});
  check_one_error(run(scratch, {"train", "--run", dir, "--dataset", "cifar10"}), 2, {"--data-dir"});
  CHECK_FALSE(fs::exists(dir + "/config.json"));
}

TEST_CASE("a bad configuration file names itself and the key", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const auto with_config = [&](const std::string& text) {
    const std::string path = scratch.write("c.json", text);
    return run(scratch, {"distill", "--run", scratch.path("run"), "--config", path});
  };
  check_one_error(with_config(R"({"weight_bits": 9})"), 2,
                  {"c.json", "weight_bits", "9", "an integer from 1 to 8"});
  check_one_error(with_config(R"({"wieght_bits": 4})"), 2,
                  {"c.json", "unknown key 'wieght_bits'", "'weight_bits'"});
  check_one_error(with_config(R"({"weight_bits": "4"})"), 2, {"c.json", "weight_bits"});
  check_one_error(with_config("{"), 2, {"c.json", "not valid JSON"});
  check_one_error(run(scratch, {"train", "--run", scratch.path("run"), "--config", "/none.json"}),
                  2, {"/none.json"});
}

TEST_CASE("damaged data files name themselves", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch, 60, 20);
  const std::string images = "data/train-images-idx3-ubyte.gz";
  const std::string labels = "data/train-labels-idx1-ubyte.gz";
  const auto outcome = [&] { return run(scratch, small_train(data, scratch.path("run"))); };
  const std::string good_images = slurp(scratch.path(images));

  SECTION("missing directory") {
    check_one_error(run(scratch, small_train("/nowhere", scratch.path("run"))), 1,
                    {"/nowhere/train-images-idx3-ubyte.gz"});
  }
  SECTION("missing file") {
    fs::remove(scratch.path("data/t10k-labels-idx1-ubyte.gz"));
    check_one_error(outcome(), 1, {"t10k-labels-idx1-ubyte.gz"});
  }
  SECTION("truncated") {
    scratch.write(images, good_images.substr(0, good_images.size() / 2));
    check_one_error(outcome(), 1, {images});
  }
  SECTION("empty") {
    scratch.write(images, "");
    check_one_error(outcome(), 1, {images});
  }
  SECTION("counts differ") {
    scratch.write(labels, data_test::gzip(data_test::idx_file({59}, bar_labels(59))));
    check_one_error(outcome(), 1, {"60", "59"});
  }
  SECTION("label out of range") {
    std::string wrong = bar_labels(60);
    wrong[17] = 10;
    scratch.write(labels, data_test::gzip(data_test::idx_file({60}, wrong)));
    check_one_error(outcome(), 1, {labels, "10"});
  }
  SECTION("fewer images than a batch") {
    check_one_error(run(scratch, with(small_train(data, scratch.path("run")), {"--limit", "50"})),
                    2, {"training images", "10", "20"});
  }
  SECTION("nothing left to train on") {
    check_one_error(run(scratch, with(small_train(data, scratch.path("run")), {"--limit", "40"})),
                    2, {"40"});
  }
  CHECK_FALSE(fs::exists(scratch.path("run/config.json")));  // the failed try did not begin a job
}

TEST_CASE("damaged model files name themselves", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string path = write_teacher(scratch, "fashion-alexnet", 1);
  const std::string good = slurp(path);
  REQUIRE(run(scratch, {"inspect", path}).code == 0);
  const auto outcome = [&](const std::string& bytes) {
    scratch.write("teacher.safetensors", bytes);
    const Outcome inspected = run(scratch, {"inspect", path});
    CHECK(inspected.code == 1);
    return run(scratch, {"eval", path, "--data-dir", scratch.path()});
  };
  check_one_error(outcome(""), 1, {path});
  check_one_error(outcome(good.substr(0, 5)), 1, {path});
  check_one_error(outcome(good.substr(0, good.size() - 1)), 1, {path});
  check_one_error(outcome(good.substr(0, 300)), 1, {path});
  check_one_error(outcome(good + "x"), 1, {path});
  std::string flipped = good;
  flipped[good.size() - 10] = static_cast<char>(flipped[good.size() - 10] ^ 1);
  check_one_error(outcome(flipped), 1, {path, "checksum"});
  check_one_error(outcome(with_version(good, "format_version", '9')), 1, {path, "version"});
  fs::remove(path);
  check_one_error(run(scratch, {"eval", path}), 1, {path});
  check_one_error(run(scratch, {"eval", scratch.path()}), 1, {scratch.path()});
}

TEST_CASE("a file of the wrong kind is refused", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string path = write_teacher(scratch, "fashion-alexnet", 1);
  const std::string image = scratch.write("x.png", "not a picture");
  check_one_error(run(scratch, {"infer", path, image}), 1, {path, "teacher"});
  check_one_error(
      run(scratch, {"distill", "--run", scratch.path("run"), "--teacher", "/none/t.safetensors"}),
      1, {"/none/t.safetensors", "train"});
  check_one_error(run(scratch, {"report", "--run", scratch.path("nothing")}), 1, {"results.json"});
  check_one_error(run(scratch, {"verify", "--run", scratch.path(), "--name", "w4a4"}), 1,
                  {"w4a4.student.safetensors"});
}

TEST_CASE("a network that does not fit the dataset is refused", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch, 60, 20);
  const Outcome train =
      run(scratch, with(small_train(data, scratch.path("run")), {"--network", "alexnet-cifar"}));
  check_one_error(train, 1, {"alexnet-cifar", "32", "28"});
  const std::string path = write_teacher(scratch, "alexnet-cifar", 3);
  check_one_error(run(scratch, {"eval", path, "--data-dir", data}), 1, {"alexnet-cifar", "28"});
}

TEST_CASE("a bad network file names itself", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch, 60, 20);
  const auto train = [&](const std::string& network, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = small_train(data, scratch.path("run"));
    words.erase(std::find(words.begin(), words.end(), "--width"),
                std::find(words.begin(), words.end(), "--batch"));
    return run(scratch, with(with(words, {"--network", network}), more));
  };
  const std::string good =
      R"({"name": "tiny", "height": 28, "width": 28, "channels": 1, "classes": 10, "units": [)"
      R"({"name": "fc", "kind": "linear", "out": 10, "batch_norm": false, "relu": false}]})";
  const auto with_text = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    for (auto at = from.empty() ? std::string::npos : text.find(from); at != std::string::npos;
         at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
    return scratch.write("net.json", text);
  };
  check_one_error(train("/none.json"), 1, {"/none.json"});
  check_one_error(train("no-such-network"), 2, {"no-such-network", "resnet20", "NAME.json"});
  check_one_error(train(scratch.write("net.json", "{")), 1, {"net.json", "not valid JSON"});
  check_one_error(train(with_text("\"kind\"", "\"sort\"")), 1, {"net.json", "\"kind\""});
  check_one_error(train(with_text("28", "32")), 1, {"tiny", "32x32x1", "28x28x1"});
  check_one_error(train(with_text("10", "12")), 1, {"net.json", "12 classes", "10"});
  check_one_error(train(with_text("", ""), {"--width", "0.5"}), 2, {"--width", "net.json"});
  CHECK_FALSE(fs::exists(scratch.path("run/config.json")));
  REQUIRE(train(with_text("", "")).code == 0);
}

TEST_CASE("a run directory that cannot be written is one error", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch, 60, 20);
  SECTION("a file where the directory should be") {
    const std::string file = scratch.write("file", "x");
    check_one_error(run(scratch, small_train(data, file)), 1, {file});
    check_one_error(run(scratch, small_train(data, file + "/run")), 1, {file});
  }
  SECTION("a place where nobody may write, not even root") {
    check_one_error(run(scratch, small_train(data, "/proc/intandem")), 1, {"/proc/intandem"});
  }
  SECTION("a read-only directory") {
    const std::string dir = scratch.path("locked");
    fs::create_directory(dir);
    fs::permissions(dir, fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read |
                             fs::perms::others_exec);
    std::vector<std::string> words = small_train(data, dir);
    words.insert(words.begin(), program());
    if (geteuid() == 0) {  // root ignores permissions: run as somebody else
      const std::vector<std::string> other = {"setpriv", "--reuid=65534", "--regid=65534",
                                              "--clear-groups"};
      if (run_words(scratch, with(other, {program(), "--version"})).code != 0) {
        INTANDEM_SKIP("cannot run the program as another user");
      }
      words.insert(words.begin(), other.begin(), other.end());
    }
    check_one_error(run_words(scratch, words), 1, {dir});
  }
}

TEST_CASE("a full disk is one error, and what was there stays", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const char* sanitizers = std::getenv("SAN");
  if (sanitizers != nullptr && std::string(sanitizers).find("thread") != std::string::npos) {
    INTANDEM_SKIP("the thread sanitizer maps a file of its own, which the limit cuts short");
  }
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch, 60, 20);
  const std::string dir = scratch.path("run");
  fs::create_directory(dir);
  const std::string old = scratch.write("run/results.json", "{\"kept\": 1}\n");
  // A limit on file size fails the write as a full disk does: small files pass, the checkpoint not.
  std::vector<std::string> words = {"sh", "-c", "ulimit -f 8; exec \"$@\"", "sh", program()};
  const Outcome outcome = run_words(scratch, with(words, small_train(data, dir)));
  check_one_error(outcome, 1, {"train.checkpoint"});
  for (const auto& entry : fs::directory_iterator(dir)) {
    INFO(entry.path());
    CHECK(entry.path().string().find(".tmp") == std::string::npos);
  }
  if (fs::exists("/dev/full")) {
    const Outcome full =
        run_words(scratch, {"sh", "-c", "exec \"$@\" > /dev/full", "sh", program(), "--version"});
    check_one_error(full, 1, {"standard output"});
  }
  CHECK(fs::exists(old));
}
