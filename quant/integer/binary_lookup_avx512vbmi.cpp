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

constexpr int kRunningDigits = 7;  // ones, twos, fours … 64s: those of every turn
static_assert(kDigitWords == 2 * kCountDigits - kRunningDigits);
static_assert(kMostSextets < 8 << (kCountDigits - kRunningDigits));
static_assert(kSextet * kMostSextets < 1 << kCountDigits);

/// low becomes the sum bit of low + a + b; the carry is returned.
[[gnu::always_inline]] inline __m512i full_add(__m512i& low, __m512i a, __m512i b) {
  low = _mm512_ternarylogic_epi32(low, a, b, 0x96);
  return _mm512_ternarylogic_epi32(a, b, low, 0xD4);
}

[[gnu::always_inline]] inline __m512i half_add(__m512i& low, __m512i a) {
  low = _mm512_xor_si512(low, a);
  return _mm512_andnot_si512(low, a);
}

/// Eight bytes, and eight times the same eight bytes.
[[gnu::always_inline]] inline __m512i eight_bytes(const std::uint8_t* from) {
  long long bytes;
  __builtin_memcpy(&bytes, from, sizeof bytes);
  return _mm512_set1_epi64(bytes);
}

/// The twos and the fours of a sextet: those of (lower three codes) + (upper three).
[[gnu::always_inline]] inline void make_tables(const std::uint8_t* weights, __m512i& twos,
                                               __m512i& fours) {
  // Byte e of a table is for codes e: its lower three bits choose a byte of eight that repeat, its
  // upper three one that is repeated eight times.
  const __m512i upper = _mm512_set_epi64(0x0707070707070707, 0x0606060606060606, 0x0505050505050505,
                                         0x0404040404040404, 0x0303030303030303, 0x0202020202020202,
                                         0x0101010101010101, 0);
  const __m512i one = _mm512_permutexvar_epi8(upper, eight_bytes(weights + 24));
  const __m512i two = _mm512_permutexvar_epi8(upper, eight_bytes(weights + 32));
  const __m512i both = _mm512_and_si512(one, eight_bytes(weights + 8));
  const __m512i lower_two = eight_bytes(weights + 16);
  twos = _mm512_ternarylogic_epi32(two, lower_two, both, 0x96);
  fours = _mm512_ternarylogic_epi32(two, lower_two, both, 0xE8);
}

/// N sextets of a window, a power of two, whose tables stay in registers.
template <int N>
class Turn {
 public:
  [[gnu::always_inline]] Turn(const std::int64_t* offsets, const std::uint8_t* weights)
      : offsets_(offsets), weights_(weights) {
    for (int i = 0; i < N; ++i) make_tables(weights + i * kSextetBytes, twos_[i], fours_[i]);
  }
  /// Adds those of a vector of pixels to its digits 0 … 6; the carry counts 128.
  [[gnu::always_inline]] __m512i add(const std::uint8_t* codes, __m512i* digit) const {
    constexpr int kLevel = level(N);
    const Left left = add_part<N>(codes, 0, digit);
    __m512i carry = half_add(digit[kLevel + 1], left.a);
    carry = full_add(digit[kLevel + 2], left.b, carry);
    carry = full_add(digit[kLevel + 3], left.c, carry);
    for (int i = kLevel + 4; i < kRunningDigits; ++i) carry = half_add(digit[i], carry);
    return carry;
  }

 private:
  /// Three words, each counting twice the one before.
  struct Left {
    __m512i a, b, c;
  };
  static constexpr int level(int count) { return count == 2 ? 0 : 1 + level(count / 2); }

