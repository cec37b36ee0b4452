// A layer of the engine in separate steps, with the accumulators in between: what training needs.
#pragma once

#include "quant/integer/model.hpp"
#include "quant/integer/requant/block.hpp"

namespace intandem {

/// Q3 (Q9 of an average pool): codes u8 [N][H][W][C] → accumulators s32 [N][P][Q][K] by the direct
/// kernels of active_isa(), the integers of accumulate_ref() bit for bit. Of `layer` only kind,
/// shape, weights, bias, pad_code and in_max are read; no code may be above in_max. The weights are
/// packed in every call, because they change with every step.
TensorS32 accumulate(IntLayer layer, const TensorU8& codes);

/// The largest accumulator of every window: s32 [N][H][W][K] → [N][P][Q][K], no padding. places,
/// unless null, becomes u8 [N][P][Q][K], r·kernel + s of the first one in row-major order (kernel
/// at most 15). Codes do not decrease with accumulators, so where every channel has the same scale
/// and no shortcut is added, the largest accumulator's code is what max-pool on codes gives.
TensorS32 max_pool_accumulators(const TensorS32& acc, std::int64_t kernel, std::int64_t stride,
                                TensorU8* places);

/// Q5, or Q6 with a shortcut, by the vector kernels of active_isa().
class Requantizer {
 public:
  explicit Requantizer(const IntLayer& layer);
  /// acc s32 [rows][K] → codes u8 [rows][K]; shortcut u8 [rows][K], null without one.
  void run(const std::int32_t* acc, const std::uint8_t* shortcut, std::int64_t rows,
           std::uint8_t* codes) const;

 private:
  std::int64_t K_;
  RequantData data_;
  RequantFn function_;
};

}  // namespace intandem
