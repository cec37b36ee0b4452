// Exported programs under test: written, compiled by other compilers, run, compared with the
// engine.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "quant/export/c_export.hpp"
#include "quant/integer/engine.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/quant/random_model.hpp"

namespace intandem::export_test {

using apps_test::Outcome;
using apps_test::slurp;
using test::TemporaryDirectory;

inline bool has_command(const TemporaryDirectory& scratch, const std::string& command) {
  return apps_test::run_words(scratch, {"bash", "-c", "command -v " + command}).code == 0;
}

/// Runs a shell command inside the scratch directory; fails the test unless it exits with 0.
inline void must_run(const TemporaryDirectory& scratch, const std::string& command) {
  const Outcome outcome =
      apps_test::run_words(scratch, {"bash", "-c", "cd '" + scratch.path() + "' && " + command});
  INFO(command << "\n" << outcome.out.substr(0, 2000) << outcome.err.substr(0, 4000));
  REQUIRE(outcome.code == 0);
}

/// Where the sources are: the tests run from there.
inline std::string source_path(const std::string& name) {
  return std::filesystem::absolute(name).string();
}

/// Random pixels, the first image all 0 and the second all 255, of N ≥ 2.
inline std::vector<std::uint8_t> some_images(const IntModel& model, std::int64_t N,
                                             std::uint64_t seed) {
  testing::Draw draw(seed);
  const std::int64_t pixels = model.height * model.width * model.channels;
  std::vector<std::uint8_t> images = testing::random_codes(N * pixels, 255, draw);
  std::fill_n(images.begin(), pixels, std::uint8_t{0});
  std::fill_n(images.begin() + pixels, pixels, std::uint8_t{255});
  return images;
}

/// Logits by the plain loops, as the bytes of little-endian int32.
inline std::string reference_logits(const IntModel& model,
                                    const std::vector<std::uint8_t>& images) {
  const std::int64_t pixels = model.height * model.width * model.channels;
  const auto N = static_cast<std::int64_t>(images.size()) / pixels;
  std::vector<std::int32_t> logits(static_cast<std::size_t>(N * model.classes));
  Engine(model, N, "ref").run(images.data(), N, logits.data());
  std::string bytes(logits.size() * 4, '\0');
  std::memcpy(bytes.data(), logits.data(), bytes.size());
  return bytes;
}

/// net.h, net.c, main.c, Makefile and images.raw in the scratch directory; returns the logits that
/// the program has to give.
inline std::string write_net(const TemporaryDirectory& scratch, const IntModel& model,
                             std::int64_t N, std::uint64_t seed) {
  const CProgram program{"net", "a test", {}};
  write_generated(scratch.path(), c_program(model, program, measure_c(model, "test")));
  const std::vector<std::uint8_t> images = some_images(model, N, seed);
  scratch.write("images.raw", std::string(images.begin(), images.end()));
  return reference_logits(model, images);
}

/// The network of `make demo` in 2 bits, with random weights.
inline IntModel demo_network() {
  testing::Draw draw(5);
  IntModel model;
  model.network = "fashion-alexnet";
  model.height = model.width = 28;
  model.channels = 1;
  model.classes = 10;
  const auto add = [&](testing::LayerOptions options) {
    const bool first = model.layers.empty(), last = options.shape.K == model.classes;
    options.weight_bits = first || last ? 8 : 2;
    options.in_max = first ? 255 : 3;
    options.max_code = last ? 0 : 3;
    options.zero_padding = !first;
    model.layers.push_back(testing::make_layer(options, draw));
  };
  using Kind = IntLayerKind;
  add({.shape = {1, 28, 28, 1, 16, 5, 5, 1, 2}, .pool_kernel = 2, .pool_stride = 2});
  add({.shape = {1, 14, 14, 16, 32, 3, 3, 1, 1}, .pool_kernel = 2, .pool_stride = 2});
  add({.shape = {1, 7, 7, 32, 64, 3, 3, 1, 1}});
  add({.shape = {1, 7, 7, 64, 64, 3, 3, 1, 1}});
  add({.shape = {1, 7, 7, 64, 64, 3, 3, 1, 1}, .pool_kernel = 3, .pool_stride = 2});
  add({.kind = Kind::linear, .shape = {1, 1, 1, 576, 256}});
  add({.kind = Kind::linear, .shape = {1, 1, 1, 256, 128}});
  add({.kind = Kind::linear, .shape = {1, 1, 1, 128, 10}});
  check_model(model, "demo network");
  return model;
}

/// How many of the int32 numbers differ; all if the lengths do.
inline std::size_t differences(const std::string& a, const std::string& b) {
  if (a.size() != b.size()) return std::max(a.size(), b.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); i += 4) count += a.compare(i, 4, b, i, 4) != 0;
  return count;
}

}  // namespace intandem::export_test
