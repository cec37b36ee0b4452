// The tile transforms of the exact fast convolution, written once for every vector width. Included
// by winograd_<isa>.cpp only, inside its unnamed namespace (so nothing here has external linkage),
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

/// The position of row i and column j of a tile's products.
template <int kV, int kH>
constexpr int position_at(int i, int j) {
  return position_of<kV>(i) * kPositions1d + position_of<kH>(j);
}

/// Channels c … of one chunk: a vector of them, or n fewer. kSteady: without offsets.
template <class Values, int kV, int kH, bool kSteady, bool kAll>
[[gnu::always_inline]] inline void input_vector(const WinogradInput& tile, std::int64_t c,
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
  const Equidistant steps(tile.step);
  std::uint8_t* row = values;
#pragma GCC unroll 8
  for (int i = 0; i < kProducts<kV>; ++i, row += kProducts<kH> * tile.step) {
    Values v[kProducts<kH>];
    input_1d<kH>(half[i], v);
#pragma GCC unroll 8
    for (int j = 0; j < kProducts<kH>; ++j) {
      const int position = position_at<kV, kH>(i, j);
      if (kLaneBytes == 1 && position == kSums) v[j] -= raise;
      std::uint8_t* const to = kSteady ? row + steps[j] : values + offset[position];
      __builtin_memcpy(to, &v[j], sizeof v[j]);
    }
  }
}

template <class Values, int kV, int kH, bool kSteady = false>
void input_tile(const WinogradInput& tile) {
  constexpr std::int64_t kLanes = sizeof(Values) / sizeof(Values{}[0]);
  std::int64_t c = 0;
  for (; c + kLanes <= tile.channels; c += kLanes) {
    input_vector<Values, kV, kH, kSteady, true>(tile, c, kLanes);
  }
  if (c < tile.channels) {
    input_vector<Values, kV, kH, kSteady, false>(tile, c, tile.channels - c);
  }
}

template <int kV, int kH, bool kSteady = false>
void output_tile(const WinogradOutput& tile) {
  constexpr int kShift = correlation<kV>.shift + correlation<kH>.shift;
  constexpr int kRows = kOutputsOf<kV>, kColumns = kOutputsOf<kH>;
  for (std::int64_t q = 0; q < tile.channels; q += kWordLanes) {
    const std::int64_t k = tile.first + q;
    const auto* products = reinterpret_cast<const char*>(tile.products + q);
    const std::int32_t* bias = tile.bias + k / kBiasLanes * kBiasBlock + k % kBiasLanes;
    Words half[kRows][kProducts<kH>];
    const Equidistant rows(kProducts<kH> * tile.step_bytes);
    const char* column = products;
#pragma GCC unroll 8
    for (int j = 0; j < kProducts<kH>; ++j, column += tile.step_bytes) {
      Words m[kProducts<kV>], y[kRows];
#pragma GCC unroll 8
      for (int i = 0; i < kProducts<kV>; ++i) {
        const int position = position_at<kV, kH>(i, j);
        const char* const from =
            kSteady ? column + rows[i] : products + tile.offset_bytes[position];
        __builtin_memcpy(&m[i], from, sizeof m[i]);
      }
      output_1d<kV>(m, y);
#pragma GCC unroll 8
      for (int o = 0; o < kRows; ++o) half[o][j] = y[o];
    }
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

/// f(Size<…>{}) for a side of so many outputs; kLargest: that of full tiles, 4 or kStrided + 3.
template <int kSize>
struct Size {};
template <int kLargest, class F>
[[gnu::always_inline]] inline void with_size(int outputs, const F& f) {
  constexpr int kFirst = kLargest / kStrided * kStrided;
  if (outputs == 2) return f(Size<kFirst + 2>{});
  if (outputs == 1) return f(Size<kFirst + 1>{});
  f(Size<kLargest>{});
}

/// Tiles with offsets, of any size.
template <class Values, int kLargest>
void input_sizes(const WinogradInput& tile) {
  with_size<kLargest>(tile.outputs_v, [&]<int kV>(Size<kV>) {
    with_size<kLargest>(tile.outputs_h,
                        [&]<int kH>(Size<kH>) { input_tile<Values, kV, kH>(tile); });
  });
}

template <int kLargest>
void output_sizes(const WinogradOutput& tile) {
  with_size<kLargest>(tile.outputs_v, [&]<int kV>(Size<kV>) {
    with_size<kLargest>(tile.outputs_h, [&]<int kH>(Size<kH>) { output_tile<kV, kH>(tile); });
  });
}

/// Without offsets all tiles are full ones.
template <class Values>
void input_any(const WinogradInput& tile) {
  const bool steady = tile.offset == nullptr;
  if (tile.strided) {
    return steady ? input_tile<Values, kStrided + 3, kStrided + 3, true>(tile)
                  : input_sizes<Values, kStrided + 3>(tile);
  }
  if (!steady) return input_sizes<Values, 4>(tile);
  tile.outputs_v == 4 ? input_tile<Values, 4, 4, true>(tile) : input_tile<Values, 2, 2, true>(tile);
}

void output_any(const WinogradOutput& tile) {
  const bool steady = tile.offset_bytes == nullptr;
  if (tile.strided) {
    return steady ? output_tile<kStrided + 3, kStrided + 3, true>(tile)
                  : output_sizes<kStrided + 3>(tile);
  }
  if (!steady) return output_sizes<4>(tile);
  tile.outputs_v == 4 ? output_tile<4, 4, true>(tile) : output_tile<2, 2, true>(tile);
}
