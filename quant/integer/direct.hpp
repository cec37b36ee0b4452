// The direct algorithm: every layer as an implicit matrix product, requantized tile by tile.
#pragma once

#include <memory>

#include "core/cpu.hpp"
#include "quant/integer/direct_kernels.hpp"
#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// PrepareFn "direct": convolutions (up to 341 kernel positions), linear layers and average pools
/// with any codes, by the kernels of active_isa(); with AMX those of tile_direct.hpp. Null on
/// Isa::ref and for groups.
std::unique_ptr<PreparedLayer> prepare_direct(const IntLayer& layer);

/// The register-tile kernel "direct" would use, or null. On AVX2: narrow, 16-bit sums where the
/// ranges allow it; linear, weights that are met once per image.
const DirectKernel* direct_kernel(Isa isa, bool narrow, bool linear);

/// Groups of four products that may be summed in 16 bits: 32767 / (2 · in_max · max|q_w|).
std::int64_t narrow_chunk(const IntLayer& layer);

/// Whether "direct" sums products of this layer in 16 bits on active_isa() (AVX2).
bool direct_is_narrow(const IntLayer& layer);

/// Whether requantizing and storing a convolution's outputs takes as long as multiplying: windows
/// of at most 64 codes, those of first layers.
inline bool has_small_window(const ConvShape& shape) {
  return !shape.is_linear() && shape.reduction() <= 64;
}

/// How many of `workers` share N images of a linear layer: one, if it is done before a second
/// thread has woken up.
inline std::int64_t linear_workers(const ConvShape& shape, std::int64_t N, std::int64_t workers) {
  return N * shape.macs() < 1 << 18 ? 1 : workers;
}

/// A convolution or linear layer with a given kernel; null if it has too many kernel positions.
std::unique_ptr<PreparedLayer> prepare_direct(const IntLayer& layer, const DirectKernel& kernel);

/// The same, by the kernel's strips; null if rows of outputs do not fill them or the layer has a
/// shortcut, is the last one or has multipliers that need more than Q5a.
std::unique_ptr<PreparedLayer> prepare_direct_strips(const IntLayer& layer,
                                                     const DirectKernel& kernel);

/// Average pooling (Q9) with vector requantization.
std::unique_ptr<PreparedLayer> prepare_avg_pool(const IntLayer& layer);

/// Max-pool of codes [N][H][W][C], the definition of max_pool_ref, parallel over rows.
void max_pool(const std::uint8_t* codes, std::int64_t N, std::int64_t H, std::int64_t W,
              std::int64_t C, std::int64_t kernel, std::int64_t stride, std::uint8_t* result);

}  // namespace intandem
