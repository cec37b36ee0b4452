// Integer models as ONNX graphs (docs/exchange.md). Both take uint8 pixels, "image" [N][C][H][W].
#pragma once

#include <map>
#include <string>

#include "quant/integer/model.hpp"

namespace intandem {

/// Lines for the file's metadata: class names, commit, ….
using OnnxLabels = std::map<std::string, std::string>;

/// Integer operators alone; "logits" [N][classes] are the engine's int32 accumulators, bit for bit.
/// A layer is ConvInteger or MatMulInteger and its bias in int32, then Q5, Q6, Q17 and Q18 in
/// int64:
///
///     code = Cast(Clip(Div(acc·m + q₂·m₂ + (2ⁿ⁻¹ + Z·2ⁿ − Z₂·m₂), 2ⁿ), 0, max_code))
///
/// Div rounds towards 0 instead of down, which differs below 0 alone, where Clip gives 0 either
/// way. Weights are stored as uint8 with zero point 128: where ONNX Runtime multiplies uint8 by
/// int8 without VNNI, it adds pairs of products in 16 bits, which saturate; uint8 by uint8 is
/// exact. Codes outside the image are the zero point of ConvInteger where all channels have the
/// same; else (the first layer) what they add is in a bias of one value per output pixel. Error
/// (subject: path) if the file cannot be written or the program was built without ONNX.
void export_onnx(const IntModel& model, const std::string& path, const OnnxLabels& labels);

/// The same network between QuantizeLinear and DequantizeLinear, for tools that want it so. Scales
/// are floats and ties round to even there: *not* exact. "logits" are floats near the accumulators.
void export_qdq(const IntModel& model, const std::string& path, const OnnxLabels& labels);

}  // namespace intandem
