// Strided convolutions by the exact fast convolution, which wants a stride of 1.
#pragma once

#include <memory>

#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// The same convolution with stride 1: on an image of s × s times the channels, the codes of s × s
/// pixels side by side (s: the stride; R′ = ⌈R/s⌉, S′ alike), rows and columns of its padding
/// included:
///
///     X′[y][x][i][j][c] = X[s·y + i − pad][s·x + j − pad][c]        y < P + R′ − 1, x < Q + S′ − 1
///     W′[k][r][t][i][j][c] = W[k][s·r + i][s·t + j][c], 0 where that is beyond the kernel
///
/// Everything else is the layer's. What X′ holds where W′ is 0 makes no difference.
IntLayer split_phases(const IntLayer& layer);

/// PrepareFn "phases": convolutions of stride 2 and more, of which split_phases makes one of 3×3
/// (11×11 with stride 4, 5×5 with stride 2), by the cheapest fast convolution. Null for others, and
/// with AVX-512 VNNI, where this has not been measured.
std::unique_ptr<PreparedLayer> prepare_phases(const IntLayer& layer);

}  // namespace intandem
