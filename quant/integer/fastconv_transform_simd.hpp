// The tile transforms of the exact fast convolution, written once for every vector width. Included
// by fastconv_<isa>.cpp only, inside its unnamed namespace (so nothing here has external linkage),
// after it has defined
//   Bytes, Shorts, Words, SignedWords    vectors of u8, u16, u32 and s32 (GCC vector extension)
//   kWordLanes
//   load_codes<Values>(p, n)     n codes, fewer than lanes, zeros after them; reads no further
//   load_all_codes<Values>(p)    as many codes as lanes
// for Values that are Bytes or, for 16-bit operands, Shorts, and
//   store_row<count>(acc, row, k, q, tile)  finish `count` neighbouring outputs, channels from k
// No include guard and no includes on purpose.

/// Sizes of stride 2, by which the templates below tell them from those of stride 1.
constexpr int kStrided = 8;
template <int kSize>
constexpr int kOutputsOf = kSize % kStrided;

/// Bᵀ d modulo 256 or 2¹⁶. F(4,3) needs 10 additions for 7 values because its rows share sums.
template <int kOutputs, class Values>
[[gnu::always_inline]] inline void input_1d(const Values* d, Values* v) {
  if constexpr (kOutputs == 4) {
    const Values odd = d[1] + d[3], even = d[2] + d[4];
    const Values re = d[4] - d[2], im = d[3] - d[1];
    v[0] = d[0] - d[4];
    v[1] = even + odd;
    v[2] = even - odd;
    v[3] = re + im;
    v[4] = im - re;
    v[5] = im;
    v[6] = d[5] - d[1];
  } else if constexpr (kOutputs == 2) {
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[3] - d[1];
  } else if constexpr (kOutputs == kStrided + 3) {
    v[0] = d[0] - d[4];
    v[1] = d[2] + d[4];
    v[2] = d[4] - d[2];
    v[3] = d[6] - d[2];
    v[4] = d[1];
    v[5] = d[3];
    v[6] = d[5];
  } else if constexpr (kOutputs == kStrided + 2) {
    v[0] = d[0] - d[2];
    v[1] = d[2];
    v[2] = d[4] - d[2];
    v[3] = d[1];
    v[4] = d[3];
  } else {
    v[0] = d[0];
    v[1] = kOutputs == 1 ? d[1] : d[2];
    v[2] = kOutputs == 1 ? d[2] : d[1];
  }
}

/// Aᵀ m modulo 2³².
template <int kOutputs>
[[gnu::always_inline]] inline void output_1d(const Words* m, Words* y) {
  if constexpr (kOutputs == 4) {
    const Words sum = m[1] + m[2], difference = m[1] - m[2];
    const Words re = (m[3] - m[5]) << 1, im = (m[4] - m[5]) << 1;
    y[0] = (m[0] << 2) + sum + re;
    y[1] = difference + im;
    y[2] = sum - re;
    y[3] = difference - im + (m[6] << 2);
  } else if constexpr (kOutputs == 2) {
    y[0] = (m[0] << 1) + m[1] + m[2];
    y[1] = m[1] - m[2] + (m[3] << 1);
  } else if constexpr (kOutputs == kStrided + 3) {
    const Words sum = m[1] + m[2];
    y[0] = sum + ((m[0] + m[4]) << 1);
    y[1] = m[1] - m[2] + (m[5] << 1);
    y[2] = sum + ((m[3] + m[6]) << 1);
  } else if constexpr (kOutputs == kStrided + 2) {
    y[0] = m[0] + m[1] + m[3];
    y[1] = m[1] + m[2] + m[4];
  } else {
    y[0] = m[0] + m[1] + m[2];
  }
}

/// F(kOutputs, 3), and the row of kTapTransform of its product i.
template <int kOutputs>
constexpr const FastCorrelation& correlation = kOutputs > kStrided
                                                   ? strided_correlation(kOutputs % kStrided)
                                                   : fast_correlation(kOutputs);
template <int kOutputs>
constexpr int kInputs = correlation<kOutputs>.inputs;
template <int kOutputs>
constexpr int kProducts = correlation<kOutputs>.products;
template <int kOutputs>
constexpr int position_of(int i) {
  return correlation<kOutputs>.position[i];
}

/// The position of row i and column j of a tile's products. kJoined: of 4×4 outputs, with the
/// joined ones in rows 3 and 4 where rows and columns are complex, and none in row 5 (F9).
template <int kV, int kH, bool kJoined>
constexpr int position_at(int i, int j) {
  if (kJoined && is_complex(i) && is_complex(j)) return joined_position(i == 4, j - 3);
  return position_of<kV>(i) * kPositions1d + position_of<kH>(j);
}

