// Single-precision matrix product, the workhorse of training.
#pragma once

#include <cstdint>

namespace intandem {

/// C = op(A)·op(B) + beta·C, row-major, op(X) = X or its transpose. op(A) is M×K with leading
/// dimension lda of the *stored* matrix, op(B) K×N, C M×N. beta is 0 or 1; with 0, C may hold
/// anything, NaN included. K = 0 gives beta·C. Extents are ≥ 0.
/// The summation order depends on M, N, K and the ISA, never on the number of threads. If every
/// product and every partial sum is an integer of magnitude below 2²⁴ the result is exact.
void gemm_f32(bool trans_a, bool trans_b, std::int64_t M, std::int64_t N, std::int64_t K,
              const float* A, std::int64_t lda, const float* B, std::int64_t ldb, float beta,
              float* C, std::int64_t ldc);

}  // namespace intandem
