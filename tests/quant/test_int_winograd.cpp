// The exact fast convolution against an independent direct one, bit for bit.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "core/dispatch.hpp"
#include "core/divide.hpp"
#include "core/parallel.hpp"
#include "quant/integer/winograd/plan.hpp"
#include "quant/integer/winograd/winograd.hpp"
#include "tests/quant/int_cases.hpp"
#include "tests/quant/winograd_cases.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::testing;
using Case = WinogradCase;

namespace {

/// The convolution of the definition, in 64 bits; acc [N][P][Q][K].
std::vector<std::int64_t> direct(const IntLayer& layer, std::int64_t N, const std::uint8_t* codes) {
  const ConvShape& s = layer.shape;
  std::vector<std::int64_t> acc;
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t p = 0; p < s.P(); ++p)
      for (std::int64_t q = 0; q < s.Q(); ++q)
        for (std::int64_t k = 0; k < s.K; ++k) {
          std::int64_t sum = layer.bias[k];
          for (std::int64_t r = 0; r < s.R; ++r)
            for (std::int64_t t = 0; t < s.S; ++t)
              for (std::int64_t c = 0; c < s.C; ++c) {
                const std::int64_t y = p * s.stride + r - s.pad, x = q * s.stride + t - s.pad;
                const bool inside = y >= 0 && y < s.H && x >= 0 && x < s.W;
                const std::int64_t code =
                    inside ? codes[((n * s.H + y) * s.W + x) * s.C + c] : layer.pad_code[c];
                sum += code * layer.weights[((k * s.R + r) * s.S + t) * s.C + c];
              }
          acc.push_back(sum);
        }
  return acc;
}

/// Q5/Q6 by division, rounding half up.
std::uint8_t code_of(const IntLayer& layer, std::int64_t acc, std::int64_t k, std::int64_t extra) {
  const Multiplier scale = layer.channel_scale(k);
  const std::int64_t unit = std::int64_t{1} << scale.n;
  const std::int64_t value = acc * scale.m + extra + unit / 2;
  const std::int64_t floor = value >= 0 ? value / unit : -((-value + unit - 1) / unit);
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(floor, 0, layer.max_code));
}

/// Runs the layer with one tile size on the active instruction set; wide: with operands of 16 bits;
/// null layer: returns false.
bool check_case(const Case& c, int tile, const Rng& rng, bool wide = false) {
  const IntLayer layer = make_layer(c, rng);
  const auto prepared = prepare_winograd(layer, tile, winograd_kernels(wide));
  if (prepared == nullptr) return false;
  INFO(prepared->algorithm() << ": " << describe(c));
  const ConvShape& s = c.shape;
  const std::int64_t N = s.N, P = s.P(), Q = s.Q(), K = s.K;
  const auto codes = make_codes(c, N * s.H * s.W * s.C, rng.stream("x"));
  const auto shortcut = make_codes(c, N * P * Q * K, rng.stream("shortcut"));
  Guarded<std::uint8_t> input(static_cast<std::int64_t>(codes.size()), 1);
  std::memcpy(input.data(), codes.data(), codes.size());

  const std::vector<std::int64_t> acc = direct(layer, N, codes.data());
  const std::int64_t PP = c.pool_kernel > 0 ? (P - c.pool_kernel) / c.pool_stride + 1 : P;
  const std::int64_t QQ = c.pool_kernel > 0 ? (Q - c.pool_kernel) / c.pool_stride + 1 : Q;
  Guarded<std::uint8_t> out(c.max_code > 0 ? N * PP * QQ * K : 0, 1);
  Guarded<std::int32_t> raw(c.max_code > 0 ? 0 : N * P * Q * K, 4);
  Guarded<std::byte> scratch(prepared->scratch_bytes(N));

  LayerRun run;
  run.N = N;
  run.input = input.data();
  run.shortcut = c.shortcut ? shortcut.data() : nullptr;
  run.codes = c.max_code > 0 ? out.data() : nullptr;
  run.accumulators = c.max_code > 0 ? nullptr : raw.data();
  run.scratch = scratch.data();
  prepared->run(run);

  std::int64_t wrong = 0;
  const auto code_at = [&](std::int64_t i) {
    const std::int64_t extra =
        c.shortcut ? std::int64_t{shortcut[static_cast<std::size_t>(i)]} *
                         layer.add_m[static_cast<std::size_t>(c.per_channel ? i % K : 0)]
                   : 0;
    return code_of(layer, acc[static_cast<std::size_t>(i)], i % K, extra);
  };
  if (c.max_code == 0) {
    for (std::size_t i = 0; i < acc.size(); ++i) wrong += raw.data()[i] != acc[i];
  } else if (c.pool_kernel == 0) {
    for (std::size_t i = 0; i < acc.size(); ++i) wrong += out.data()[i] != code_at(i);
  } else {
    for (std::int64_t i = 0; i < N * PP * QQ * K; ++i) {
      const std::int64_t k = i % K, q = i / K % QQ, p = i / K / QQ % PP, n = i / K / QQ / PP;
      std::uint8_t most = 0;
      for (std::int64_t r = 0; r < c.pool_kernel; ++r)
        for (std::int64_t t = 0; t < c.pool_kernel; ++t)
          most = std::max(
              most, code_at(((n * P + p * c.pool_stride + r) * Q + q * c.pool_stride + t) * K + k));
      wrong += out.data()[i] != most;
    }
  }
  CHECK(wrong == 0);
  CHECK(out.intact());
  CHECK(raw.intact());
  CHECK(input.intact());
  CHECK(scratch.intact());
  return true;
}

}  // namespace

