#include "core/gemm_f32.hpp"

#include <algorithm>
#include <cstring>

#include "core/dispatch.hpp"
#include "core/error.hpp"
#include "core/gemm_driver.hpp"

namespace intandem {

const GemmKernels& gemm_kernels() {
  static constexpr KernelRow<const GemmKernels*> kTable[] = {
#if defined(__x86_64__)
    {Isa::avx512, &kGemmKernels_avx512},
    {Isa::avx2, &kGemmKernels_avx2},
#endif
    {Isa::ref, &kGemmKernels_ref},
  };
  return *choose_kernel(kTable);
}

void StridedMatrix::pack(const GemmKernels& kernels, float* panel, std::int64_t first, int count,
                         std::int64_t k0, std::int64_t depth) const {
  if (role_ == Role::a) {
    if (by_steps_) {
      kernels.copy_block(panel, kernels.mr, data_ + k0 * ld_ + first, ld_, depth, count);
    } else {
      kernels.copy_block(panel, kRowPanelStride, data_ + first * ld_ + k0, ld_, count, depth);
    }
  } else if (by_steps_) {
    if (count < kernels.nr) {
      std::memset(panel, 0, static_cast<std::size_t>(depth * kernels.nr) * sizeof(float));
    }
    const float* from = data_ + k0 * ld_ + first;
    // The steps that are packed next: so many short stretches are more than hardware follows.
    for (std::int64_t p = depth; p < 2 * depth; ++p) {
      __builtin_prefetch(from + p * ld_);
      __builtin_prefetch(from + p * ld_ + kLineFloats);
    }
    kernels.copy_block(panel, kernels.nr, from, ld_, depth, count);
  } else {
    kernels.transpose_panel(panel, data_ + first * ld_ + k0, ld_, depth, count);
  }
}

Prefetch StridedMatrix::ahead(std::int64_t first, int count, std::int64_t k0, std::int64_t depth,
                              std::int64_t part, std::int64_t parts, const float*) const {
  constexpr std::int64_t kStepsPerRequest = 4;
  if (by_steps_) {
    const std::int64_t requests = depth / kStepsPerRequest;
    const std::int64_t p = std::min(part * depth / parts, depth - requests);
    return {data_ + (k0 + p) * ld_ + first, ld_, count - 1};
  }
  // Two rows per tile if there are too few tiles for one each.
  const std::int64_t rows = parts >= count ? 1 : 2;
  const std::int64_t row =
      std::clamp<std::int64_t>(part * count / parts, 0, std::max<std::int64_t>(0, count - rows));
  return {data_ + (first + row) * ld_ + k0, kStepsPerRequest, rows == 1 ? 0 : ld_};
}

Prefetch PanelSource::ahead(std::int64_t, int, std::int64_t, std::int64_t, std::int64_t,
                            std::int64_t, const float* idle) const {
  return {idle, 0, 0};
}

void gemm_f32(bool trans_a, bool trans_b, std::int64_t M, std::int64_t N, std::int64_t K,
              const float* A, std::int64_t lda, const float* B, std::int64_t ldb, float beta,
              float* C, std::int64_t ldc) {
  INTANDEM_CHECK(M >= 0 && N >= 0 && K >= 0, "a matrix product has a negative extent");
  INTANDEM_CHECK(beta == 0.0f || beta == 1.0f, "beta of a matrix product is neither 0 nor 1");
  const StridedMatrix a(StridedMatrix::Role::a, A, lda, trans_a);
  const StridedMatrix b(StridedMatrix::Role::b, B, ldb, !trans_b);
  GemmProblem problem;
  problem.M = M;
  problem.N = N;
  problem.K = K;
  problem.a = &a;
  problem.b = &b;
  problem.c = C;
  problem.ldc = ldc;
  problem.accumulate = beta == 1.0f;
  problem.few_rows = 2048;
  problem.split_reduction = true;
  run_gemm(problem);
}

}  // namespace intandem