  /// What is left of some sextets when as much as has a partner is added: kCount, 2·kCount and
  /// 4·kCount.
  template <int kCount>
  [[gnu::always_inline]] Left add_part(const std::uint8_t* codes, int first, __m512i* digit) const {
    constexpr int kLevel = level(kCount);
    Left left;
    if constexpr (kCount == 2) {
      const __m512i x = _mm512_loadu_si512(codes + offsets_[first]);
      const __m512i y = _mm512_loadu_si512(codes + offsets_[first + 1]);
      left.a = full_add(digit[0], ones(x, first), ones(y, first + 1));
      left.b = full_add(digit[1], _mm512_permutexvar_epi8(x, twos_[first]),
                        _mm512_permutexvar_epi8(y, twos_[first + 1]));
      left.c = full_add(digit[2], _mm512_permutexvar_epi8(x, fours_[first]),
                        _mm512_permutexvar_epi8(y, fours_[first + 1]));
    } else {
      const Left x = add_part<kCount / 2>(codes, first, digit);
      const Left y = add_part<kCount / 2>(codes, first + kCount / 2, digit);
      left.a = full_add(digit[kLevel], x.a, y.a);
      left.b = full_add(digit[kLevel + 1], x.b, y.b);
      left.c = full_add(digit[kLevel + 2], x.c, y.c);
    }
    return left;
  }
  [[gnu::always_inline]] __m512i ones(__m512i codes, int i) const {
    __m512i matrix = eight_bytes(weights_ + i * kSextetBytes);
    // Not as an operand in memory: clang 14 gives this instruction eight times the distance then.
    asm("" : "+v"(matrix));
    return _mm512_gf2p8affine_epi64_epi8(codes, matrix, 0);
  }

  const std::int64_t* offsets_;
  const std::uint8_t* weights_;
  __m512i twos_[N], fours_[N];
};

/// Turn number `turn`, N sextets from `first` on, for all vectors. Digits from kRunningDigits on: a
/// carry waits for the next one, and the two go up together, as the bits of `turn` do when it
/// grows.
template <int N>
void run_turn(const BinaryLookup& c, std::int64_t first, std::int64_t turn) {
  const Turn<N> sextets(c.offsets + first, c.weights + first * kSextetBytes);
  const int pairs = __builtin_ctzll(~static_cast<unsigned long long>(turn));
  const std::uint8_t* codes = c.codes;
  auto* digit = reinterpret_cast<__m512i*>(c.digits);
  for (std::int64_t v = 0; v < c.vectors; ++v, codes += kLookupPixels, digit += kDigitWords) {
    __m512i running[kRunningDigits];
    for (int i = 0; i < kRunningDigits; ++i) running[i] = digit[i];
    __m512i carry = sextets.add(codes, running);
    for (int i = 0; i < kRunningDigits; ++i) digit[i] = running[i];
    __m512i* const waiting = digit + kCountDigits;
    for (int i = 0; i < pairs; ++i) {
      carry = full_add(digit[kRunningDigits + i], waiting[i], carry);
    }
    waiting[pairs] = carry;
  }
}

/// The carries that still wait after `turns` turns.
void add_waiting(__m512i* digit, std::int64_t turns) {
  const __m512i* const waiting = digit + kCountDigits;
  __m512i carry = _mm512_setzero_si512();
  for (int i = 0; i < kCountDigits - kRunningDigits; ++i) {
    __m512i& low = digit[kRunningDigits + i];
    carry = turns >> i & 1 ? full_add(low, waiting[i], carry) : half_add(low, carry);
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
  auto* const digits = reinterpret_cast<__m512i*>(c.digits);
  for (std::int64_t i = 0; i < c.vectors * kDigitWords; ++i) digits[i] = _mm512_setzero_si512();
  std::int64_t turns = 0, first = 0;
  for (; first + 8 <= c.sextets; first += 8) run_turn<8>(c, first, turns++);
  if (first < c.sextets) run_turn<4>(c, first, turns++);
  for (std::int64_t v = 0; v < c.vectors; ++v) {
    __m512i* const digit = digits + v * kDigitWords;
    add_waiting(digit, turns);
    if (c.bits == nullptr) continue;
    // From the lowest digit up: less if the bound's digit is 1 and the count's 0, or if they are
    // equal and it was less; that is the majority of the bound, the inverted count and `less`.
    __m512i less = _mm512_setzero_si512();
    for (int i = 0; i < kCountDigits; ++i) {
      const __m512i bound = _mm512_set1_epi8(static_cast<char>(c.bounds[i]));
      less = _mm512_ternarylogic_epi32(bound, digit[i], less, 0xB2);
    }
    _mm512_storeu_si512(c.bits + v * kLookupPixels, less);
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

// Eight sextets have 48 bits, so that 32 have three whole words. The fourth is read, but not used.
constexpr std::int64_t kEightSextets = 8 * kSextet, kWords = 3, kWordBlock = 64 * kWords;

/// Up to 64 pixels of up to 192 channels, whose bits are in as many of the words as they need.
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
