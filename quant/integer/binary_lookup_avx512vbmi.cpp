// One-bit products by table, on CPUs that look bytes up in a register (AVX512_VBMI) and multiply
// matrices of bits (GFNI): 6 codes × 8 channels × 64 pixels in 9 operations. A byte per pixel holds
// six codes. In how many places they differ from the weights of eight channels, 0 to 6, has three
// binary digits, a byte each, a bit a channel:
//
//     ones          = matrix × codes                    vgf2p8affineqb
//     twos, fours   = table[codes]                      two vpermb
//     sum, carry    = digit + a + b                     two vpternlogd: each full adder takes one
//                                                       word of 512 bits out of the addition
//
// Two ports: at most 683 products per cycle. See docs/kernels.md.
#include "quant/integer/binary_lookup_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace intandem {
namespace {

constexpr int kVectors = 2;        // counted at a time
constexpr int kRunningDigits = 7;  // ones, twos, fours … 64s, which the loop keeps in registers

/// low becomes the sum bit of low + a + b; the carry is returned.
[[gnu::always_inline]] inline __m512i full_add(__m512i& low, __m512i a, __m512i b) {
  low = _mm512_ternarylogic_epi32(low, a, b, 0x96);
  return _mm512_ternarylogic_epi32(a, b, low, 0xD4);
}

[[gnu::always_inline]] inline __m512i half_add(__m512i& low, __m512i a) {
  low = _mm512_xor_si512(low, a);
  return _mm512_andnot_si512(low, a);
}

/// Tables of `sextets` sextets: digits of (lower three codes) + (upper three), whose own digits are
/// packed for each of their eight values.
void build_tables(const std::uint8_t* weights, std::int64_t sextets, __m512i* tables) {
  // Byte e of a table is for codes e: its lower three bits choose a byte of eight that repeat, its
  // upper three one that is repeated eight times.
  const __m512i upper = _mm512_set_epi64(0x0707070707070707, 0x0606060606060606, 0x0505050505050505,
                                         0x0404040404040404, 0x0303030303030303, 0x0202020202020202,
                                         0x0101010101010101, 0);
  for (std::int64_t i = 0; i < sextets; ++i, weights += kSextetBytes, tables += 2) {
    const auto eight = [&](int at) {
      long long bytes;
      __builtin_memcpy(&bytes, weights + at, sizeof bytes);
      return _mm512_set1_epi64(bytes);
    };
    const __m512i sum = _mm512_permutexvar_epi8(upper, eight(24));
    const __m512i carry = _mm512_permutexvar_epi8(upper, eight(32));
    const __m512i low = eight(8), twos = eight(16);
    const __m512i both = _mm512_and_si512(sum, low);
    tables[0] = _mm512_ternarylogic_epi32(carry, twos, both, 0x96);
    tables[1] = _mm512_ternarylogic_epi32(carry, twos, both, 0xE8);
  }
}

/// Where the sextets of a chunk are.
struct Chunk {
  const std::uint8_t* codes;    ///< of the first vector's first pixel
  const std::int64_t* offsets;  ///< [sextets]
  const std::uint8_t* weights;
  const __m512i* tables;
};

/// Sums of P vectors of pixels at a time, because one alone would wait for its own carries.
template <int P>
class Counter {
 public:
  struct Word {
    __m512i v[P];
  };
  explicit Counter(const __m512i* digits) {
    for (int i = 0; i < kRunningDigits; ++i) {
      for (int p = 0; p < P; ++p) digit_[i].v[p] = digits[p * kCountDigits + i];
    }
  }
  void store(__m512i* digits) const {
    for (int i = 0; i < kRunningDigits; ++i) {
      for (int p = 0; p < P; ++p) digits[p * kCountDigits + i] = digit_[i].v[p];
    }
  }
  /// Adds N sextets from sextet `first` on, a power of two; what is returned counts 128.
  template <int N>
  [[gnu::always_inline]] Word add(const Chunk& chunk, std::int64_t first) {
    constexpr int kLevel = level(N);
    const Left left = add_part<N>(chunk, first);
    Word carry = add(kLevel + 1, left.a);
    carry = add(kLevel + 2, left.b, carry);
    carry = add(kLevel + 3, left.c, carry);
    for (int i = kLevel + 4; i < kRunningDigits; ++i) carry = add(i, carry);
    return carry;
  }

 private:
  /// Three words, each counting twice the one before.
  struct Left {
    Word a, b, c;
  };
  static constexpr int level(int N) { return N == 2 ? 0 : 1 + level(N / 2); }

