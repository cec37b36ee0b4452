// Residual networks (He et al. 2016) of basic blocks, every change of shape by a 1×1 projection
// with batch norm (option B of the paper).
//
//   resnet20        conv 3×3/1 16, three stages of three blocks of 16, 32, 64 channels; 32×32×3:
//                   40.8 million multiply-accumulates, 272,474 parameters at 10 classes
//   resnet18        conv 7×7/2 64, pool, four stages of two blocks of 64, 128, 256, 512 channels;
//                   224×224×3: 1.81 billion, 11,689,512 at 1000 classes. The pool is 2×2/2, which
//                   gives the original's 56×56; that one's 3×3/2 reads a border.
//   resnet18-cifar  conv 3×3/1 64, no pool, the same stages; 32×32×3: 555 million, 11,173,962 at 10
#include "nn/networks/networks.hpp"

namespace intandem {
namespace {

/// Stages of `blocks` blocks, `stem` channels before them, twice as many in every further stage;
/// the first block of every stage but the first halves the image. Then global pool and logits.
void add_stages(NetworkSpec& spec, int stages, int blocks, std::int64_t stem, double width) {
  std::string from = spec.units.back().name;
  std::int64_t in = spec.units.back().out;
  for (int stage = 0; stage < stages; ++stage) {
    const std::int64_t out = scaled(stem << stage, width);
    for (int block = 0; block < blocks; ++block) {
      const std::string name =
          "stage" + std::to_string(stage + 1) + "." + std::to_string(block + 1);
      add_basic_block(spec, name, from, in, out, stage > 0 && block == 0 ? 2 : 1);
      from = spec.units.back().name;
      in = out;
    }
  }
  spec.units.push_back(global_pool_unit("pool"));
  spec.units.push_back(logits_unit("fc", spec.classes));
}

}  // namespace

NetworkSpec resnet20(double width, std::int64_t classes) {
  NetworkSpec spec{"resnet20", 32, 32, 3, classes, {}};
  spec.units = {conv_unit("conv1", scaled(16, width), 3, 1, 1)};
  add_stages(spec, 3, 3, 16, width);
  return spec;
}

NetworkSpec resnet18(double width, std::int64_t classes) {
  NetworkSpec spec{"resnet18", 224, 224, 3, classes, {}};
  spec.units = {conv_unit("conv1", scaled(64, width), 7, 2, 3, {2, 2})};
  add_stages(spec, 4, 2, 64, width);
  return spec;
}

NetworkSpec resnet18_cifar(double width, std::int64_t classes) {
  NetworkSpec spec{"resnet18-cifar", 32, 32, 3, classes, {}};
  spec.units = {conv_unit("conv1", scaled(64, width), 3, 1, 1)};
  add_stages(spec, 4, 2, 64, width);
  return spec;
}

}  // namespace intandem
