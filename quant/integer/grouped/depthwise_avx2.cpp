// One pixel of a depthwise convolution with AVX2: the codes of two taps are interleaved channel by
// channel, widened to 16 bits and multiplied by their pair of weights in one vpmaddwd, which gives
// the 32-bit sum of both products of 8 channels.
#include "quant/integer/grouped/depthwise_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/vectors_avx2.hpp"

namespace intandem {

void depthwise_pixel_avx2(const DepthwisePixel& p) {
  std::int64_t c = 0;
  for (; c + 16 <= p.channels; c += 16) {
    __m256i low = load(p.bias + c), high = load(p.bias + c + 8);
    for (std::int64_t i = 0; i < p.pairs; ++i) {
      const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p.taps[2 * i] + c));
      const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p.taps[2 * i + 1] + c));
      const std::int16_t* weights = p.weights + i * p.weight_stride + 2 * c;
      const __m256i first = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b));
      const __m256i second = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(first, load(weights)));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(second, load(weights + 16)));
    }
    store(p.acc + c, low);
    store(p.acc + c + 8, high);
  }
  for (; c < p.channels; ++c) {
    std::int32_t sum = p.bias[c];
    for (std::int64_t i = 0; i < p.pairs; ++i) {
      const std::int16_t* weight = p.weights + i * p.weight_stride + 2 * c;
      sum += std::int32_t{weight[0]} * std::int32_t{p.taps[2 * i][c]} +
             std::int32_t{weight[1]} * std::int32_t{p.taps[2 * i + 1][c]};
    }
    p.acc[c] = sum;
  }
}

}  // namespace intandem
#endif