TEST_CASE("winograd: the integers of the direct one, any shape", "[winograd]") {
  RestoreSettings restore;
  const Rng rng(3);
  int ran = 0;
  for (const Isa isa : available_isas()) {
    if (!isa_includes(isa, Isa::avx2)) continue;
    set_active_isa(isa);
    for (std::uint64_t i = 0; i < 36; ++i) {
      const Rng draw = rng.stream(i);
      const auto below = [&](std::uint64_t which, std::uint32_t bound) {
        return static_cast<std::int64_t>(draw.stream("shape").below(which, bound));
      };
      set_thread_count(i % 2 == 0 ? 1 : 2);
      Case c;
      const std::int64_t pad = below(0, 4), taps = i % 3 == 0 ? 5 : 3;
      c.shape = {1 + below(1, 3),
                 taps + below(2, 12),
                 taps + below(3, 12),
                 1 + below(4, 80),
                 1 + below(5, 110),
                 taps,
                 taps,
                 1,
                 pad};
      const std::int32_t bits = 1 + static_cast<std::int32_t>(below(6, 4));
      c.in_max = (1 << bits) - 1;
      c.weight_max = 1 + static_cast<std::int32_t>(below(7, 7));
      c.max_code = i % 6 == 5 ? 0 : (1 << (1 + below(8, 8))) - 1;
      c.per_channel = i % 3 == 1;
      c.shortcut = c.max_code > 0 && i % 5 == 3;
      c.pattern = static_cast<Case::Pattern>(below(9, 3));
      c.scale = {static_cast<std::int32_t>(1 + below(10, 28000)),
                 static_cast<std::int32_t>(12 + below(11, 14))};
      if (c.max_code > 0 && i % 4 == 2) {
        c.pool_kernel = 2 + below(12, 2);
        c.pool_stride = 1 + below(13, 2);
        if (c.shape.P() < 3 || c.shape.Q() < 3) c.pool_kernel = c.pool_stride = 0;
      }
      for (const int tile : {4, 2}) ran += check_case(c, tile, draw);
      if (taps == 3) {
        c.shape.stride = 2;
        ran += check_case(c, 3, draw);
        c.shape.stride = 1;
      }
      // Of any number of bits; the bound of the sums always holds here.
      c.in_max = (1 << (1 + below(14, 8))) - 1;
      c.weight_max = (1 << below(15, 8)) - (c.in_max == 255 ? 0 : 1);
      if (c.weight_max == 0) c.weight_max = 127;
      c.pattern = c.weight_max == 128 ? Case::lowest : c.pattern;
      for (const int tile : {4, 2}) CHECK(check_case(c, tile, draw, true));
      c.shape.stride = 2;
      CHECK(check_case(c, 3, draw, true) == (taps == 3));
    }
  }
  if (isa_includes(detected_isa(), Isa::avx2)) CHECK(ran > 75);
}