  /// What is left of N sextets when as much as has a partner is added: N, 2·N and 4·N.
  template <int N>
  [[gnu::always_inline]] Left add_part(const Chunk& chunk, std::int64_t first) {
    constexpr int kLevel = level(N);
    Left left;
    if constexpr (N == 2) {
      const Word x = load(chunk, first), y = load(chunk, first + 1);
      const __m512i* const tables = chunk.tables + 2 * first;
      left.a = add(kLevel, parity(x, chunk, first), parity(y, chunk, first + 1));
      left.b = add(kLevel + 1, look_up(x, tables[0]), look_up(y, tables[2]));
      left.c = add(kLevel + 2, look_up(x, tables[1]), look_up(y, tables[3]));
    } else {
      const Left x = add_part<N / 2>(chunk, first), y = add_part<N / 2>(chunk, first + N / 2);
      left.a = add(kLevel, x.a, y.a);
      left.b = add(kLevel + 1, x.b, y.b);
      left.c = add(kLevel + 2, x.c, y.c);
    }
    return left;
  }
  [[gnu::always_inline]] static Word load(const Chunk& chunk, std::int64_t i) {
    Word codes;
    for (int p = 0; p < P; ++p) {
      codes.v[p] = _mm512_loadu_si512(chunk.codes + chunk.offsets[i] + p * kLookupPixels);
    }
    return codes;
  }
  [[gnu::always_inline]] static Word parity(const Word& codes, const Chunk& chunk, std::int64_t i) {
    long long matrix;
    __builtin_memcpy(&matrix, chunk.weights + i * kSextetBytes, sizeof matrix);
    Word digit;
    for (int p = 0; p < P; ++p) {
      digit.v[p] = _mm512_gf2p8affine_epi64_epi8(codes.v[p], _mm512_set1_epi64(matrix), 0);
    }
    return digit;
  }
  [[gnu::always_inline]] static Word look_up(const Word& codes, const __m512i& table) {
    Word digit;
    for (int p = 0; p < P; ++p) digit.v[p] = _mm512_permutexvar_epi8(codes.v[p], table);
    return digit;
  }
  [[gnu::always_inline]] Word add(int i, const Word& a, const Word& b) {
    Word carry;
    for (int p = 0; p < P; ++p) carry.v[p] = full_add(digit_[i].v[p], a.v[p], b.v[p]);
    return carry;
  }
  [[gnu::always_inline]] Word add(int i, const Word& a) {
    Word carry;
    for (int p = 0; p < P; ++p) carry.v[p] = half_add(digit_[i].v[p], a.v[p]);
    return carry;
  }

