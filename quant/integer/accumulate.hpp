// The accumulators of one layer on their own: what training needs of the engine's kernels.
#pragma once

#include "quant/integer/model.hpp"

namespace intandem {

/// Q3 (Q9 of an average pool): codes u8 [N][H][W][C] → accumulators s32 [N][P][Q][K] by the direct
/// kernels of active_isa(), the integers of accumulate_ref() bit for bit. Of `layer` only kind,
/// shape, weights, bias, pad_code and in_max are read; no code may be above in_max. The weights are
/// packed in every call, because they change with every step.
TensorS32 accumulate(IntLayer layer, const TensorU8& codes);

}  // namespace intandem