/// The values of joined positions, from the real and the imaginary row of Bᵀ d: c + di where the
/// columns' imaginary unit is the rows' (plus) and where it is its conjugate (minus), and of each
/// the operands c, d − c and c + d of three products.
template <class Values>
[[gnu::always_inline]] inline void input_joined(const Values* real, const Values* imaginary,
                                                Values* plus, Values* minus) {
  const Values rr = real[4] - real[2], ri = real[3] - real[1];
  const Values ir = imaginary[4] - imaginary[2], ii = imaginary[3] - imaginary[1];
  const Values c = rr - ii, d = ir + ri, e = rr + ii, f = ir - ri;
  plus[0] = c;
  plus[1] = d - c;
  plus[2] = c + d;
  minus[0] = e;
  minus[1] = f - e;
  minus[2] = e + f;
}

/// Channels c … of one chunk: a vector of them, or n fewer. kSteady: without offsets.
template <class Values, int kV, int kH, bool kSteady, bool kJoined, bool kAll>
[[gnu::always_inline]] inline void input_vector(const FastConvInput& tile, std::int64_t c,
                                                std::int64_t n) {
  constexpr int kLaneBytes = sizeof(Values{}[0]);
  const auto raise = (Values)(Bytes{} + kRaise);
  const std::uint8_t* const* const pixel = tile.pixel;
  const std::int64_t* const offset = tile.offset;
  const std::int64_t first = tile.first + c, next_tile = tile.next_tile;
  std::uint8_t* const values = tile.values + c * kLaneBytes;
  Values half[kProducts<kV>][kInputs<kH>];
#pragma GCC unroll 8
  for (int x = 0; x < kInputs<kH>; ++x) {
    Values d[kInputs<kV>], v[kProducts<kV>];
#pragma GCC unroll 8
    for (int y = 0; y < kInputs<kV>; ++y) {
      const std::uint8_t* from = pixel[y * kInputs<kH> + x] + first;
      d[y] = kAll ? load_all_codes<Values>(from) : load_codes<Values>(from, n);
      if (kLaneBytes == 1 && correlation<kV>.raised[y] && correlation<kH>.raised[x]) d[y] += raise;
      // What the next tile reads and this one does not; a stray prefetch does no harm.
      if (x >= 2) __builtin_prefetch(from + next_tile);
    }
    input_1d<kV>(d, v);
#pragma GCC unroll 8
    for (int i = 0; i < kProducts<kV>; ++i) half[i][x] = v[i];
  }
  Values joined[2][3];
  if constexpr (kJoined) {
    Values real[kInputs<kH>];
#pragma GCC unroll 8
    for (int x = 1; x <= kH; ++x) real[x] = half[3][x] - half[5][x];
    input_joined(real, half[5], joined[0], joined[1]);
  }
  const Equidistant steps(tile.step);
  std::uint8_t* row = values;
#pragma GCC unroll 8
  for (int i = 0; i < kProducts<kV>; ++i, row += kProducts<kH> * tile.step) {
    Values v[kProducts<kH>];
    input_1d<kH>(half[i], v);
#pragma GCC unroll 8
    for (int j = 0; j < kProducts<kH>; ++j) {
      if (kJoined && is_complex(i) && is_complex(j)) {
        if (i == 5) continue;
        v[j] = joined[i - 3][j - 3];
      }
      const int position = position_at<kV, kH, kJoined>(i, j);
      if (kLaneBytes == 1 && position == kSums) v[j] -= raise;
      std::uint8_t* const to = kSteady ? row + steps[j] : values + offset[position];
      __builtin_memcpy(to, &v[j], sizeof v[j]);
    }
  }
}

template <class Values, int kV, int kH, bool kSteady = false, bool kJoined = false>
void input_tile(const FastConvInput& tile) {
  constexpr std::int64_t kLanes = sizeof(Values) / sizeof(Values{}[0]);
  std::int64_t c = 0;
  for (; c + kLanes <= tile.channels; c += kLanes) {
    input_vector<Values, kV, kH, kSteady, kJoined, true>(tile, c, kLanes);
  }
  if (c < tile.channels) {
    input_vector<Values, kV, kH, kSteady, kJoined, false>(tile, c, tile.channels - c);
  }
}

/// Aᵀ m of the rows that are not complex, as output_1d.
[[gnu::always_inline]] inline void output_real(const Words* m, Words* y) {
  const Words sum = m[1] + m[2], difference = m[1] - m[2];
  y[0] = (m[0] << 2) + sum;
  y[1] = difference;
  y[2] = sum;
  y[3] = difference + (m[6] << 2);
}

