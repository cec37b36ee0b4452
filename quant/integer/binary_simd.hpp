// Counting bits by carry-save adders (Harley and Seal), written once for every vector width.
// Included by binary_<isa>.cpp only, inside its unnamed namespace, after it has defined
//   Vector                  of 32-bit lanes; kLanes of them, kBinaryLanes or half of that
//   load(p), store(p, x), broadcast(word), zero(), add(x, y), subtract(x, y)
//   sum_bit(a, b, c), carry_bit(a, b, c)   of one-bit sums, in all bits of a vector at once
//   count_bytes(x)          bits set in every byte
//   add_bytes(x, y), sum_bytes(x)          sums of bytes; of the four bytes of every lane
//   times(x, log2)          lanes times a power of two
// No include guard and no includes on purpose.

/// Sixteens of bits are counted in bytes: eight at most per block, so 31 blocks fit.
constexpr std::int64_t kMostBlocks = 31;

/// A full adder: carry and low become the two bits of low + a + b.
[[gnu::always_inline]] inline void full_add(Vector& carry, Vector& low, Vector a, Vector b) {
  carry = carry_bit(low, a, b);
  low = sum_bit(low, a, b);
}

/// The channels of one vector: counts of window & weights.
[[gnu::always_inline]] inline Vector count_lanes(const std::uint32_t* window, std::int64_t words,
                                                 const std::uint32_t* weights) {
  Vector ones = zero(), twos = zero(), fours = zero(), eights = zero(), total = zero();
  const auto both = [&](std::int64_t i) {
    return broadcast(window[i]) & load(weights + i * kBinaryLanes);
  };
  const auto add_four = [&](std::int64_t i) {
    Vector two_a, two_b, four;
    full_add(two_a, ones, both(i), both(i + 1));
    full_add(two_b, ones, both(i + 2), both(i + 3));
    full_add(four, twos, two_a, two_b);
    return four;
  };
  const auto add_eight = [&](std::int64_t i) {
    const Vector four_a = add_four(i), four_b = add_four(i + 4);
    Vector eight;
    full_add(eight, fours, four_a, four_b);
    return eight;
  };
  std::int64_t i = 0;
  while (i + 16 <= words) {
    Vector sixteens = zero();
    for (std::int64_t block = 0; block < kMostBlocks && i + 16 <= words; ++block, i += 16) {
      const Vector eight_a = add_eight(i), eight_b = add_eight(i + 8);
      Vector sixteen;
      full_add(sixteen, eights, eight_a, eight_b);
      sixteens = add_bytes(sixteens, count_bytes(sixteen));
    }
    total = add(total, times(sum_bytes(sixteens), 4));
  }
  // What is left, from the highest bit to the lowest. A byte holds at most 8 bits of each kind, in
  // the end 8·(8 + 8) + 4·(8 + 8) + 2·8 + 8 = 216.
  Vector rest = count_bytes(eights);
  if (i + 8 <= words) {
    rest = add_bytes(rest, count_bytes(add_eight(i)));
    i += 8;
  }
  Vector last = zero();
  if (i < words) last = count_bytes(add_four(i));
  rest = add_bytes(add_bytes(add_bytes(rest, rest), count_bytes(fours)), last);
  rest = add_bytes(add_bytes(rest, rest), count_bytes(twos));
  rest = add_bytes(add_bytes(rest, rest), count_bytes(ones));
  return add(total, sum_bytes(rest));
}

void count_row(const BinaryRow& row) {
  const Vector ones = broadcast(static_cast<std::uint32_t>(row.ones));
  for (std::int64_t panel = 0; panel < row.panels; ++panel) {
    const std::uint32_t* weights = row.weights + panel * row.words * kBinaryLanes;
    for (std::int64_t lane = 0; lane < kBinaryLanes; lane += kLanes) {
      const std::int64_t k = panel * kBinaryLanes + lane;
      const Vector both = count_lanes(row.window, row.words, weights + lane);
      const Vector bias = load(reinterpret_cast<const std::uint32_t*>(row.bias + k));
      store(row.acc + k, add(bias, subtract(times(both, 1), ones)));
    }
  }
}