TEST_CASE("winograd: every remainder, extreme codes, wide codes", "[winograd]") {
  RestoreSettings restore;
  const Rng rng(4);
  for (const Isa isa : available_isas()) {
    if (!isa_includes(isa, Isa::avx2)) continue;
    set_active_isa(isa);
    for (std::int64_t size = 1; size <= 9; ++size) {
      Case c;
      c.shape = {2, size, 10 - size, 5, 7, 3, 3, 1, 1};
      c.pattern = Case::alternating;
      for (const int tile : {4, 2}) CHECK(check_case(c, tile, rng.stream(size)));
      c.shape = {2, size, 10 - size, 70, 20, 5, 5, 1, 2};
      for (const int tile : {4, 2}) CHECK(check_case(c, tile, rng.stream(size)));
    }
    // Stride 2: outputs of one to seven each way, so tiles of every size.
    for (std::int64_t size = 1; size <= 13; ++size) {
      Case c;
      c.shape = {2, size, 14 - size, 5, 7, 3, 3, 2, 1};
      c.pattern = Case::alternating;
      for (const bool wide : {false, true}) CHECK(check_case(c, 3, rng.stream(size), wide));
      c.in_max = c.max_code = 63;
      c.weight_max = isa_includes(isa, Isa::avx512vnni) ? 31 : 15;
      CHECK(check_case(c, 3, rng.stream(size)));
    }
    for (const Case::Pattern pattern : {Case::largest, Case::alternating, Case::random}) {
      Case c;
      c.shape = {1, 13, 13, 65, 48, 3, 3, 1, 1};
      c.pattern = pattern;
      c.max_code = 0;
      for (const int tile : {4, 2}) CHECK(check_case(c, tile, rng));
      c.in_max = 63;
      c.weight_max = isa_includes(isa, Isa::avx512vnni) ? 14 : 7;
      CHECK(check_case(c, 2, rng));
      CHECK_FALSE(check_case(c, 4, rng));
      c.shape = {1, 11, 9, 65, 48, 5, 5, 1, 2};
      CHECK(check_case(c, 2, rng));
      CHECK_FALSE(check_case(c, 4, rng));
      c.in_max = 15;
      CHECK(check_case(c, 4, rng));
    }
    for (const auto pattern : {Case::largest, Case::lowest, Case::alternating, Case::random}) {
      Case c;
      c.in_max = c.max_code = 255;
      c.weight_max = pattern == Case::lowest ? 128 : 127;
      c.pattern = pattern;
      for (const std::int64_t taps : {3, 5}) {
        for (const std::int64_t channels : {1, 31, 32, 65}) {
          c.shape = {1, 13, 10, channels, 48, taps, taps, 1, taps / 2};
          for (const int tile : {4, 2}) CHECK(check_case(c, tile, rng, true));
        }
        c.max_code = 0;
      }
    }
  }
}

TEST_CASE("winograd: many groups, thread counts, batch sizes", "[winograd]") {
  if (!isa_includes(detected_isa(), Isa::avx2)) INTANDEM_SKIP("this CPU has no AVX2");
  RestoreSettings restore;
  const Rng rng(5);
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    Case c;
    c.shape = {3, 26, 23, 32, 80, 3, 3, 1, 1};
    for (const int tile : {4, 2}) CHECK(check_case(c, tile, rng));
    c.shape.N = 1;
    CHECK(check_case(c, 4, rng));
    c.shape = {1, 5, 5, 200, 176, 3, 3, 1, 1};
    for (const bool wide : {false, true}) CHECK(check_case(c, 4, rng, wide));
    c.shape = {2, 27, 27, 64, 48, 5, 5, 1, 2};
    for (const int tile : {4, 2}) CHECK(check_case(c, tile, rng));
    c.in_max = 255;
    c.weight_max = 127;
    for (const int tile : {4, 2}) CHECK(check_case(c, tile, rng, true));
  }
}

namespace {

/// An operand as it is stored: s16, or one byte with or without sign.
std::int64_t operand_at(const void* at, std::int64_t bytes, bool is_signed) {
  std::int16_t wide = 0;
  std::memcpy(&wide, at, static_cast<std::size_t>(bytes));
  if (bytes == 2) return wide;
  return is_signed ? std::int64_t{static_cast<std::int8_t>(wide)} : wide;
}

void store_operand(void* at, std::int64_t bytes, std::int64_t value) {
  const auto wide = static_cast<std::int16_t>(value);
  std::memcpy(at, &wide, static_cast<std::size_t>(bytes));
}

}  // namespace

