// Sixteen channels at a time; a remainder of channels is masked. Sums are kept in double.
#if defined(__x86_64__) && defined(__AVX512F__)
#if !defined(__clang__)  // GCC 12 warns about the undefined operands inside its own intrinsics
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include "nn/elementwise/kernels.hpp"

#define INLINE static inline __attribute__((always_inline))

namespace intandem {
namespace {

constexpr std::int64_t kLanes = 16;

INLINE __mmask16 lanes(std::int64_t left) {
  return left >= kLanes ? static_cast<__mmask16>(0xFFFF)
                        : static_cast<__mmask16>((1u << left) - 1u);
}

INLINE __m512d low(__m512 v) { return _mm512_cvtps_pd(_mm512_castps512_ps256(v)); }
INLINE __m512d high(__m512 v) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)); }

INLINE void store_sums(double* out, std::int64_t left, __m512d lo, __m512d hi) {
  const __mmask16 m = lanes(left);
  _mm512_mask_storeu_pd(out, static_cast<__mmask8>(m), lo);
  _mm512_mask_storeu_pd(out + 8, static_cast<__mmask8>(m >> 8), hi);
}

void moments(std::int64_t rows, std::int64_t C, const float* x, double* sum, double* sum_sq) {
  for (std::int64_t c = 0; c < C; c += kLanes) {
    const __mmask16 m = lanes(C - c);
    __m512d s_lo = _mm512_setzero_pd(), s_hi = s_lo, q_lo = s_lo, q_hi = s_lo;
    const float* p = x + c;
    for (std::int64_t row = 0; row < rows; ++row, p += C) {
      const __m512 v = _mm512_maskz_loadu_ps(m, p);
      const __m512d lo = low(v), hi = high(v);
      s_lo = _mm512_add_pd(s_lo, lo);
      s_hi = _mm512_add_pd(s_hi, hi);
      q_lo = _mm512_fmadd_pd(lo, lo, q_lo);
      q_hi = _mm512_fmadd_pd(hi, hi, q_hi);
    }
    store_sums(sum + c, C - c, s_lo, s_hi);
    store_sums(sum_sq + c, C - c, q_lo, q_hi);
  }
}

// max(0, ·) returns its second operand when that is NaN.
INLINE __m512 affine_at(__m512 v, const float* a, const float* b, __mmask16 m, bool relu) {
  const __m512 y = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, a), v, _mm512_maskz_loadu_ps(m, b));
  return relu ? _mm512_max_ps(_mm512_setzero_ps(), y) : y;
}

void affine(std::int64_t rows, std::int64_t C, const float* x, const float* a, const float* b,
            bool relu, float* y) {
  for (std::int64_t row = 0; row < rows; ++row, x += C, y += C) {
    for (std::int64_t c = 0; c < C; c += kLanes) {
      const __mmask16 m = lanes(C - c);
      _mm512_mask_storeu_ps(y + c, m,
                            affine_at(_mm512_maskz_loadu_ps(m, x + c), a + c, b + c, m, relu));
    }
  }
}

// dy where the ReLU was open, else 0.
INLINE __m512 masked(__m512 v, const float* dy, const float* a, const float* b, __mmask16 m,
                     bool relu) {
  if (!relu) return _mm512_maskz_loadu_ps(m, dy);
  const __m512 y = affine_at(v, a, b, m, false);
  return _mm512_maskz_loadu_ps(_mm512_mask_cmp_ps_mask(m, y, _mm512_setzero_ps(), _CMP_GT_OQ), dy);
}

void affine_moments(std::int64_t rows, std::int64_t C, const float* x, const float* dy,
                    const float* a, const float* b, bool relu, double* sum, double* sum_x) {
  for (std::int64_t c = 0; c < C; c += kLanes) {
    const __mmask16 m = lanes(C - c);
    __m512d s_lo = _mm512_setzero_pd(), s_hi = s_lo, q_lo = s_lo, q_hi = s_lo;
    for (std::int64_t row = 0; row < rows; ++row) {
      const __m512 v = _mm512_maskz_loadu_ps(m, x + row * C + c);
      const __m512 g = masked(v, dy + row * C + c, a + c, b + c, m, relu);
      const __m512d lo = low(g), hi = high(g);
      s_lo = _mm512_add_pd(s_lo, lo);
      s_hi = _mm512_add_pd(s_hi, hi);
      q_lo = _mm512_fmadd_pd(lo, low(v), q_lo);
      q_hi = _mm512_fmadd_pd(hi, high(v), q_hi);
    }
    store_sums(sum + c, C - c, s_lo, s_hi);
    store_sums(sum_x + c, C - c, q_lo, q_hi);
  }
}

