// The tensors of a trace as NumPy files.
#pragma once

#include <string>
#include <vector>

#include "apps/trace/layer_tensors.hpp"

namespace intandem {

/// Writes image.npy, logits.npy and for layer K from 0 on KK-NAME-….npy (characters of NAME other
/// than letters, digits, '.', '_' and '-' become '_'), where the layer has them: input, weights,
/// bias, pad_code, accumulators, m, n, shortcut, add_m, codes (before max-pool), output. Shapes are
/// those of LayerTensors and IntLayer; m, n and add_m are [1] or [K]. Creates the directory; each
/// file is replaced whole. Returns how many were written.
int save_tensors(const std::string& directory, const IntModel& model, const TensorU8& image,
                 const std::vector<LayerTensors>& tensors);

}  // namespace intandem
