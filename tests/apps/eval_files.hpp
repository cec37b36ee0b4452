// What `intandem eval` writes for other programs, and the exported C of the same model.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>

#include "core/npy.hpp"
#include "tests/apps/command_line.hpp"

namespace intandem::apps_test {

/// CHECKs the files of a model of the 100 test images of write_bars, of which it gets `correct`
/// right, and that its exported C gives the same logits (tests/export_c.sh).
inline void check_eval_files(const TemporaryDirectory& scratch, const std::string& model,
                             std::int64_t correct) {
  const std::string logits_file = scratch.path("logits.npy");
  const std::string pixels_file = scratch.path("pixels.npy");
  CHECK(run(scratch, {"eval", model, "--logits", logits_file, "--pixels", pixels_file}).code == 0);
  const TensorS32 logits = load_npy<std::int32_t>(logits_file);
  REQUIRE(logits.shape() == Shape{100, 10});
  std::int64_t right = 0;
  for (std::int64_t n = 0; n < 100; ++n) {
    const std::int32_t* row = logits.data() + n * 10;
    right += std::max_element(row, row + 10) - row == n % 10;
  }
  CHECK(right == correct);
  const TensorU8 pixels = load_npy<std::uint8_t>(pixels_file);
  REQUIRE(pixels.shape() == Shape{100, 28, 28, 1});
  CHECK(std::string(pixels.begin(), pixels.end()) == bar_images(100));
  if (!std::filesystem::exists("tests/export_c.sh")) return;
  const Outcome exported = run_words(scratch, {"bash", "tests/export_c.sh", model, program()});
  INFO(exported.out << exported.err);
  CHECK(exported.code == 0);
  CHECK_THAT(exported.out, Catch::Contains("100 images, 1000 logits, 0 differences"));
}

}  // namespace intandem::apps_test