void affine_backward(std::int64_t rows, std::int64_t C, const float* x, const float* dy,
                     const float* a, const float* b, bool relu, const float* p, const float* q,
                     const float* r, float* dx) {
  for (std::int64_t row = 0; row < rows; ++row, x += C, dy += C, dx += C) {
    for (std::int64_t c = 0; c < C; c += kLanes) {
      const __mmask16 m = lanes(C - c);
      const __m512 v = _mm512_maskz_loadu_ps(m, x + c);
      const __m512 g = masked(v, dy + c, a + c, b + c, m, relu);
      const __m512 t = affine_at(v, q + c, r + c, m, false);
      _mm512_mask_storeu_ps(dx + c, m, _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, p + c), g, t));
    }
  }
}

// Pools y = a·x + b, or x itself if a is null. chosen_x and argmax may be null.
INLINE void pool_row(const PoolShape& shape, std::int64_t kernel, const float* x, const float* a,
                     const float* b, bool relu, float* y, float* chosen_x, std::uint8_t* argmax) {
  const std::int64_t C = shape.C;
  for (std::int64_t q = 0; q < shape.Q; ++q) {
    for (std::int64_t c = 0; c < C; c += kLanes) {
      const __mmask16 m = lanes(C - c);
      const float* window = x + q * shape.stride * C + c;
      __m512 best_x = _mm512_maskz_loadu_ps(m, window);
      __m512 best = a == nullptr ? best_x : affine_at(best_x, a + c, b + c, m, relu);
      __m512i index = _mm512_setzero_si512();
      for (std::int64_t r = 0; r < kernel; ++r) {
        for (std::int64_t s = 0; s < kernel; ++s) {
          const __m512 v = _mm512_maskz_loadu_ps(m, window + (r * shape.W + s) * C);
          const __m512 value = a == nullptr ? v : affine_at(v, a + c, b + c, m, relu);
          const __mmask16 larger = _mm512_cmp_ps_mask(value, best, _CMP_GT_OQ);
          best = _mm512_mask_mov_ps(best, larger, value);
          best_x = _mm512_mask_mov_ps(best_x, larger, v);
          index = _mm512_mask_mov_epi32(index, larger,
                                        _mm512_set1_epi32(static_cast<int>(r * kernel + s)));
        }
      }
      const std::int64_t at = q * C + c;
      _mm512_mask_storeu_ps(y + at, m, best);
      if (chosen_x != nullptr) _mm512_mask_storeu_ps(chosen_x + at, m, best_x);
      if (argmax != nullptr) _mm512_mask_cvtepi32_storeu_epi8(argmax + at, m, index);
    }
  }
}

void affine_pool_row(const PoolShape& shape, const float* x, const float* a, const float* b,
                     bool relu, float* y, float* chosen_x, std::uint8_t* argmax) {
  if (shape.kernel == 2) {
    pool_row(shape, 2, x, a, b, relu, y, chosen_x, argmax);
  } else if (shape.kernel == 3) {
    pool_row(shape, 3, x, a, b, relu, y, chosen_x, argmax);
  } else {
    pool_row(shape, shape.kernel, x, a, b, relu, y, chosen_x, argmax);
  }
}

void max_pool_row(const PoolShape& shape, const float* x, float* y, std::uint8_t* argmax) {
  if (shape.kernel == 2) {
    pool_row(shape, 2, x, nullptr, nullptr, false, y, nullptr, argmax);
  } else if (shape.kernel == 3) {
    pool_row(shape, 3, x, nullptr, nullptr, false, y, nullptr, argmax);
  } else {
    pool_row(shape, shape.kernel, x, nullptr, nullptr, false, y, nullptr, argmax);
  }
}

// The windows [first, end) of one axis that cover position i.
struct Cover {
  std::int64_t first, end;
};

INLINE Cover cover(std::int64_t i, std::int64_t kernel, std::int64_t stride, std::int64_t windows) {
  const std::int64_t end = i / stride + 1;
  return {i < kernel ? 0 : (i - kernel) / stride + 1, end < windows ? end : windows};
}

