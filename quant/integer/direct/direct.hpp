// The direct algorithm: every layer as an implicit matrix product, in tiles of outputs from
// anywhere or in whole rows of outputs.
#pragma once

#include <memory>

#include "core/cpu.hpp"
#include "quant/integer/direct/kernels.hpp"
#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// PrepareFn "direct_tiles": convolutions (up to 341 kernel rows) and linear layers with any
/// codes. Null without AVX2 and for groups.
std::unique_ptr<PreparedLayer> prepare_direct_tiles(const IntLayer& layer);
/// "direct_tiles_ahead": linear layers whose weights are asked for once, far ahead, into the
/// first-level cache (kStreamAhead_bytes).
std::unique_ptr<PreparedLayer> prepare_direct_tiles_ahead(const IntLayer& layer);

/// "direct_rows64", "direct_rows32" (AVX-512 VNNI) and "direct_rows16" (AVX2): whole rows of
/// outputs, `width` channels at a time. Null for layers that have a shortcut, are the last or have
/// multipliers that need more than Q5a, and for widths that the kernel has not.
std::unique_ptr<PreparedLayer> prepare_direct_rows(const IntLayer& layer, std::int64_t width);

/// The kernel of an instruction set, or null. On AVX2: narrow, 16-bit sums where the ranges allow
/// it; linear, weights that are met once per image.
const DirectKernel* direct_kernel(Isa isa, bool narrow, bool linear);
/// The one for a layer on active_isa(), or null.
const DirectKernel* direct_kernel(const IntLayer& layer);

/// Groups of four products that may be summed in 16 bits: 32767 / (2 · in_max · max|q_w|).
std::int64_t narrow_chunk(const IntLayer& layer);

/// Whether "direct" sums products of this layer in 16 bits on active_isa() (AVX2).
bool direct_is_narrow(const IntLayer& layer);

/// How many of `workers` share N images of a linear layer: one, if it is done before a second
/// thread has woken up.
inline std::int64_t linear_workers(const ConvShape& shape, std::int64_t N, std::int64_t workers) {
  return N * shape.macs() < 1 << 18 ? 1 : workers;
}

/// The same with a given kernel; null if it has too many kernel rows.
std::unique_ptr<PreparedLayer> prepare_direct_tiles(const IntLayer& layer,
                                                    const DirectKernel& kernel,
                                                    std::int64_t stream_ahead_bytes = 0);
std::unique_ptr<PreparedLayer> prepare_direct_rows(const IntLayer& layer,
                                                   const DirectKernel& kernel, std::int64_t width);

/// PrepareFn "avg_pool": average pooling (Q9) with vector requantization; null for other layers.
std::unique_ptr<PreparedLayer> prepare_avg_pool(const IntLayer& layer);

/// Max-pool of codes [N][H][W][C], the definition of max_pool_ref, parallel over rows.
void max_pool(const std::uint8_t* codes, std::int64_t N, std::int64_t H, std::int64_t W,
              std::int64_t C, std::int64_t kernel, std::int64_t stride, std::uint8_t* result);

}  // namespace intandem
