// Input normalization, shared by the data pipeline, the teacher and the integer model.
#pragma once

#include <cstdint>
#include <vector>

namespace intandem {

/// x = (p − zero_point_c)/std_dev_c + offset_c for a pixel p of channel c. The zero point is the
/// mean *rounded to an integer* so that it can be the integer model's padding value
/// (docs/quantization.md, Q8). Networks trained here have no offset; of one trained elsewhere, with
/// a mean that is no integer, it is what the rounding left.
struct Normalization {
  std::vector<std::int32_t> zero_point;  ///< [C], 0 … 255
  std::vector<float> std_dev;            ///< [C], > 0, in pixel units
  std::vector<float> offset = {};        ///< [C]; empty: 0

  float offset_of(std::size_t c) const { return offset.empty() ? 0.0f : offset[c]; }
};

}  // namespace intandem
