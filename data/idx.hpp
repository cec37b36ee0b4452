// The IDX format of MNIST and Fashion-MNIST, plain or gzip-compressed.
#pragma once

#include <cstdint>
#include <string>

#include "core/tensor.hpp"
#include "data/dataset.hpp"

namespace intandem {

/// One IDX file of unsigned bytes. On disk: 0, 0, type (0x08 = u8), rank; rank big-endian u32
/// extents; the elements, row-major (LeCun et al., "The MNIST database").
struct IdxArray {
  std::int64_t count = 0;  ///< outermost extent in the file
  TensorU8 items;          ///< the first min(limit, count) items, [items][…]
};

/// Reads a file of the given rank (1 … 4) and checks it to its last byte; limit ≤ 0 keeps all.
/// Errors name the file and end with `remedy`: missing, not IDX, another type or rank, an extent of
/// 0, extents the file cannot hold (nothing is allocated), truncated, trailing bytes.
IdxArray read_idx(const std::string& path, int rank, std::int64_t limit, const std::string& remedy);

/// The outermost extent that a file of the given rank promises; same errors as far as the header.
std::int64_t read_idx_count(const std::string& path, int rank, const std::string& remedy);

/// Images u8 [N][H][W] and labels u8 [N] → images [N][H][W][1]. Error also if the counts differ or
/// a label is ≥ classes. name and class_names are left to the caller.
Dataset read_idx_dataset(const std::string& images_path, const std::string& labels_path,
                         std::int64_t classes, std::int64_t limit, const std::string& remedy);

}  // namespace intandem
