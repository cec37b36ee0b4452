// The blocked matrix product behind gemm_f32 and the convolutions: operands are anything that can
// pack a panel of itself, so an im2col matrix is multiplied without ever being stored.
#pragma once

#include <cstdint>

#include "core/gemm_kernels.hpp"

namespace intandem {

/// One operand, seen as a matrix of `lines` (rows of A, columns of B) by reduction steps.
class PanelSource {
 public:
  virtual ~PanelSource() = default;
  /// Packs lines [first, first + count) for the steps [k0, k0 + depth), depth ≤ kMaxDepth.
  /// A, by_rows():  panel[i·kRowPanelStride + p];  A, otherwise:  panel[p·kernels.mr + i].
  /// B:             panel[p·kernels.nr + j], zero for count ≤ j < kernels.nr.
  virtual void pack(const GemmKernels& kernels, float* panel, std::int64_t first, int count,
                    std::int64_t k0, std::int64_t depth) const = 0;
  /// Part `part` of `parts` of what pack() with these arguments would read: the driver spreads the
  /// next panel's misses over the current panel's tiles. By default nothing, `idle` again and
  /// again.
  virtual Prefetch ahead(std::int64_t first, int count, std::int64_t k0, std::int64_t depth,
                         std::int64_t part, std::int64_t parts, const float* idle) const;
  /// How many steps of B to pack into all panels of a slice before going on. Few, if a step is a
  /// stretch of memory: long stretches are what hardware prefetchers follow.
  virtual std::int64_t steps_together() const { return kMaxDepth; }
  /// Which of A's two layouts pack() writes.
  virtual bool by_rows() const { return false; }
};

/// Where the rows of C go when they are not equally spaced.
class RowMap {
 public:
  virtual ~RowMap() = default;
  virtual float* row(std::int64_t m) const = 0;
};

struct GemmProblem {
  std::int64_t M = 0, N = 0, K = 0;
  const PanelSource* a = nullptr;
  const PanelSource* b = nullptr;
  float* c = nullptr;  ///< row m at c + m·ldc …
  std::int64_t ldc = 0;
  const RowMap* rows = nullptr;  ///< … unless this is given; then `accumulate` must be false
  bool accumulate = false;       ///< C += A·B; otherwise C is only written
  const float* bias = nullptr;   ///< [N], added to every row; may be null
  /// Up to this many rows, every task packs its own columns of B, into a cache that is warm;
  /// beyond, B is packed once for all. Worth more rows if A is cheap to pack several times.
  std::int64_t few_rows = 512;
  /// Allows cutting K into chunks that are summed apart when C is too small to share out. The
  /// chunks depend on M, N and K, so leave it off where rows must not depend on the number of rows.
  bool split_reduction = false;
};

/// C = A·B (+ C) (+ bias). K is cut into equal blocks of at most kMaxDepth steps (kMaxColumnDepth
/// if A is not by rows; a function of K and the layout alone); a sum runs through each block in
/// order and the blocks are added in order. The number of threads decides only who computes which
/// tile.
void run_gemm(const GemmProblem& problem);

/// A matrix in memory: line i, step p at data[i·ld + p], or data[p·ld + i] if `by_steps`.
class StridedMatrix final : public PanelSource {
 public:
  enum class Role { a, b };
  StridedMatrix(Role role, const float* data, std::int64_t ld, bool by_steps)
      : role_(role), data_(data), ld_(ld), by_steps_(by_steps) {}

  void pack(const GemmKernels& kernels, float* panel, std::int64_t first, int count,
            std::int64_t k0, std::int64_t depth) const override;
  Prefetch ahead(std::int64_t first, int count, std::int64_t k0, std::int64_t depth,
                 std::int64_t part, std::int64_t parts, const float* idle) const override;
  std::int64_t steps_together() const override { return by_steps_ ? 8 : kMaxDepth; }
  bool by_rows() const override { return !by_steps_; }

 private:
  Role role_;
  const float* data_;
  std::int64_t ld_;
  bool by_steps_;
};

}  // namespace intandem