/// Adds what the joined products give to the columns 3 and 4 of Aᵀ m, of which output_1d takes the
/// real and the imaginary part, less column 5.
[[gnu::always_inline]] inline void output_joined(const Words (&joined)[2][3],
                                                 Words (&half)[4][kPositions1d]) {
  const Words plus = joined[0][0] - joined[0][2], plus_i = joined[0][0] + joined[0][1];
  const Words minus = joined[1][0] - joined[1][2], minus_i = joined[1][0] + joined[1][1];
  const Words rr = plus + minus, ii = minus - plus, ir = plus_i + minus_i, ri = plus_i - minus_i;
  half[0][3] += rr;
  half[0][4] -= ri;
  half[1][3] -= ir;
  half[1][4] += ii;
  half[2][3] -= rr;
  half[2][4] += ri;
  half[3][3] += ir;
  half[3][4] -= ii;
}

template <int kV, int kH, bool kSteady = false, bool kJoined = false>
void output_tile(const FastConvOutput& tile) {
  constexpr int kShift = correlation<kV>.shift + correlation<kH>.shift;
  constexpr int kRows = kOutputsOf<kV>, kColumns = kOutputsOf<kH>;
  for (std::int64_t q = 0; q < tile.channels; q += kWordLanes) {
    const std::int64_t k = tile.first + q;
    const auto* products = reinterpret_cast<const char*>(tile.products + q);
    const std::int32_t* bias = tile.bias + k / kBiasLanes * kBiasBlock + k % kBiasLanes;
    Words half[kRows][kProducts<kH>], joined[2][3];
    const Equidistant rows(kProducts<kH> * tile.step_bytes);
    const char* column = products;
#pragma GCC unroll 8
    for (int j = 0; j < kProducts<kH>; ++j, column += tile.step_bytes) {
      Words m[kProducts<kV>], y[kRows];
#pragma GCC unroll 8
      for (int i = 0; i < kProducts<kV>; ++i) {
        if (kJoined && i == 5 && is_complex(j)) continue;
        const int position = position_at<kV, kH, kJoined>(i, j);
        const char* const from =
            kSteady ? column + rows[i] : products + tile.offset_bytes[position];
        __builtin_memcpy(&m[i], from, sizeof m[i]);
      }
      if (kJoined && is_complex(j)) {
        joined[0][j - 3] = m[3];
        joined[1][j - 3] = m[4];
        output_real(m, y);
      } else {
        output_1d<kV>(m, y);
      }
#pragma GCC unroll 8
      for (int o = 0; o < kRows; ++o) half[o][j] = y[o];
    }
    if constexpr (kJoined) output_joined(joined, half);
#pragma GCC unroll 8
    for (int o = 0; o < kRows; ++o) {
      if (o >= tile.rows) break;
      Words y[kColumns];
      output_1d<kH>(half[o], y);
#pragma GCC unroll 8
      for (int p = 0; p < kColumns; ++p) {
        Words added;
        __builtin_memcpy(&added, bias + (4 * o + p) * kBiasLanes, sizeof added);
        y[p] = (Words)((SignedWords)(y[p] + added) >> kShift);
      }
      store_row<kColumns>(y, o * tile.row_stride, k, q, tile);
    }
  }
}

/// Tiles with offsets, of kV rows; kLargest: the size of full ones, 4 or kStrided + 3.
template <class Values, int kLargest, int kV>
void input_rows(const FastConvInput& tile) {
  constexpr int kFirst = kLargest / kStrided * kStrided;
  if (tile.outputs_h == 2) return input_tile<Values, kV, kFirst + 2>(tile);
  if (tile.outputs_h == 1) return input_tile<Values, kV, kFirst + 1>(tile);
  input_tile<Values, kV, kLargest>(tile);
}

template <class Values, int kLargest>
void input_sizes(const FastConvInput& tile) {
  constexpr int kFirst = kLargest / kStrided * kStrided;
  if (tile.outputs_v == 2) return input_rows<Values, kLargest, kFirst + 2>(tile);
  if (tile.outputs_v == 1) return input_rows<Values, kLargest, kFirst + 1>(tile);
  input_rows<Values, kLargest, kLargest>(tile);
}

/// Without offsets all tiles are full ones.
template <class Values>
void input_any(const FastConvInput& tile) {
  const bool steady = tile.offset == nullptr;
  if (tile.form == FastConvForm::strided) {
    return steady ? input_tile<Values, kStrided + 3, kStrided + 3, true>(tile)
                  : input_sizes<Values, kStrided + 3>(tile);
  }
  if (tile.form == FastConvForm::joined && tile.outputs_v == 4 && tile.outputs_h == 4) {
    return steady ? input_tile<Values, 4, 4, true, true>(tile)
                  : input_tile<Values, 4, 4, false, true>(tile);
  }
  if (!steady) return input_sizes<Values, 4>(tile);
  tile.outputs_v == 4 ? input_tile<Values, 4, 4, true>(tile) : input_tile<Values, 2, 2, true>(tile);
}

