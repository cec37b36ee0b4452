// Eight channels at a time; a remainder of channels is masked. Sums are kept in double.
#if defined(__x86_64__) && defined(__AVX2__)
#include <immintrin.h>

#include "nn/elementwise/kernels.hpp"

#define INLINE static inline __attribute__((always_inline))

namespace intandem {
namespace {

constexpr std::int64_t kLanes = 8;

// All ones in the first min(left, 8) lanes.
INLINE __m256i lanes(std::int64_t left) {
  const int count = left >= kLanes ? static_cast<int>(kLanes) : static_cast<int>(left);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE __m256 load(const float* p, std::int64_t left) {
  return left >= kLanes ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, lanes(left));
}
INLINE void store(float* p, std::int64_t left, __m256 v) {
  if (left >= kLanes) {
    _mm256_storeu_ps(p, v);
  } else {
    _mm256_maskstore_ps(p, lanes(left), v);
  }
}

INLINE __m256d low(__m256 v) { return _mm256_cvtps_pd(_mm256_castps256_ps128(v)); }
INLINE __m256d high(__m256 v) { return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)); }

INLINE void store_sums(double* out, std::int64_t left, __m256d lo, __m256d hi) {
  double sums[kLanes];
  _mm256_storeu_pd(sums, lo);
  _mm256_storeu_pd(sums + 4, hi);
  for (std::int64_t i = 0; i < kLanes && i < left; ++i) out[i] = sums[i];
}

void moments(std::int64_t rows, std::int64_t C, const float* x, double* sum, double* sum_sq) {
  for (std::int64_t c = 0; c < C; c += kLanes) {
    __m256d s_lo = _mm256_setzero_pd(), s_hi = s_lo, q_lo = s_lo, q_hi = s_lo;
    const float* p = x + c;
    for (std::int64_t row = 0; row < rows; ++row, p += C) {
      const __m256 v = load(p, C - c);
      const __m256d lo = low(v), hi = high(v);
      s_lo = _mm256_add_pd(s_lo, lo);
      s_hi = _mm256_add_pd(s_hi, hi);
      q_lo = _mm256_fmadd_pd(lo, lo, q_lo);
      q_hi = _mm256_fmadd_pd(hi, hi, q_hi);
    }
    store_sums(sum + c, C - c, s_lo, s_hi);
    store_sums(sum_sq + c, C - c, q_lo, q_hi);
  }
}

// max(0, ·) returns its second operand when that is NaN.
INLINE __m256 affine_at(__m256 v, const float* a, const float* b, std::int64_t left, bool relu) {
  const __m256 y = _mm256_fmadd_ps(load(a, left), v, load(b, left));
  return relu ? _mm256_max_ps(_mm256_setzero_ps(), y) : y;
}

void affine(std::int64_t rows, std::int64_t C, const float* x, const float* a, const float* b,
            bool relu, float* y) {
  for (std::int64_t row = 0; row < rows; ++row, x += C, y += C) {
    for (std::int64_t c = 0; c < C; c += kLanes) {
      store(y + c, C - c, affine_at(load(x + c, C - c), a + c, b + c, C - c, relu));
    }
  }
}

// dy where the ReLU was open, else 0.
INLINE __m256 masked(__m256 v, const float* dy, const float* a, const float* b, std::int64_t left,
                     bool relu) {
  const __m256 g = load(dy, left);
  if (!relu) return g;
  const __m256 y = affine_at(v, a, b, left, false);
  return _mm256_and_ps(g, _mm256_cmp_ps(y, _mm256_setzero_ps(), _CMP_GT_OQ));
}

void affine_moments(std::int64_t rows, std::int64_t C, const float* x, const float* dy,
                    const float* a, const float* b, bool relu, double* sum, double* sum_x) {
  for (std::int64_t c = 0; c < C; c += kLanes) {
    const std::int64_t left = C - c;
    __m256d s_lo = _mm256_setzero_pd(), s_hi = s_lo, q_lo = s_lo, q_hi = s_lo;
    for (std::int64_t row = 0; row < rows; ++row) {
      const __m256 v = load(x + row * C + c, left);
      const __m256 g = masked(v, dy + row * C + c, a + c, b + c, left, relu);
      const __m256d lo = low(g), hi = high(g);
      s_lo = _mm256_add_pd(s_lo, lo);
      s_hi = _mm256_add_pd(s_hi, hi);
      q_lo = _mm256_fmadd_pd(lo, low(v), q_lo);
      q_hi = _mm256_fmadd_pd(hi, high(v), q_hi);
    }
    store_sums(sum + c, left, s_lo, s_hi);
    store_sums(sum_x + c, left, q_lo, q_hi);
  }
}

void affine_backward(std::int64_t rows, std::int64_t C, const float* x, const float* dy,
                     const float* a, const float* b, bool relu, const float* p, const float* q,
                     const float* r, float* dx) {
  for (std::int64_t row = 0; row < rows; ++row, x += C, dy += C, dx += C) {
    for (std::int64_t c = 0; c < C; c += kLanes) {
      const std::int64_t left = C - c;
      const __m256 v = load(x + c, left);
      const __m256 g = masked(v, dy + c, a + c, b + c, left, relu);
      const __m256 t = affine_at(v, q + c, r + c, left, false);
      store(dx + c, left, _mm256_fmadd_ps(load(p + c, left), g, t));
    }
  }
}

