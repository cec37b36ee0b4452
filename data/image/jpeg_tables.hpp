// What the segments of a JPEG file define, and the walk through one scan (ITU-T T.81).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "data/image/bytes.hpp"

namespace intandem {

/// A Huffman table as its code lengths give it (annex C), with an index for short codes.
class HuffmanTable {
 public:
  static constexpr int kMaxLength = 16;

  bool defined() const { return !symbols_.empty(); }
  /// counts[i] codes of i + 1 bits; symbols in order of their codes, as many as the counts say.
  /// False if the lengths give more codes than there are.
  bool define(const std::array<int, kMaxLength>& counts, std::vector<std::uint8_t> symbols);

  struct Match {
    std::uint8_t length = 0;  ///< bits of the code; 0: no code starts like this
    std::uint8_t symbol = 0;
  };
  /// The code at the start of `bits`, the next 16 bits of the data.
  Match match(std::uint32_t bits) const {
    const Match quick = quick_[bits >> (kMaxLength - kQuickBits)];
    return quick.length > 0 ? quick : match_long(bits);
  }

 private:
  static constexpr int kQuickBits = 9;
  Match match_long(std::uint32_t bits) const;

  std::vector<std::uint8_t> symbols_;
  std::array<Match, 1 << kQuickBits> quick_{};
  /// Per length: the first 16 bits after its last code, and what to add to a code for its symbol.
  std::array<std::uint32_t, kMaxLength + 1> end_{};
  std::array<std::int32_t, kMaxLength + 1> offset_{};
};

/// One colour component of the frame.
struct JpegComponent {
  int id = 0;
  int h = 1, v = 1;  ///< sampling factors
  int quantization = 0;
  std::int64_t blocks_w = 0, blocks_h = 0;  ///< 8×8 blocks that hold pixels of the image
  std::int64_t stored_w = 0;                ///< … in a row, filled up to whole MCUs
  bool decoded = false;                     ///< a (first) DC scan has passed
  std::array<int, 64> low_bit;              ///< progressive: Al of the last scan; −1: none yet
  std::vector<std::uint64_t> nonzero;       ///< progressive: per block, coefficients that are not 0
};

struct JpegFrame {
  bool progressive = false;
  std::int64_t width = 0, height = 0, mcus_w = 0, mcus_h = 0;
  std::vector<JpegComponent> components;
};

/// The parameters of a scan (B.2.3), checked against frame and tables.
struct JpegScan {
  struct Part {
    JpegComponent* component = nullptr;
    const HuffmanTable* dc = nullptr;
    const HuffmanTable* ac = nullptr;
  };
  std::vector<Part> parts;
  int first = 0, last = 63;  ///< coefficients, zigzag order
  int high_bit = 0, low_bit = 0;
  std::int64_t restart_interval = 0;  ///< MCUs; 0: none
};

/// Decodes every symbol of the scan whose entropy-coded data starts at `at`; returns the position
/// of the marker after it. Errors: no such code, a coefficient out of range, data missing or left
/// over, a restart marker missing or out of turn.
std::size_t walk_scan(const ImageBytes& file, std::size_t at, const JpegFrame& frame,
                      const JpegScan& scan);

}  // namespace intandem
