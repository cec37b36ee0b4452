// The baselines without training: batch norm folded, weights and activations quantized, integers.
#pragma once

#include "data/dataset.hpp"
#include "nn/network.hpp"
#include "quant/integer/model.hpp"
#include "quant/student.hpp"
#include "quant/uniform.hpp"

namespace intandem {

/// Folds the teacher (Q12), fits weight steps per layer or per output channel and output steps on
/// the first `calibration_images` of `data` through the float teacher, and lowers to integers.
/// Bits, code range, multiplier bits and overrides are those of `options`; nothing is trained.
IntModel folded_baseline(FloatNetwork& teacher, const Normalization& normalization,
                         const Dataset& data, std::int64_t calibration_images, bool per_channel,
                         StepMethod method, const StudentOptions& options);

}  // namespace intandem
