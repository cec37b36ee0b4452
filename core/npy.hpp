// NumPy .npy files: tensors in and out of Python without a container.
#pragma once

#include <string>

#include "core/tensor.hpp"

namespace intandem {

/// Reads a .npy file (format 1.0 to 3.0) of exactly this element type, little-endian, row-major,
/// rank ≤ 4. T: float ('<f4'), uint8_t ('|u1'), int8_t ('|i1'), int32_t ('<i4'). Error (subject:
/// path) for a missing, damaged or truncated file, another type, Fortran order, trailing bytes.
template <class T>
Tensor<T> load_npy(const std::string& path);

/// Writes format 1.0 atomically, data aligned to 64 bytes as NumPy does.
template <class T>
void save_npy(const std::string& path, const Tensor<T>& tensor);

}  // namespace intandem