// cover(i) from cover(i − 1), without its divisions.
INLINE Cover advanced(Cover last, std::int64_t i, std::int64_t kernel, std::int64_t stride,
                      std::int64_t windows) {
  last.first += last.first * stride + kernel <= i;
  last.end += last.end < windows && last.end * stride <= i;
  return last;
}

// What the windows that chose input (h, w), channels c …, send back to it.
INLINE __m512 gathered(const PoolShape& shape, std::int64_t h, std::int64_t w, std::int64_t c,
                       Cover rows, Cover columns, const float* dy, const std::uint8_t* argmax) {
  const __mmask16 m = lanes(shape.C - c);
  __m512 sum = _mm512_setzero_ps();
  for (std::int64_t p = rows.first; p < rows.end; ++p) {
    for (std::int64_t q = columns.first; q < columns.end; ++q) {
      const std::int64_t at = (p * shape.Q + q) * shape.C + c;
      const std::int64_t here = (h - p * shape.stride) * shape.kernel + w - q * shape.stride;
      const __mmask16 chosen = _mm_mask_cmpeq_epi8_mask(m, _mm_maskz_loadu_epi8(m, argmax + at),
                                                        _mm_set1_epi8(static_cast<char>(here)));
      sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(chosen, dy + at));
    }
  }
  return sum;
}

void max_pool_backward_row(const PoolShape& shape, std::int64_t h, const float* dy,
                           const std::uint8_t* argmax, float* dx) {
  const Cover rows = cover(h, shape.kernel, shape.stride, shape.P);
  Cover columns = {0, 0};
  for (std::int64_t w = 0; w < shape.W; ++w, dx += shape.C) {
    columns = advanced(columns, w, shape.kernel, shape.stride, shape.Q);
    for (std::int64_t c = 0; c < shape.C; c += kLanes) {
      _mm512_mask_storeu_ps(dx + c, lanes(shape.C - c),
                            gathered(shape, h, w, c, rows, columns, dy, argmax));
    }
  }
}

void affine_pool_backward_row(const PoolShape& shape, std::int64_t h, const float* dy,
                              const std::uint8_t* argmax, const float* x, const float* a,
                              const float* b, bool relu, const float* p, const float* q,
                              const float* r, float* dx) {
  const Cover rows = cover(h, shape.kernel, shape.stride, shape.P);
  Cover columns = {0, 0};
  for (std::int64_t w = 0; w < shape.W; ++w, x += shape.C, dx += shape.C) {
    columns = advanced(columns, w, shape.kernel, shape.stride, shape.Q);
    for (std::int64_t c = 0; c < shape.C; c += kLanes) {
      const __mmask16 m = lanes(shape.C - c);
      const __m512 v = _mm512_maskz_loadu_ps(m, x + c);
      __m512 g = gathered(shape, h, w, c, rows, columns, dy, argmax);
      if (relu) {
        const __m512 y = affine_at(v, a + c, b + c, m, false);
        g = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_GT_OQ), g);
      }
      const __m512 t = affine_at(v, q + c, r + c, m, false);
      _mm512_mask_storeu_ps(dx + c, m, _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, p + c), g, t));
    }
  }
}

void sgd(std::int64_t n, const SgdCoefficients& k, const float* g, float* v, float* w) {
  const __m512 momentum = _mm512_set1_ps(k.momentum), decay = _mm512_set1_ps(k.decay);
  const __m512 grad_scale = _mm512_set1_ps(k.grad_scale), minus_lr = _mm512_set1_ps(-k.lr);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const __mmask16 m = lanes(n - i);
    const __m512 weight = _mm512_maskz_loadu_ps(m, w + i);
    const __m512 gradient =
        _mm512_fmadd_ps(grad_scale, _mm512_maskz_loadu_ps(m, g + i), _mm512_mul_ps(decay, weight));
    const __m512 velocity = _mm512_fmadd_ps(momentum, _mm512_maskz_loadu_ps(m, v + i), gradient);
    const __m512 step = k.nesterov ? _mm512_fmadd_ps(momentum, velocity, gradient) : velocity;
    _mm512_mask_storeu_ps(v + i, m, velocity);
    _mm512_mask_storeu_ps(w + i, m, _mm512_fmadd_ps(minus_lr, step, weight));
  }
}

}  // namespace

const ElementwiseKernels kElementwiseAvx512 = {
    moments,
    affine,
    affine_moments,
    affine_backward,
    max_pool_row,
    max_pool_backward_row,
    affine_pool_row,
    affine_pool_backward_row,
    sgd,
};

}  // namespace intandem
#endif
