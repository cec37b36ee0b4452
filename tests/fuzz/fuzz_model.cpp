// An integer model: loaded, checked, exported as C, planned and run on two images by every
// algorithm, which must agree. Models whose images or products would take long are only loaded.
#include <algorithm>
#include <string>
#include <vector>

#include "core/container.hpp"
#include "core/parallel.hpp"
#include "quant/export/c_export.hpp"
#include "quant/export/c_text.hpp"
#include "quant/integer/engine.hpp"
#include "quant/integer/plan.hpp"
#include "tests/fuzz/harness.hpp"
#include "tests/fuzz/sealed_file.hpp"
#include "tests/quant/random_model.hpp"

using namespace intandem;

namespace {

constexpr std::int64_t kMostElements = 1 << 17, kMostMacs = 1 << 18, kImages = 2;

bool is_small(const IntModel& model) {
  std::int64_t elements = model.height * model.width * model.channels, macs = 0;
  if (elements > kMostElements) return false;
  for (const IntLayer& layer : model.layers) {
    const ConvShape& s = layer.shape;
    if (s.pad > 256) return false;
    elements += (s.H + 2 * s.pad) * (s.W + 2 * s.pad) * s.C + s.P() * s.Q() * s.K;
    if (elements > kMostElements) return false;
    macs += s.macs() + s.P() * s.Q() * s.K * layer.pool_kernel * layer.pool_kernel;
    if (macs > kMostMacs) return false;
  }
  return true;
}

std::vector<std::int32_t> run(const IntModel& model, const std::string& algorithm) {
  std::vector<std::uint8_t> images(
      static_cast<std::size_t>(kImages * model.height * model.width * model.channels));
  for (std::size_t i = 0; i < images.size(); ++i) {
    images[i] = static_cast<std::uint8_t>(i * 89 + i / 7);
  }
  std::vector<std::int32_t> logits(static_cast<std::size_t>(kImages * model.classes));
  Engine engine(model, kImages, algorithm);
  engine.run(images.data(), kImages, logits.data());
  return logits;
}

}  // namespace

INTANDEM_FUZZ(model) {
  set_thread_count(1);
  const fuzz::MemoryFile file(input);
  const IntModel model = load_model(Container::load(file.path(), "integer-model"));
  const CFootprint footprint = measure_c(model, file.path());
  if (footprint.arena.bytes < footprint.arena.least_bytes) fuzz::fail("the arena is too small");
  if (!is_small(model)) return;
  const CProgram program{c_name(model.network), model.layers[0].name, {model.network}};
  for (const GeneratedFile& written : c_program(model, program, footprint)) {
    const std::string& text = written.text;
    const auto is_odd = [](char c) { return c != '\n' && c != '\t' && (c < ' ' || c > '~'); };
    if (std::any_of(text.begin(), text.end(), is_odd)) fuzz::fail("C that is not plain ASCII");
  }
  const auto wanted = run(model, "ref");
  if (run(model, "auto") != wanted) fuzz::fail("auto differs from ref");
  for (const Algorithm& algorithm : algorithms()) {
    bool takes_any = false;
    for (const IntLayer& layer : model.layers) {
      takes_any = takes_any || algorithm.prepare(layer) != nullptr;
    }
    if (takes_any && run(model, algorithm.name) != wanted) fuzz::fail(algorithm.name);
  }
}

#if defined(INTANDEM_FUZZING)
namespace {

/// The stated bounds are those of the weights and biases there are now.
void repair_bounds(fuzz::SealedFile& file) {
  for (int i = 0; i < 16; ++i) {
    const std::string layer = "layer." + std::to_string(i) + ".";
    const auto weights = file.tensors.find(layer + "weights"),
               bias = file.tensors.find(layer + "bias");
    if (weights == file.tensors.end() || bias == file.tensors.end()) continue;
    const std::int64_t in_max = std::strtoll(file.metadata[layer + "in_max"].c_str(), nullptr, 10);
    const std::size_t K = bias->second.bytes.size() / 4;
    if (K == 0 || in_max < 0 || in_max > 255) continue;
    const std::size_t reduction = weights->second.bytes.size() / K;
    std::int64_t bound = 0, zero_channels = 0;
    for (std::size_t k = 0; k < K; ++k) {
      std::int64_t positive = 0, negative = 0;
      for (std::size_t j = 0; j < reduction; ++j) {
        const auto q = static_cast<std::int8_t>(weights->second.bytes[k * reduction + j]);
        (q > 0 ? positive : negative) += std::abs(q);
      }
      std::int32_t b = 0;
      std::memcpy(&b, bias->second.bytes.data() + 4 * k, 4);
      bound = std::max(bound, std::max(positive, negative) * in_max + std::abs(std::int64_t{b}));
      zero_channels += positive + negative == 0 ? 1 : 0;
    }
    file.metadata[layer + "bound"] = std::to_string(bound);
    file.metadata[layer + "zero_channels"] = std::to_string(zero_channels);
  }
}

}  // namespace

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                    unsigned seed) {
  const auto fresh = [](std::uint64_t number) {
    Container container("integer-model");
    store_model(testing::random_model(number), container);
    return fuzz::SealedFile::of(container);
  };
  return fuzz::mutate_sealed(data, size, max_size, seed, fresh, repair_bounds);
}
#endif