TEST_CASE("winograd: the product of every kernel, to the last byte", "[winograd]") {
  RestoreSettings restore;
  Draw draw(11);
  for (const Isa isa : available_isas()) {
    if (!isa_includes(isa, Isa::avx2)) continue;
    set_active_isa(isa);
    for (std::int64_t rows = 1; rows <= 70; rows += draw.between(0, 2)) {
      const WinogradKernels& kernels = *winograd_kernels(draw.coin());
      const RegisterBlock& block = draw.coin() ? kernels.block : kernels.few_tiles;
      const bool pairs = kernels.operands == WinogradOperands::u8_s8_pairs;
      const std::int64_t bytes = operand_bytes(kernels.operands);
      const std::int64_t in_group = 4 / bytes, in_chunk = kValueChunk / bytes;
      const std::int64_t width = 16 * draw.between(1, block.panel_width / 16);
      const std::int64_t pieces = draw.between(1, kMostPieces);
      const std::int64_t C = draw.between(1, 200), quads = ceil_div(C, in_group);
      const std::int64_t chunks = ceil_div(C, in_chunk), lines = pieces * chunks;
      const std::int64_t past = block.rows - 1;
      Guarded<std::uint8_t> values((rows * lines + past) * kValueChunk);
      const std::int64_t plane = quads * width * 4;
      Guarded<std::int8_t> weights(pieces * plane);
      Guarded<std::int32_t> products((rows + past) * block.panel_width);
      // With vpmaddubsw two products must fit 16 bits.
      const std::int64_t most = bytes == 2 ? 1152 : pairs ? 63 : 127;
      const std::int64_t least = bytes == 2 ? -1152 : pairs ? -64 : -128;
      const std::int64_t highest = bytes == 2 ? 4080 : 255, lowest = bytes == 2 ? -4080 : 0;
      const bool extreme = draw.coin();
      for (std::int64_t i = 0; i < rows * lines * kValueChunk; i += bytes) {
        store_operand(values.data() + i, bytes, extreme ? highest : draw.between(lowest, highest));
      }
      const std::int8_t* of_piece[kMostPieces];
      for (std::int64_t q = 0; q < pieces; ++q) {
        std::int8_t* w = weights.data() + q * plane;
        of_piece[q] = w;
        for (std::int64_t i = 0; i < plane; i += bytes) {
          const std::int64_t c = i / (4 * width) * in_group + i % 4 / bytes;
          store_operand(w + i, bytes, c >= C ? 0 : extreme ? least : draw.between(least, most));
        }
      }
      const WinogradBlocks blocks = winograd_blocks(rows, block.rows);
      kernels.multiply({values.data(), blocks, of_piece, pieces, quads, block, width,
                        products.data(), weights.data()});
      std::int64_t wrong = 0;
      for (std::int64_t row = 0, first = 0, i = 0; row < rows; ++row) {
        std::int64_t height = blocks.height + (i < blocks.taller ? 1 : 0);
        if (row == first + height) {
          first = row;
          height = blocks.height + (++i < blocks.taller ? 1 : 0);
        }
        for (std::int64_t k = 0; k < width; ++k) {
          std::int64_t sum = 0;
          for (std::int64_t q = 0; q < pieces; ++q) {
            for (std::int64_t c = 0; c < C; ++c) {
              const std::int64_t line =
                  first * lines + (q * chunks + c / in_chunk) * height + row - first;
              const std::uint8_t* v = values.data() + line * kValueChunk + c % in_chunk * bytes;
              const std::int8_t* w =
                  of_piece[q] + (c / in_group * width + k) * 4 + c % in_group * bytes;
              sum += operand_at(v, bytes, false) * operand_at(w, bytes, true);
            }
          }
          wrong += static_cast<std::int32_t>(sum) != products.data()[row * block.panel_width + k];
        }
      }
      INFO(kernels.isa << ", " << bytes << " bytes, " << rows << " tiles, " << C << " channels, "
                       << pieces << " pieces, width " << width);
      CHECK(wrong == 0);
      CHECK(products.intact());
    }
  }
}