INLINE void store_bytes(std::uint8_t* out, std::int64_t left, __m256i v) {
  const __m256i words = _mm256_packus_epi32(v, v);
  const __m256i bytes = _mm256_packus_epi16(words, words);
  // Each half holds its four bytes in its first lane.
  const auto first = static_cast<std::uint32_t>(_mm256_extract_epi32(bytes, 0));
  const auto second = static_cast<std::uint32_t>(_mm256_extract_epi32(bytes, 4));
  const std::uint64_t all = first | static_cast<std::uint64_t>(second) << 32;
  if (left >= kLanes) {
    __builtin_memcpy(out, &all, 8);
  } else {
    for (std::int64_t i = 0; i < left; ++i) out[i] = static_cast<std::uint8_t>(all >> (8 * i));
  }
}

INLINE __m256i load_bytes(const std::uint8_t* p, std::int64_t left) {
  std::uint64_t all = 0;
  if (left >= kLanes) {
    __builtin_memcpy(&all, p, 8);
  } else {
    for (std::int64_t i = 0; i < left; ++i) all |= static_cast<std::uint64_t>(p[i]) << (8 * i);
  }
  return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(all)));
}

// Pools y = a·x + b, or x itself if a is null. chosen_x and argmax may be null.
INLINE void pool_row(const PoolShape& shape, std::int64_t kernel, const float* x, const float* a,
                     const float* b, bool relu, float* y, float* chosen_x, std::uint8_t* argmax) {
  const std::int64_t C = shape.C;
  for (std::int64_t q = 0; q < shape.Q; ++q) {
    for (std::int64_t c = 0; c < C; c += kLanes) {
      const std::int64_t left = C - c, at = q * C + c;
      const float* window = x + q * shape.stride * C + c;
      __m256 best_x = load(window, left);
      __m256 best = a == nullptr ? best_x : affine_at(best_x, a + c, b + c, left, relu);
      __m256 index = _mm256_setzero_ps();  // the bits of 32-bit integers
      for (std::int64_t r = 0; r < kernel; ++r) {
        for (std::int64_t s = 0; s < kernel; ++s) {
          const __m256 v = load(window + (r * shape.W + s) * C, left);
          const __m256 value = a == nullptr ? v : affine_at(v, a + c, b + c, left, relu);
          const __m256 larger = _mm256_cmp_ps(value, best, _CMP_GT_OQ);
          const __m256i here = _mm256_set1_epi32(static_cast<int>(r * kernel + s));
          best = _mm256_blendv_ps(best, value, larger);
          best_x = _mm256_blendv_ps(best_x, v, larger);
          index = _mm256_blendv_ps(index, _mm256_castsi256_ps(here), larger);
        }
      }
      store(y + at, left, best);
      if (chosen_x != nullptr) store(chosen_x + at, left, best_x);
      if (argmax != nullptr) store_bytes(argmax + at, left, _mm256_castps_si256(index));
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
INLINE __m256 gathered(const PoolShape& shape, std::int64_t h, std::int64_t w, std::int64_t c,
                       Cover rows, Cover columns, const float* dy, const std::uint8_t* argmax) {
  const std::int64_t left = shape.C - c;
  __m256 sum = _mm256_setzero_ps();
  for (std::int64_t p = rows.first; p < rows.end; ++p) {
    for (std::int64_t q = columns.first; q < columns.end; ++q) {
      const std::int64_t at = (p * shape.Q + q) * shape.C + c;
      const std::int64_t here = (h - p * shape.stride) * shape.kernel + w - q * shape.stride;
      const __m256i chosen = _mm256_cmpeq_epi32(load_bytes(argmax + at, left),
                                                _mm256_set1_epi32(static_cast<int>(here)));
      sum = _mm256_add_ps(sum, _mm256_and_ps(load(dy + at, left), _mm256_castsi256_ps(chosen)));
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
      store(dx + c, shape.C - c, gathered(shape, h, w, c, rows, columns, dy, argmax));
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
      const std::int64_t left = shape.C - c;
      const __m256 v = load(x + c, left);
      __m256 g = gathered(shape, h, w, c, rows, columns, dy, argmax);
      if (relu) {
        const __m256 y = affine_at(v, a + c, b + c, left, false);
        g = _mm256_and_ps(g, _mm256_cmp_ps(y, _mm256_setzero_ps(), _CMP_GT_OQ));
      }
      const __m256 t = affine_at(v, q + c, r + c, left, false);
      store(dx + c, left, _mm256_fmadd_ps(load(p + c, left), g, t));
    }
  }
}

void sgd(std::int64_t n, const SgdCoefficients& k, const float* g, float* v, float* w) {
  const __m256 momentum = _mm256_set1_ps(k.momentum), decay = _mm256_set1_ps(k.decay);
  const __m256 grad_scale = _mm256_set1_ps(k.grad_scale), minus_lr = _mm256_set1_ps(-k.lr);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t left = n - i;
    const __m256 weight = load(w + i, left);
    const __m256 gradient =
        _mm256_fmadd_ps(grad_scale, load(g + i, left), _mm256_mul_ps(decay, weight));
    const __m256 velocity = _mm256_fmadd_ps(momentum, load(v + i, left), gradient);
    const __m256 step = k.nesterov ? _mm256_fmadd_ps(momentum, velocity, gradient) : velocity;
    store(v + i, left, velocity);
    store(w + i, left, _mm256_fmadd_ps(minus_lr, step, weight));
  }
}

}  // namespace

const ElementwiseKernels kElementwiseAvx2 = {
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
