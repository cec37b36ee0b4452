// ImageNet's way from photos to a report, on two processes and a handful of photos. The figures of
// a network that has seen four batches mean nothing; that they are the same on one process does.
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/apps/ranks.hpp"

using namespace intandem;
using namespace intandem::apps_test;

namespace {

constexpr const char* kSample = "../shared/data/imagenet-sample100.tar";

/// DIR/train and DIR/val of eight classes with a photo each, under five and two names; its path, or
/// "" without the sample.
std::string make_photos(const TemporaryDirectory& scratch) {
  namespace fs = std::filesystem;
  if (!fs::exists(kSample)) return "";
  const fs::path unpacked = scratch.path("unpacked"), data = scratch.path("photos");
  fs::create_directories(unpacked);
  const std::string tar = std::string("tar xf ") + kSample + " -C " + unpacked.string();
  REQUIRE(std::system(tar.c_str()) == 0);
  std::vector<fs::path> photos;
  for (const auto& entry : fs::recursive_directory_iterator(unpacked)) {
    if (entry.is_regular_file()) photos.push_back(entry.path());
  }
  std::sort(photos.begin(), photos.end());
  REQUIRE(photos.size() >= 8);
  photos.resize(8);
  for (const fs::path& photo : photos) {
    for (const auto& [part, names] : {std::pair{"train", 5}, std::pair{"val", 2}}) {
      const fs::path folder = data / part / photo.parent_path().filename();
      fs::create_directories(folder);
      for (int i = 0; i < names; ++i) {
        fs::create_hard_link(photo, folder / (std::to_string(i) + ".JPEG"));
      }
    }
  }
  return data;
}

/// Every command from images to figures in `run_dir`, each a success.
void run_pipeline(const TemporaryDirectory& scratch, int ranks, const std::string& dataset,
                  const std::string& data, const std::string& run_dir) {
  const auto go = [&](const std::vector<std::string>& words) {
    const Outcome outcome = run_ranks(scratch, ranks, words);
    INFO(ranks << " ranks, " << words.front() << ": " << outcome.err);
    REQUIRE(outcome.code == 0);
    return outcome.out;
  };
  const std::vector<std::string> common = {"--run", run_dir,   "--shards",  "2", "--batch",
                                           "8",     "--quiet", "--threads", "1", "--data-memory",
                                           "0.125"};
  go(with(
      {"train", "--dataset", dataset, "--data-dir", data, "--network", "alexnet", "--width", "0.1",
       "--preprocessing", "imagenet", "--held-out", "8", "--epochs", "1", "--lr", "0.01"},
      common));
  go(with({"distill", "--epochs-per-stage", "0.25", "--evals-per-stage", "1", "--joint-epochs",
           "0.5", "--joint-evals", "1", "--calibration-images", "16"},
          common));
  go({"baseline", "--run", run_dir, "--calibration-images", "16", "--quiet"});
  CHECK_THAT(go({"verify", "--run", run_dir, "--name", "w4a4", "--quiet"}),
             Catch::Contains("0 mismatches in 16 images"));
  CHECK_THAT(go({"eval", run_dir + "/w4a4.safetensors", "--batch", "5", "--predictions",
                 run_dir + "/predictions.csv"}),
             Catch::Contains("of 16 test images"));
}

}  // namespace

TEST_CASE("ImageNet from photos to a report: two ranks give what one process gives",
          "[apps][ranks][imagenet]") {
  INTANDEM_NEED_MPI();
  const TemporaryDirectory scratch;
  const std::string photos = make_photos(scratch);
  if (photos.empty()) INTANDEM_SKIP(std::string("no ") + kSample);
  const std::string packs = scratch.path("packs");
  std::filesystem::create_directories(packs);
  for (const char* shard : {"0", "1"}) {
    const Outcome packed = run(scratch, {"pack", photos, packs + "/" + shard + ".pack", "--shard",
                                         shard, "--shards", "2"});
    INFO(packed.err);
    REQUIRE(packed.code == 0);
  }
  for (const auto& [dataset, data] :
       {std::pair{"packed", packs}, std::pair{"image-folder", photos}}) {
    const std::string one = scratch.path(std::string(dataset) + "1");
    const std::string two = scratch.path(std::string(dataset) + "2");
    run_pipeline(scratch, 0, dataset, data, one);
    run_pipeline(scratch, 2, dataset, data, two);
    for (const char* file : {"teacher.safetensors", "w4a4.student.safetensors", "w4a4.safetensors",
                             "predictions.csv"}) {
      INFO(dataset << ", " << file);
      CHECK(slurp(two + "/" + file) == slurp(one + "/" + file));
      CHECK_FALSE(slurp(two + "/" + file).empty());
    }
    for (const char* file : {"results.json", "log.jsonl"}) {
      CHECK(figures(two + "/" + file) == figures(one + "/" + file));
    }
    const Outcome report = run(scratch, {"report", "--run", two});
    INFO(report.err);
    CHECK(report.code == 0);
    CHECK(std::filesystem::exists(two + "/report.html"));
  }
}