  Word digit_[kRunningDigits];
};

/// P vectors of pixels from vector v on: adds sextets `first` … `first + sextets` − 1.
template <int P>
void count_vectors(const BinaryLookup& c, std::int64_t v, std::int64_t first,
                   std::int64_t sextets) {
  const bool whole = c.sextets <= kTableSextets && c.bits != nullptr;
  auto* const digits = reinterpret_cast<__m512i*>(c.digits) + (whole ? 0 : v * kCountDigits);
  if (first == 0) {
    for (int i = 0; i < P * kCountDigits; ++i) digits[i] = _mm512_setzero_si512();
  }
  const Chunk chunk{c.codes + v * kLookupPixels, c.offsets + first,
                    c.weights + first * kSextetBytes, reinterpret_cast<const __m512i*>(c.tables)};
  constexpr int kCarries = kTableSextets / 8;
  typename Counter<P>::Word carries[kCarries];
  for (auto& carry : carries) {
    for (int p = 0; p < P; ++p) carry.v[p] = _mm512_setzero_si512();
  }
  Counter<P> counter(digits);
  std::int64_t i = 0;
  for (; i + 8 <= sextets; i += 8) carries[i / 8] = counter.template add<8>(chunk, i);
  if (i < sextets) carries[i / 8] = counter.template add<4>(chunk, i);
  counter.store(digits);
  for (int p = 0; p < P; ++p) {
    __m512i* const digit = digits + p * kCountDigits;
    int level = kRunningDigits;
    for (int count = kCarries; count > 1; count /= 2, ++level) {
      for (int j = 0; j < count / 2; ++j) {
        carries[j].v[p] = full_add(digit[level], carries[2 * j].v[p], carries[2 * j + 1].v[p]);
      }
    }
    for (; level < kCountDigits; ++level) carries[0].v[p] = half_add(digit[level], carries[0].v[p]);
    if (c.bits == nullptr || first + sextets < c.sextets) continue;
    // From the lowest digit up: less if the bound's digit is 1 and the count's 0, or if they are
    // equal and it was less; that is the majority of the bound, the inverted count and `less`.
    __m512i less = _mm512_setzero_si512();
    for (int j = 0; j < kCountDigits; ++j) {
      less = _mm512_ternarylogic_epi32(_mm512_set1_epi8(static_cast<char>(c.bounds[j])), digit[j],
                                       less, 0xB2);
    }
    _mm512_storeu_si512(c.bits + (v + p) * kLookupPixels, less);
  }
}

/// Bytes of eight vectors to the words of their pixels: byte i of a word is from x[i], and word w
/// of 128-bit lane l of y[i] is pixel 16·l + 2·i + w.
void interleave(const __m512i (&x)[8], __m512i (&y)[8]) {
  __m512i z[8];
  for (int i = 0; i < 4; ++i) {
    y[i] = _mm512_unpacklo_epi8(x[2 * i], x[2 * i + 1]);
    y[4 + i] = _mm512_unpackhi_epi8(x[2 * i], x[2 * i + 1]);
  }
  for (int half = 0; half < 8; half += 4) {
    for (int i = 0; i < 2; ++i) {
      z[half + i] = _mm512_unpacklo_epi16(y[half + 2 * i], y[half + 2 * i + 1]);
      z[half + 2 + i] = _mm512_unpackhi_epi16(y[half + 2 * i], y[half + 2 * i + 1]);
    }
  }
  for (int i = 0; i < 8; i += 2) {
    y[i] = _mm512_unpacklo_epi32(z[i], z[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(z[i], z[i + 1]);
  }
}

/// Digits 8·part … of every pixel, as the eight channels' bytes; pixels as interleave has them.
void channels_of_digits(const std::uint8_t* digits, int part, __m512i (&to)[8]) {
  // A word is a matrix, whose rows the matrix product below takes from the last byte to the first;
  // row k of the unit matrix picks bit k of each: a transposition.
  __m512i x[8];
  for (int i = 0; i < 8; ++i) {
    const int digit = 8 * part + 7 - i;
    x[i] = digit < kCountDigits ? _mm512_load_si512(digits + digit * kLookupPixels)
                                : _mm512_setzero_si512();
  }
  interleave(x, to);
  const __m512i unit = _mm512_set1_epi64(static_cast<long long>(0x8040201008040201));
  for (auto& y : to) y = _mm512_gf2p8affine_epi64_epi8(unit, y, 0);
}

}  // namespace

void lookup_count_avx512vbmi(const BinaryLookup& c) {
  for (std::int64_t first = 0; first < c.sextets; first += kTableSextets) {
    const std::int64_t rest = c.sextets - first;
    const std::int64_t sextets = rest < kTableSextets ? rest : kTableSextets;
    build_tables(c.weights + first * kSextetBytes, sextets, reinterpret_cast<__m512i*>(c.tables));
    std::int64_t v = 0;
    for (; v + kVectors <= c.vectors; v += kVectors) count_vectors<kVectors>(c, v, first, sextets);
    for (; v < c.vectors; ++v) count_vectors<1>(c, v, first, sextets);
  }
}

void lookup_sums_avx512vbmi(const std::uint8_t* digits, const std::int32_t* start,
                            std::int32_t* acc, std::int64_t stride) {
  static_assert(kCountDigits <= 16);
  __m512i low[8], high[8];
  channels_of_digits(digits, 0, low);
  channels_of_digits(digits, 1, high);
  const __m256i from = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(start));
  for (int i = 0; i < 8; ++i) {
    alignas(64) std::uint16_t counts[2][4][kOctet];
    _mm512_store_si512(counts[0], _mm512_unpacklo_epi8(low[i], high[i]));
    _mm512_store_si512(counts[1], _mm512_unpackhi_epi8(low[i], high[i]));
    for (int lane = 0; lane < 4; ++lane) {
      for (int w = 0; w < 2; ++w) {
        const __m256i count = _mm256_cvtepu16_epi32(
            _mm_load_si128(reinterpret_cast<const __m128i*>(counts[w][lane])));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(acc + (16 * lane + 2 * i + w) * stride),
                            _mm256_sub_epi32(from, count));
      }
    }
  }
}

void lookup_words_avx512vbmi(const std::uint8_t* bits, std::int64_t octets, std::int64_t vectors,
                             std::uint64_t* words) {
  for (std::int64_t v = 0; v < vectors; ++v, bits += kLookupPixels, words += kLookupPixels) {
    __m512i x[8], y[8];
    for (int i = 0; i < 8; ++i) {
      x[i] = i < octets ? _mm512_loadu_si512(bits + i * vectors * kLookupPixels)
                        : _mm512_setzero_si512();
    }
    interleave(x, y);
    for (int i = 0; i < 8; ++i) {
      for (int lane = 0; lane < 4; ++lane) {
        alignas(64) __m128i lanes[4];
        _mm512_store_si512(lanes, y[i]);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(words + 16 * lane + 2 * i), lanes[lane]);
      }
    }
  }
}

