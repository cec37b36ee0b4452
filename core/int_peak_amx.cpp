// Four independent chains of tdpbusd on whole tiles: 16 cycles each, more than their latency of 52.
#include "core/int_peak.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace intandem {

std::int64_t run_dot_amx(std::int64_t rounds, std::int32_t* sink) {
  constexpr int kTiles = 8;
  struct alignas(64) {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
  } config;
  for (int i = 0; i < kTiles; ++i) config.row_bytes[i] = 64, config.rows[i] = 16;
  alignas(64) std::int32_t lanes[16 * 16];
  for (std::int32_t& lane : lanes) lane = *sink | 3;
  // GCC's intrinsics do not say that they read memory.
  __asm__ volatile("" : : "r"(&config), "r"(lanes) : "memory");
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, lanes, 64);
  _tile_loadd(5, lanes, 64);
  _tile_loadd(6, lanes, 64);
  _tile_loadd(7, lanes, 64);
  for (std::int64_t i = 0; i < rounds; ++i) {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  std::int32_t sum = 0;
  const auto add = [&] { sum += lanes[0]; };
  _tile_stored(0, lanes, 64);
  add();
  _tile_stored(1, lanes, 64);
  add();
  _tile_stored(2, lanes, 64);
  add();
  _tile_stored(3, lanes, 64);
  add();
  _tile_release();
  *sink += sum;
  return rounds * 4 * 16 * 16 * 64 * 2;
}

}  // namespace intandem
#endif
