#include "quant/export/c_runtime.hpp"

namespace intandem {
namespace {

constexpr const char* kTypes = R"(
/* Compilers may make a call of memcpy out of a loop that copies bytes; not out of one with this. */
#if defined(__GNUC__)
#define NO_MEMCPY() __asm__ volatile("")
#else
#define NO_MEMCPY() ((void)0)
#endif

/* Output channel k of a layer multiplies the codes of a window with row k of the weights:
   weight = low + step * field, the fields being unsigned numbers of as many bits as the weights
   have, from the lowest bit of a byte on. Sums are taken modulo 2^32; what comes out fits int32. */
typedef struct {
  const uint8_t *weights;  /* [K][row_bytes] */
  const int32_t *bias;     /* [K]; 0: none */
  const uint8_t *pad_code; /* [C], the codes outside the input */
  const uint16_t *m;       /* Q5, one or with per_channel [K]; 0: the layer gives logits */
  const uint8_t *n;
  const int32_t *add_m; /* Q6, as many; 0: no shortcut */
  uint32_t (*dot)(const uint8_t *weights, const uint8_t *codes, uint32_t count); /* 0: a sum */
  uint32_t row_bytes, step;
  int32_t low;
  uint32_t H, W, C, K, R, S, P, Q; /* input H x W x C, window R x S, output P x Q x K */
  uint32_t groups, stride, pad;
  uint32_t pool_kernel, pool_stride, pool_P, pool_Q; /* max-pool; without: 1, 1, P, Q */
  uint32_t per_channel, max_code;
  int32_t zero_point, add_zero; /* Q17, Q18 */
} layer;

typedef struct {
  uint32_t first, end;
} range;
)";

// Whole bytes of fields first, then what is left of the last byte.
constexpr const char* kDot1 = R"(
static uint32_t dot_1(const uint8_t *weights, const uint8_t *codes, uint32_t count) {
  uint32_t sum = 0, byte = 0, i;
  for (i = 0; i < count; ++i, byte >>= 1) {
    if (i % 8 == 0) byte = *weights++;
    sum += (0u - (byte & 1u)) & codes[i];
  }
  return sum;
}
)";

constexpr const char* kDot2 = R"(
static uint32_t dot_2(const uint8_t *weights, const uint8_t *codes, uint32_t count) {
  uint32_t sum = 0, byte;
  for (; count >= 4; count -= 4, codes += 4) {
    byte = *weights++;
    sum += (byte & 3u) * codes[0] + (byte >> 2 & 3u) * codes[1] + (byte >> 4 & 3u) * codes[2] +
           (byte >> 6) * codes[3];
  }
  for (byte = count > 0 ? *weights : 0u; count > 0; --count, byte >>= 2) {
    sum += (byte & 3u) * *codes++;
  }
  return sum;
}
)";

constexpr const char* kDot4 = R"(
static uint32_t dot_4(const uint8_t *weights, const uint8_t *codes, uint32_t count) {
  uint32_t sum = 0, byte;
  for (; count >= 2; count -= 2, codes += 2) {
    byte = *weights++;
    sum += (byte & 15u) * codes[0] + (byte >> 4) * codes[1];
  }
  if (count > 0) sum += (*weights & 15u) * *codes;
  return sum;
}
)";

constexpr const char* kDot8 = R"(
static uint32_t dot_8(const uint8_t *weights, const uint8_t *codes, uint32_t count) {
  uint32_t sum = 0;
  for (; count > 0; --count) sum += (uint32_t)*weights++ * *codes++;
  return sum;
}
)";

// Fields that cross the borders of bytes.
constexpr const char* kDotAny = R"(
static uint32_t dot_BITS(const uint8_t *weights, const uint8_t *codes, uint32_t count) {
  uint32_t sum = 0, buffer = 0, bits = 0;
  for (; count > 0; --count) {
    if (bits < BITSu) {
      buffer |= (uint32_t)*weights++ << bits;
      bits += 8;
    }
    sum += (buffer & MASKu) * *codes++;
    buffer >>= BITS;
    bits -= BITSu;
  }
  return sum;
}
)";

constexpr const char* kFunctions = R"(
static uint32_t sum_of(const uint8_t *codes, uint32_t count) {
  uint32_t sum = 0;
  for (; count > 0; --count) sum += *codes++;
  return sum;
}

