// gemm_f32 on every instruction set against a triple loop in double.
#include "core/gemm_f32.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/rng.hpp"
#include "tests/float_isas.hpp"

using namespace intandem;
using std::int64_t;

namespace {

struct Case {
  bool trans_a, trans_b;
  int64_t M, N, K;
  int64_t extra = 0;  // leading dimensions exceed the row by this much
  float beta = 0.0f;
  bool integers = false;

  std::string str() const {
    return std::string(trans_a ? "T" : "N") + (trans_b ? "T " : "N ") + std::to_string(M) + "x" +
           std::to_string(N) + "x" + std::to_string(K) + " beta " + std::to_string(beta);
  }
};

struct Operands {
  explicit Operands(const Case& t)
      : lda((t.trans_a ? t.M : t.K) + t.extra),
        ldb((t.trans_b ? t.K : t.N) + t.extra),
        ldc(t.N + t.extra),
        a(fill((t.trans_a ? t.K : t.M) * lda, 1, t.integers)),
        b(fill((t.trans_b ? t.N : t.K) * ldb, 2, t.integers)),
        c(fill(t.M * ldc, 3, t.integers)) {}

  static std::vector<float> fill(int64_t n, std::uint64_t stream, bool integers) {
    const Rng rng = Rng(7).stream(stream);
    std::vector<float> values(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] =
          integers ? static_cast<float>(rng.below(i, 31)) - 15.0f : 2.0f * rng.uniform(i) - 1.0f;
    }
    return values;
  }
  float at_a(const Case& t, int64_t m, int64_t k) const {
    return a[static_cast<std::size_t>(t.trans_a ? k * lda + m : m * lda + k)];
  }
  float at_b(const Case& t, int64_t k, int64_t n) const {
    return b[static_cast<std::size_t>(t.trans_b ? n * ldb + k : k * ldb + n)];
  }

  int64_t lda, ldb, ldc;
  std::vector<float> a, b, c;
};

std::vector<float> run(const Case& t, const Operands& o, std::vector<float> c) {
  gemm_f32(t.trans_a, t.trans_b, t.M, t.N, t.K, o.a.data(), o.lda, o.b.data(), o.ldb, t.beta,
           c.data(), o.ldc);
  return c;
}

// Every element within K·eps·Σ|a·b| of the double sum (exact for integers); padding untouched.
void check_case(const Case& t) {
  const Operands o(t);
  const auto nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> before = t.beta == 0.0f ? std::vector<float>(o.c.size(), nan) : o.c;
  const std::vector<float> after = run(t, o, before);
  int64_t wrong = 0;
  for (int64_t m = 0; m < t.M; ++m) {
    for (int64_t n = 0; n < o.ldc; ++n) {
      const auto i = static_cast<std::size_t>(m * o.ldc + n);
      if (n >= t.N) {
        wrong += t.beta == 0.0f ? !std::isnan(after[i]) : after[i] != before[i];
        continue;
      }
      double sum = t.beta == 0.0f ? 0.0 : static_cast<double>(before[i]), size = std::abs(sum);
      for (int64_t k = 0; k < t.K; ++k) {
        const double product = static_cast<double>(o.at_a(t, m, k)) * o.at_b(t, k, n);
        sum += product;
        size += std::abs(product);
      }
      const double eps = std::numeric_limits<float>::epsilon();
      const double bound = t.integers ? 0.0 : 0.5 * eps * static_cast<double>(t.K + 2) * size;
      wrong += !(std::abs(after[i] - sum) <= bound);
    }
  }
  INFO(t.str() << " on " << isa_name(active_isa()));
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("gemm_f32: every transposition on small sizes", "[gemm_f32]") {
  const RestoreSettings restore;
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    for (const bool trans_a : {false, true})
      for (const bool trans_b : {false, true})
        for (int64_t M = 1; M <= 10; ++M)
          for (int64_t N = 1; N <= 10; N += 3)
            for (int64_t K = 0; K <= 10; K += 2) check_case({trans_a, trans_b, M, N, K, M % 3});
  }
}

TEST_CASE("gemm_f32: primes, powers of two and their neighbours", "[gemm_f32]") {
  const RestoreSettings restore;
  const int64_t sizes[][3] = {{13, 31, 67},   {14, 32, 64},  {15, 33, 65},   {28, 64, 383},
                              {29, 97, 385},  {127, 63, 31}, {128, 64, 384}, {129, 65, 257},
                              {1, 1000, 777}, {600, 7, 50},  {1, 1, 5000},   {523, 449, 3}};
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    for (const auto& s : sizes)
      for (const bool trans_a : {false, true})
        for (const bool trans_b : {false, true})
          for (const float beta : {0.0f, 1.0f})
            check_case({trans_a, trans_b, s[0], s[1], s[2], 5, beta});
  }
}

TEST_CASE("gemm_f32: sums of integers below 2^24 are exact", "[gemm_f32]") {
  const RestoreSettings restore;
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    for (const float beta : {0.0f, 1.0f}) {
      check_case({false, true, 37, 41, 1153, 0, beta, true});
      check_case({true, false, 24, 27, 9000, 0, beta, true});  // the split reduction
    }
  }
}

TEST_CASE("gemm_f32: empty products", "[gemm_f32]") {
  std::vector<float> c = {1.0f, 2.0f, 3.0f, 4.0f};
  gemm_f32(false, false, 2, 2, 0, nullptr, 1, nullptr, 2, 1.0f, c.data(), 2);
  CHECK(c == std::vector<float>{1.0f, 2.0f, 3.0f, 4.0f});
  gemm_f32(false, false, 2, 2, 0, nullptr, 1, nullptr, 2, 0.0f, c.data(), 2);
  CHECK(c == std::vector<float>(4, 0.0f));
  gemm_f32(false, false, 0, 2, 3, nullptr, 3, c.data(), 2, 0.0f, nullptr, 2);
  gemm_f32(false, false, 2, 0, 3, c.data(), 3, nullptr, 1, 0.0f, nullptr, 1);
  CHECK(c == std::vector<float>(4, 0.0f));
}

TEST_CASE("gemm_f32: bit-identical for any number of threads", "[gemm_f32]") {
  const RestoreSettings restore;
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    for (const Case& t : {Case{false, true, 700, 130, 500}, Case{true, true, 2100, 70, 90},
                          Case{false, true, 100, 300, 700}, Case{true, false, 30, 40, 20000},
                          Case{true, false, 60, 500, 900}}) {
      const Operands o(t);
      set_thread_count(1);
      const std::vector<float> one = run(t, o, o.c);
      for (const int threads : {2, 3}) {
        set_thread_count(threads);
        INFO(t.str() << " on " << isa_name(isa) << ", " << threads << " threads");
        CHECK(run(t, o, o.c) == one);
      }
    }
  }
}

TEST_CASE("gemm_f32: a row does not depend on the number of rows", "[gemm_f32]") {
  const RestoreSettings restore;
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    const Case batch{false, true, 600, 100, 1000};
    const Operands o(batch);
    const std::vector<float> all = run(batch, o, o.c);
    const Case single{false, true, 1, 100, 1000};
    const std::vector<float> first = run(single, o, o.c);
    CHECK(std::equal(first.begin(), first.begin() + 100, all.begin()));
  }
}