void lookup_codes_avx512vbmi(const std::uint64_t* words, std::int64_t pixels, std::uint8_t* codes,
                             std::int64_t stride, std::int64_t channels) {
  const __mmask64 real = channels >= 64 ? ~__mmask64{0} : (__mmask64{1} << channels) - 1;
  const __m512i one = _mm512_set1_epi8(1);
  if (channels == 64) {  // stores of whole vectors are quicker
    for (std::int64_t i = 0; i < pixels; ++i, codes += stride) {
      _mm512_storeu_si512(codes, _mm512_maskz_mov_epi8(_cvtu64_mask64(words[i]), one));
    }
    return;
  }
  for (std::int64_t i = 0; i < pixels; ++i, codes += stride) {
    _mm512_mask_storeu_epi8(codes, real, _mm512_maskz_mov_epi8(_cvtu64_mask64(words[i]), one));
  }
}

namespace {

// Eight sextets have 48 bits, so that 32 have three whole words.
constexpr std::int64_t kEightSextets = 8 * kSextet, kWords = 3, kWordBlock = 64 * kWords;

/// `words` [kWords + 1][64] hold the bits of up to 64 pixels; the last are zeros.
void words_to_sextets(const std::uint64_t (&words)[kWords + 1][kLookupPixels], std::int64_t pixels,
                      std::int64_t channels, std::uint8_t* planes, std::int64_t plane_bytes) {
  const __m512i fields = _mm512_set1_epi64(0x2A241E18120C0600);  // bits 0, 6, 12 … 42
  const __m512i one = _mm512_set1_epi8(1 << kSextet);
  alignas(64) std::uint8_t turned[64];
  for (int i = 0; i < 64; ++i) turned[i] = static_cast<std::uint8_t>(i % 8 * 8 + i / 8);
  const __m512i turn = _mm512_load_si512(turned);
  for (std::int64_t c = 0; c < channels; c += kEightSextets) {
    const __m128i down = _mm_cvtsi64_si128(c % 64), up = _mm_cvtsi64_si128(64 - c % 64);
    const std::int64_t rest = (channels - c + kSextet - 1) / kSextet;
    for (std::int64_t pixel = 0; pixel < pixels; pixel += 8) {
      // Eight sextets of each pixel, then eight pixels of each sextet.
      const std::uint64_t* const word = &words[c / 64][pixel];
      __m512i x = _mm512_or_si512(_mm512_srl_epi64(_mm512_load_si512(word), down),
                                  _mm512_sll_epi64(_mm512_load_si512(word + kLookupPixels), up));
      x = _mm512_permutexvar_epi8(turn, _mm512_multishift_epi64_epi8(fields, x));
      alignas(64) std::uint64_t sextets[8];
      _mm512_store_si512(sextets, _mm512_or_si512(x, one));
      std::uint8_t* plane = planes + c / kSextet * plane_bytes + pixel;
      for (std::int64_t i = 0; i < (rest < 8 ? rest : 8); ++i, plane += plane_bytes) {
        __builtin_memcpy(plane, &sextets[i], sizeof sextets[i]);
      }
    }
  }
}

}  // namespace

void lookup_pack_avx512vbmi(const std::uint8_t* codes, std::int64_t pixels, std::int64_t channels,
                            std::uint8_t* planes, std::int64_t plane_bytes) {
  // All bits of a block first: a vector cannot be read while its words are on their way to memory.
  alignas(64) std::uint64_t words[kWords + 1][kLookupPixels] = {};
  for (std::int64_t first = 0; first < channels; first += kWordBlock) {
    const std::int64_t rest = channels - first < kWordBlock ? channels - first : kWordBlock;
    for (std::int64_t pixel = 0; pixel < pixels; pixel += kLookupPixels) {
      const std::int64_t count = pixels - pixel < kLookupPixels ? pixels - pixel : kLookupPixels;
      for (std::int64_t c = 0; c < rest; c += 64) {
        const __mmask64 real = rest - c >= 64 ? ~__mmask64{0} : (__mmask64{1} << (rest - c)) - 1;
        const std::uint8_t* from = codes + pixel * channels + first + c;
        for (std::int64_t i = 0; i < count; ++i, from += channels) {
          const __m512i x = _mm512_maskz_loadu_epi8(real, from);
          words[c / 64][i] = _cvtmask64_u64(_mm512_test_epi8_mask(x, x));
        }
      }
      words_to_sextets(words, count, rest, planes + first / kSextet * plane_bytes + pixel,
                       plane_bytes);
    }
  }
}

}  // namespace intandem
#endif