/* The window of group g at (p, q) into column, u8 [R][S][C / groups]. */
static void gather(const layer *l, const uint8_t *input, uint32_t p, uint32_t q, uint32_t g,
                   uint8_t *column) {
  const uint32_t group_C = l->C / l->groups;
  uint32_t r, s, c;
  for (r = 0; r < l->R; ++r) {
    const uint32_t h = p * l->stride + r; /* in the padded input */
    for (s = 0; s < l->S; ++s) {
      const uint32_t w = q * l->stride + s;
      const int inside = h >= l->pad && h < l->H + l->pad && w >= l->pad && w < l->W + l->pad;
      const uint8_t *codes =
          inside ? input + ((size_t)(h - l->pad) * l->W + (w - l->pad)) * l->C : l->pad_code;
      codes += (size_t)g * group_C;
      for (c = 0; c < group_C; ++c) {
        *column++ = codes[c];
        NO_MEMCPY();
      }
    }
  }
}

static int32_t as_signed(uint32_t x) {
  return x <= 0x7fffffffu ? (int32_t)x : -(int32_t)(0xffffffffu - x) - 1;
}

/* Q5, Q6, Q17 and Q18. Below 2^62 in magnitude whatever comes in; a negative sum is code 0, so that
   nothing negative is shifted. */
static uint8_t requantize(const layer *l, uint32_t k, int32_t acc, const uint8_t *shortcut) {
  const uint32_t i = l->per_channel ? k : 0;
  const uint32_t n = l->n[i];
  int64_t sum = (int64_t)acc * l->m[i];
  if (shortcut) sum += (int64_t)((int32_t)*shortcut - l->add_zero) * l->add_m[i];
  sum += (int64_t)(2 * l->zero_point + 1) << (n - 1);
  if (sum < 0) return 0;
  {
    const uint64_t code = (uint64_t)sum >> n;
    return (uint8_t)(code < l->max_code ? code : l->max_code);
  }
}

/* The rows (or columns) of the pooled output whose windows see row (or column) p. */
static range windows_over(uint32_t p, uint32_t kernel, uint32_t stride, uint32_t count) {
  range windows;
  windows.first = p < kernel ? 0 : (p - kernel) / stride + 1;
  windows.end = p / stride + 1;
  if (windows.end > count) windows.end = count;
  return windows;
}

/* A layer of one image, [H][W][C] to [P][Q][K]. Codes are pooled as they come: the first one of a
   window is stored, a larger one replaces it. */
static void run_layer(const layer *l, const uint8_t *input, const uint8_t *shortcut,
                      uint8_t *column, uint8_t *output, int32_t *logits) {
  const uint32_t group_C = l->C / l->groups, group_K = l->K / l->groups;
  const uint32_t count = l->R * l->S * group_C;
  uint32_t p, q, g, k, pp, qq;
  for (p = 0; p < l->P; ++p) {
    const range rows = windows_over(p, l->pool_kernel, l->pool_stride, l->pool_P);
    for (q = 0; q < l->Q; ++q) {
      const range columns = windows_over(q, l->pool_kernel, l->pool_stride, l->pool_Q);
      const size_t place = ((size_t)p * l->Q + q) * l->K;
      if (rows.first >= rows.end || columns.first >= columns.end) continue;
      for (g = 0; g < l->groups; ++g) {
        const uint8_t *codes = column;
        uint32_t low_sum;
        if (column) {
          gather(l, input, p, q, g, column);
        } else {
          codes = input + ((size_t)p * l->stride * l->W + (size_t)q * l->stride) * l->C +
                  (size_t)g * group_C;
        }
        low_sum = (uint32_t)l->low * sum_of(codes, count);
        for (k = g * group_K; k < (g + 1) * group_K; ++k) {
          uint32_t sum = low_sum; /* Q3 */
          uint8_t code;
          if (l->bias) sum += (uint32_t)l->bias[k];
          if (l->dot) sum += l->step * l->dot(l->weights + (size_t)k * l->row_bytes, codes, count);
          if (logits) {
            logits[place + k] = as_signed(sum);
            continue;
          }
          code = requantize(l, k, as_signed(sum), shortcut ? shortcut + place + k : shortcut);
          for (pp = rows.first; pp < rows.end; ++pp) {
            for (qq = columns.first; qq < columns.end; ++qq) {
              uint8_t *out = output + ((size_t)pp * l->pool_Q + qq) * l->K + k;
              const int first = p == pp * l->pool_stride && q == qq * l->pool_stride;
              if (first || code > *out) *out = code;
            }
          }
        }
      }
    }
  }
}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string dot_function(int bits) {
  switch (bits) {
    case 1:
      return kDot1;
    case 2:
      return kDot2;
    case 4:
      return kDot4;
    case 8:
      return kDot8;
    default:
      return replaced(replaced(kDotAny, "BITS", std::to_string(bits)), "MASK",
                      std::to_string((1 << bits) - 1));
  }
}

}  // namespace

std::string c_runtime(const std::set<int>& weight_bits) {
  std::string text = kTypes;
  for (const int bits : weight_bits) text += dot_function(bits);
  return text + kFunctions;
}

}  // namespace intandem
