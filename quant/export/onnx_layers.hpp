// What both ONNX exporters need of a layer: tensors in channels-first order, values that flow.
#pragma once

#include <string>
#include <vector>

#include "quant/export/onnx_writer.hpp"
#include "quant/integer/model.hpp"

namespace intandem {

using OnnxInts = OnnxWriter::Ints;

/// A tensor of codes in the graph: [N][C][H][W], or [N][C] behind a linear layer.
struct OnnxCodes {
  std::string name;
  std::int64_t C = 0, H = 1, W = 1;
  bool flat = false;
};

/// Builds on `writer` what the layers read; names are prefixed by the reader's.
class OnnxShaper {
 public:
  OnnxShaper(OnnxWriter& writer, const IntModel& model);

  const OnnxCodes& output(int k) const;  ///< of layer k; −1: the image
  void set_output(int k, OnnxCodes codes) { outputs_[static_cast<std::size_t>(k + 1)] = codes; }
  /// What flows as a vector [N][C·H·W], or as an image [N][C][H][W].
  std::string as_vector(const OnnxCodes& codes, const std::string& reader);
  std::string as_image(const OnnxCodes& codes, const std::string& reader);
  /// "layer name#k": unique whatever names the model has.
  std::string name(int k) const;

 private:
  OnnxWriter& writer_;
  const IntModel& model_;
  std::vector<OnnxCodes> outputs_;  // the image first
};

/// Weights of a convolution [K][C/g][R][S], of a linear layer [K][C·H·W] for the vector its input
/// flattens to; ones for an average pool, [C][1][R][S].
OnnxInts channels_first_weights(const IntLayer& layer, const OnnxCodes& input);
/// dims of these.
OnnxInts weight_dims(const IntLayer& layer);
/// [K] in a layer that has one value per channel: [1][K][1][1], or [1][K] of a linear layer.
OnnxInts channel_dims(const IntLayer& layer, std::int64_t K);
/// Σ of the weights of output k, of channel c of its group alone if c is not negative.
std::int64_t weight_sum(const IntLayer& layer, std::int64_t k, std::int64_t c = -1);

}  // namespace intandem
