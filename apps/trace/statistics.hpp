// What a tensor of integers looks like as a whole.
#pragma once

#include <cstdint>

#include "core/tensor.hpp"

namespace intandem {

struct Summary {
  std::int64_t lowest = 0, highest = 0;
  double zeros = 0;  ///< share of the elements that are 0, 0 … 1
};

/// Of any number of elements; all 0 for none.
Summary summarize(const TensorU8& tensor);
Summary summarize(const TensorS8& tensor);
Summary summarize(const TensorS32& tensor);

}  // namespace intandem
