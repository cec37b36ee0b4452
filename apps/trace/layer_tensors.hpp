// Every tensor of one image on its way through an integer model, by the plain loops of
// quant/integer/ops_ref.hpp alone.
#pragma once

#include <string>
#include <vector>

#include "quant/integer/model.hpp"

namespace intandem {

struct LayerTensors {
  TensorU8 input;          ///< [H][W][C], the codes it reads; of a linear layer [1][1][C]
  TensorU8 shortcut;       ///< [P][Q][K]; empty without one
  TensorS32 accumulators;  ///< [P][Q][K] (Q3, Q9)
  TensorU8 codes;          ///< [P][Q][K] before max-pool (Q5, Q6); empty in the last layer
  TensorU8 output;         ///< [pooled P][pooled Q][K]; `codes` itself where there is no max-pool
};

/// image: u8 [H][W][C] of the model's size. One entry per layer.
std::vector<LayerTensors> trace_tensors(const IntModel& model, const TensorU8& image);

/// How much was found equal: output codes of all layers, and logits.
struct EngineCheck {
  std::int64_t codes = 0, logits = 0;
};
/// Runs the engine (algorithm: as in quant/integer/engine.hpp) on the same image. Error with
/// ExitCode::mismatch, naming layer and element, if one of its integers is another.
EngineCheck check_with_engine(const IntModel& model, const TensorU8& image,
                              const std::vector<LayerTensors>& tensors,
                              const std::string& algorithm);

/// What the input codes of layer k are called and how they lie: the image's or another layer's
/// [H][W][C]. A linear layer reads them flattened in this order.
struct LayerSource {
  std::string name;
  std::int64_t H = 1, W = 1, C = 1;
};
LayerSource source_of(const IntModel& model, int k);

}  // namespace intandem
