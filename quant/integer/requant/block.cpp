#include "quant/integer/requant/block.hpp"

#include <algorithm>

#include "core/dispatch.hpp"
#include "quant/integer/requant.hpp"

namespace intandem {
Multiplier scale_up(Multiplier scale) {
  while (scale.n < kQuickShift && 2 * scale.m < 1 << kMaxMultiplierBits) {
    scale = {2 * scale.m, scale.n + 1};
  }
  return scale;
}

RequantData::RequantData(const IntLayer& layer)
    : max_code_(layer.max_code), zero_point_(layer.zero_point), add_zero_(layer.add_zero) {
  if (layer.is_last()) return;
  const std::int64_t padded = (layer.shape.K + 63) / 64 * 64;
  quick_ = layer.add < 0 && layer.zero_point == 0;
  for (std::int64_t k = 0; k < padded; ++k) {
    const std::int64_t channel = std::min(k, layer.shape.K - 1);
    Multiplier scale = layer.channel_scale(channel);
    if (layer.add < 0) scale = scale_up(scale);
    quick_ = quick_ && scale.n >= kQuickShift;
    m_.push_back(scale.m);
    n_.push_back(scale.n);
    if (layer.add >= 0) {
      add_m_.push_back(
          layer.add_m[layer.add_m.size() == 1 ? 0 : static_cast<std::size_t>(channel)]);
    }
  }
}

RequantTables RequantData::from(std::int64_t first) const {
  return {m_.data() + first,
          n_.data() + first,
          add_m_.empty() ? nullptr : add_m_.data() + first,
          max_code_,
          zero_point_,
          add_zero_,
          quick_};
}

std::int64_t RequantData::size_bytes() const {
  return static_cast<std::int64_t>((m_.size() + n_.size() + add_m_.size()) * sizeof(std::int32_t));
}

IntLayer lift_scales(const IntLayer& layer) {
  if (layer.is_last() || layer.add >= 0 || layer.zero_point != 0) return layer;
  if (RequantData(layer).from(0).quick) return layer;
  IntLayer lifted = layer;
  lifted.weights = layer.weights.clone();
  lifted.bias = layer.bias.clone();
  lifted.scale.clear();
  const std::int64_t row = layer.shape.reduction();
  for (std::int64_t k = 0; k < layer.shape.K; ++k) {
    const Multiplier scale = scale_up(layer.channel_scale(k));
    const std::int32_t lift = std::max(0, kQuickShift - scale.n);
    if (layer.bound << lift > INT32_MAX) return layer;
    lifted.bias[k] = layer.bias[k] << lift;
    lifted.scale.push_back({scale.m, scale.n + lift});
    for (std::int64_t i = k * row; i < (k + 1) * row; ++i) {
      const std::int32_t weight = layer.weights[i] << lift;
      if (weight < INT8_MIN || weight > INT8_MAX) return layer;
      lifted.weights[i] = static_cast<std::int8_t>(weight);
    }
  }
  measure_bounds(lifted);
  return lifted;
}

void requant_block_ref(const RequantBlock& b) {
  const RequantTables& t = b.tables;
  for (std::int64_t i = 0; i < b.rows; ++i) {
    const std::int32_t* acc = b.acc + i * b.acc_stride;
    std::uint8_t* codes = b.codes + i * b.code_stride;
    const std::uint8_t* shortcut = b.shortcut == nullptr ? nullptr : b.shortcut + i * b.code_stride;
    for (std::int64_t k = 0; k < b.channels; ++k) {
      const Multiplier scale{t.m[k], t.n[k]};
      codes[k] = shortcut == nullptr ? requantize(acc[k], scale, t.max_code, t.zero_point)
                                     : requantize_add(acc[k], scale, shortcut[k], t.add_m[k],
                                                      t.max_code, t.add_zero, t.zero_point);
    }
  }
}

RequantFn requant_function(Isa isa) {
  static constexpr KernelRow<RequantFn> kTable[] = {
#if defined(__x86_64__)
    {Isa::avx512, requant_block_avx512},
    {Isa::avx2, requant_block_avx2},
#endif
    {Isa::ref, requant_block_ref},
  };
  return choose_kernel(kTable, isa);
}

}  // namespace intandem