template <int kLargest, int kV>
void output_rows(const FastConvOutput& tile) {
  constexpr int kFirst = kLargest / kStrided * kStrided;
  if (tile.outputs_h == 2) return output_tile<kV, kFirst + 2>(tile);
  if (tile.outputs_h == 1) return output_tile<kV, kFirst + 1>(tile);
  output_tile<kV, kLargest>(tile);
}

template <int kLargest>
void output_sizes(const FastConvOutput& tile) {
  constexpr int kFirst = kLargest / kStrided * kStrided;
  if (tile.outputs_v == 2) return output_rows<kLargest, kFirst + 2>(tile);
  if (tile.outputs_v == 1) return output_rows<kLargest, kFirst + 1>(tile);
  output_rows<kLargest, kLargest>(tile);
}

void output_any(const FastConvOutput& tile) {
  const bool steady = tile.offset_bytes == nullptr;
  if (tile.form == FastConvForm::strided) {
    return steady ? output_tile<kStrided + 3, kStrided + 3, true>(tile)
                  : output_sizes<kStrided + 3>(tile);
  }
  if (tile.form == FastConvForm::joined && tile.outputs_v == 4 && tile.outputs_h == 4) {
    return steady ? output_tile<4, 4, true, true>(tile) : output_tile<4, 4, false, true>(tile);
  }
  if (!steady) return output_sizes<4>(tile);
  tile.outputs_v == 4 ? output_tile<4, 4, true>(tile) : output_tile<2, 2, true>(tile);
}

/// How far ahead the taps are fetched into the first-level cache.
constexpr std::int64_t kTapsAhead = 12 * 64;

/// Two columns of one row of U; the sums fit their 8 or 16 bits.
template <class Values, int kColumns, bool kImaginary>
[[gnu::always_inline]] inline void weights_columns(const FastConvWeights& panel) {
  for (std::int64_t i = 0; i < panel.bytes; i += std::int64_t{sizeof(Values)}) {
    Values t[3] = {};
#pragma GCC unroll 3
    for (int s = 0; s < kColumns; ++s) {
      const std::int8_t* from = panel.taps + s * panel.stride + i;
      __builtin_memcpy(&t[s], from, sizeof t[s]);
      __builtin_prefetch(from + kTapsAhead);
    }
    const Values outer = kImaginary ? t[0] - t[2] : t[0] + t[2];
    const Values first = kImaginary ? outer : outer + t[1];
    const Values second = kImaginary ? outer + t[1] : outer - t[1];
    __builtin_memcpy(panel.weights + i, &first, sizeof first);
    __builtin_memcpy(panel.weights + panel.stride + i, &second, sizeof second);
  }
}

template <class Values>
void weights_panel(const FastConvWeights& panel) {
  if (panel.columns == 2) return weights_columns<Values, 2, false>(panel);
  panel.imaginary ? weights_columns<Values, 3, true>(panel)
                  : weights_columns<Values, 3, false>(panel);
}

/// Three planes of joined positions; the sums fit their 8 or 16 bits.
template <class Values, int kColumns, bool kMinus>
[[gnu::always_inline]] inline void joined_columns(const FastConvJoined& panel) {
  for (std::int64_t i = 0; i < panel.bytes; i += std::int64_t{sizeof(Values)}) {
    Values real[3] = {}, imaginary[3] = {};
#pragma GCC unroll 3
    for (int s = 0; s < kColumns; ++s) {
      __builtin_memcpy(&real[s], panel.real + s * panel.stride + i, sizeof real[s]);
      __builtin_memcpy(&imaginary[s], panel.imaginary + s * panel.stride + i, sizeof real[s]);
    }
    const Values re = real[0] - real[2], ri = real[1];
    const Values ir = imaginary[0] - imaginary[2], ii = imaginary[1];
    const Values a = kMinus ? re + ii : re - ii, b = kMinus ? ir - ri : ir + ri;
    const Values u[] = {a + b, a, b};
#pragma GCC unroll 3
    for (int n = 0; n < 3; ++n) {
      __builtin_memcpy(panel.weights + n * panel.stride + i, &u[n], sizeof u[n]);
    }
  }
}

template <class Values>
void joined_panel(const FastConvJoined& panel) {
  if (panel.columns == 2) {
    return panel.minus ? joined_columns<Values, 2, true>(panel)
                       : joined_columns<Values, 2, false>(panel);
  }
  panel.minus ? joined_columns<Values, 3, true>(panel) : joined_columns<Values, 3, false>(panel);
}
