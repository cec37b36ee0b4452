// Damaged photos and the cached knowledge of a folder, as one process and as several of mpirun.
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/apps/ranks.hpp"
#include "tests/data/image_writers.hpp"
#include "tests/occurrences.hpp"
#include "tests/with_variable.hpp"

using namespace intandem;
using namespace intandem::apps_test;
using test::occurrences;
namespace fs = std::filesystem;

namespace {

/// `names` photos of each of two classes in DIR/train and twelve in DIR/val; one of DIR/train is
/// cut short, one is empty, one of DIR/val has a wrong byte, and a text lies among them.
void write_damaged(const TemporaryDirectory& scratch, const std::string& dir, int names) {
  for (const std::string part : {"train", "val"}) {
    for (const int label : {0, 1}) {
      const std::string folder = dir + "/" + part + (label == 0 ? "/a/" : "/b/");
      scratch.write(folder + "0.png", data_test::png(data_test::gradient(36, 34, 3, 90 * label)));
      const int count = part == "val" ? 12 : names;
      for (int i = 1; i < count; ++i) {
        fs::create_hard_link(scratch.path(folder + "0.png"),
                             scratch.path(folder + std::to_string(i) + ".png"));
      }
    }
  }
  std::string photo = data_test::png(data_test::gradient(36, 34, 3));
  const auto replace = [&](const std::string& file, const std::string& bytes) {
    fs::remove(scratch.path(dir + file));
    scratch.write(dir + file, bytes);
  };
  replace("/train/a/3.png", photo.substr(0, photo.size() / 2));
  replace("/train/b/5.png", "");
  photo[photo.size() / 2] ^= 8;
  replace("/val/a/4.png", photo);
  scratch.write(dir + "/train/a/notes.txt", "no image");
}

std::vector<std::string> training(const std::string& data, const std::string& run_dir,
                                  const std::vector<std::string>& more) {
  return with({"train",      "--run",        run_dir,
               "--dataset",  "image-folder", "--data-dir",
               data,         "--network",    "cifar-alexnet-64",
               "--width",    "0.05",         "--preprocessing",
               "imagenet",   "--epochs",     "1",
               "--held-out", "16",           "--shards",
               "2",          "--threads",    "1",
               "--quiet"},
              more);
}

}  // namespace

TEST_CASE("damaged photos end training, or are left out, alike on one process and two ranks",
          "[apps][ranks]") {
  INTANDEM_NEED_MPI();
  const TemporaryDirectory scratch;
  write_damaged(scratch, "photos", 30);
  const std::string data = scratch.path("photos");
  for (const int ranks : {0, 2}) {
    const std::string run_dir = scratch.path("ranks" + std::to_string(ranks));
    const std::vector<std::string> batch = {"--batch", "16"};
    const Outcome refused = run_ranks(scratch, ranks, training(data, run_dir, batch));
    INFO(ranks << " ranks: " << refused.err);
    CHECK(refused.code == 1);
    CHECK_THAT(refused.err, Catch::Contains("intandem: error: ") && Catch::Contains("damaged") ||
                                Catch::Contains("is empty"));
    CHECK_FALSE(fs::exists(run_dir + "/teacher.safetensors"));

    const Outcome trained =
        run_ranks(scratch, ranks, training(data, run_dir, with(batch, {"--skip-bad"})));
    INFO(trained.err);
    REQUIRE(trained.code == 0);
    CHECK(occurrences(trained.err, "left out 2 of 60 files that cannot be decoded") == 1);
    CHECK(occurrences(trained.err, "left out 1 of 24 files that cannot be decoded") == 1);
    CHECK(occurrences(slurp(run_dir + "/log.jsonl"), "3.png: damaged image (truncated") == 1);
    const Outcome evaluated = run_ranks(
        scratch, ranks,
        {"eval", run_dir + "/teacher.safetensors", "--predictions", run_dir + "/predictions.csv"});
    INFO(evaluated.err);
    REQUIRE(evaluated.code == 0);
    CHECK_THAT(evaluated.out, Catch::Contains("of 23 test images"));
  }
  for (const char* file : {"teacher.safetensors", "predictions.csv", "log.jsonl", "results.json"}) {
    INFO(file);
    CHECK(figures(scratch.path("ranks2/") + file) == figures(scratch.path("ranks0/") + file));
  }
}

TEST_CASE("two ranks write one cache of a folder, read it, and do without a damaged one",
          "[apps][ranks]") {
  INTANDEM_NEED_MPI();
  const TemporaryDirectory scratch;
  write_damaged(scratch, "photos", 2100);
  const auto hour_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (const char* folder : {"train", "train/a", "train/b", "val", "val/a", "val/b"}) {
    fs::last_write_time(scratch.path(std::string("photos/") + folder), hour_ago);
  }
  const test::WithVariable cache("XDG_CACHE_HOME", scratch.path("cache"));
  const std::string folders = scratch.path("cache/intandem/folders");
  std::string first;
  for (const std::string state : {"none", "whole", "damaged", "cannot be written"}) {
    if (state == "damaged") {
      for (const auto& file : fs::directory_iterator(folders)) fs::resize_file(file, 100);
    } else if (state == "cannot be written") {
      fs::remove_all(scratch.path("cache"));
      scratch.write("cache", "a file where the directory should be");
    }
    const std::string run_dir = scratch.path("run, cache " + state);
    const Outcome trained = run_ranks(
        scratch, 2, training(scratch.path("photos"), run_dir, {"--batch", "1024", "--skip-bad"}));
    INFO(state << ": " << trained.err);
    REQUIRE(trained.code == 0);
    CHECK(occurrences(trained.err, "left out 2 of 4200 files that cannot be decoded") == 1);
    if (first.empty()) first = slurp(run_dir + "/teacher.safetensors");
    CHECK(slurp(run_dir + "/teacher.safetensors") == first);
    if (state == "cannot be written") continue;
    // The training part's list and its bad files; nothing half written beside them.
    CHECK(std::distance(fs::directory_iterator(folders), fs::directory_iterator()) == 2);
    for (const auto& file : fs::directory_iterator(folders)) CHECK(file.file_size() > 100);
  }
}

TEST_CASE("a rank that sees other photos than the first is named", "[apps][ranks]") {
  INTANDEM_NEED_MPI();
  const TemporaryDirectory scratch;
  write_damaged(scratch, "rank0/photos", 30);
  write_damaged(scratch, "rank1/photos", 29);
  const std::string command =
      "cd '" + scratch.path("rank") + "'$OMPI_COMM_WORLD_RANK && exec \"$0\" \"$@\"";
  const Outcome outcome =
      launch_ranks(scratch, 2,
                   with({"sh", "-c", command, program()},
                        training("photos", scratch.path("run"), {"--batch", "16", "--skip-bad"})));
  INFO(outcome.err);
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err,
             Catch::Contains("intandem: error: shard 1: has another set of images than shard 0"));
}
