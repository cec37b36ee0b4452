#include <algorithm>
#include <cstdlib>

#include "data/image/jpeg_tables.hpp"

namespace intandem {
namespace {

// Samples of 8 bits give DC differences of at most 11 bits and other coefficients of 10 (F.1.2).
constexpr int kDcBits = 11, kAcBits = 10;
constexpr int kMaxDc = 1 << kDcBits;

/// Bits of entropy-coded data up to the next marker (F.2.2.5); 0xFF 0x00 stands for 0xFF.
class BitReader {
 public:
  BitReader(const ImageBytes& file, std::size_t at) : file_(file), at_(at) {}

  int symbol(const HuffmanTable& table) {
    if (count_ < HuffmanTable::kMaxLength) refill();
    const HuffmanTable::Match match = table.match(static_cast<std::uint32_t>(buffer_ >> 48));
    if (match.length == 0) file_.damaged("a code that its Huffman table does not have");
    drop(match.length);
    return match.symbol;
  }

  /// 0 … 16 bits as a number.
  int bits(int n) {
    if (n == 0) return 0;
    if (count_ < n) refill();
    const auto value = static_cast<int>(buffer_ >> (64 - n));
    drop(n);
    return value;
  }

  /// A number of n bits with the sign rule of F.2.2.1.
  int signed_bits(int n) {
    const int value = bits(n);
    return n > 0 && value < 1 << (n - 1) ? value - (1 << n) + 1 : value;
  }

  /// Passes the padding at the end of an interval; the position of the marker. Zero bytes may be
  /// left over at the end of a scan, as some cameras write them.
  std::size_t finish(bool end_of_scan) {
    drop(count_ % 8);
    for (refill(); count_ > 0; refill()) {
      if (!end_of_scan || buffer_ != 0) file_.damaged("left-over data");
      count_ = 0;
    }
    return at_;
  }

  void restart(std::size_t at) { at_ = at, buffer_ = 0, count_ = 0; }

 private:
  void drop(int n) {
    if (n > count_) file_.truncated();
    buffer_ <<= n;
    count_ -= n;
  }

  // At a marker nothing is added any more: the buffer then ends in zeros that count_ leaves out.
  void refill() {
    if (count_ <= 32 && file_.size() - at_ >= 4) {
      const std::uint64_t word = file_.be32(at_);
      const std::uint64_t inverse = word ^ 0xFFFFFFFF;
      if (((inverse - 0x01010101) & word & 0x80808080) == 0) {  // no byte is 0xFF
        buffer_ |= word << (32 - count_);
        count_ += 32;
        at_ += 4;
        return;
      }
    }
    while (count_ <= 56) {
      std::uint64_t byte = file_.u8(at_);
      std::size_t next = at_ + 1;
      if (byte == 0xFF) {
        while (file_.u8(next) == 0xFF) ++next;  // fill bytes
        if (file_.u8(next) != 0) return;
        ++next;
      }
      at_ = next;
      buffer_ |= byte << (56 - count_);
      count_ += 8;
    }
  }

  const ImageBytes& file_;
  std::size_t at_;
  std::uint64_t buffer_ = 0;  // the next bit is the highest
  int count_ = 0;
};

class ScanWalk {
 public:
  ScanWalk(const ImageBytes& file, std::size_t at, const JpegFrame& frame, const JpegScan& scan)
      : file_(file), frame_(frame), scan_(scan), reader_(file, at), dc_(scan.parts.size()) {}

  std::size_t run() {
    const JpegComponent& only = *scan_.parts.front().component;
    const bool interleaved = scan_.parts.size() > 1;
    const std::int64_t W = interleaved ? frame_.mcus_w : only.blocks_w;
    const std::int64_t H = interleaved ? frame_.mcus_h : only.blocks_h;
    for (std::int64_t y = 0; y < H; ++y) {
      for (std::int64_t x = 0; x < W; ++x) {
        const std::int64_t mcu = y * W + x;
        if (scan_.restart_interval > 0 && mcu > 0 && mcu % scan_.restart_interval == 0) {
          restart(mcu / scan_.restart_interval - 1);
        }
        if (!interleaved) {
          block(0, y * only.stored_w + x);
          continue;
        }
        for (std::size_t i = 0; i < scan_.parts.size(); ++i) unit(i, y, x);
      }
    }
    return reader_.finish(true);
  }

 private:
  void restart(std::int64_t number) {
    std::size_t at = reader_.finish(false);
    while (file_.u8(at + 1) == 0xFF) ++at;
    if (file_.u8(at + 1) != 0xD0u + number % 8) file_.damaged("a restart marker is missing");
    reader_.restart(at + 2);
    std::fill(dc_.begin(), dc_.end(), 0);
    end_run_ = 0;
  }

  /// The blocks of component i in MCU (y, x).
  void unit(std::size_t i, std::int64_t y, std::int64_t x) {
    const JpegComponent& c = *scan_.parts[i].component;
    for (int v = 0; v < c.v; ++v) {
      for (int h = 0; h < c.h; ++h) block(i, (y * c.v + v) * c.stored_w + x * c.h + h);
    }
  }

  void block(std::size_t i, std::int64_t index) {
    if (!frame_.progressive) {
      dc(i);
      ac_sequential(*scan_.parts[i].ac);
    } else if (scan_.first == 0) {
      if (scan_.high_bit == 0) {
        dc(i);
      } else {
        reader_.bits(1);
      }
    } else {
      std::uint64_t& nonzero = scan_.parts[i].component->nonzero[static_cast<std::size_t>(index)];
      if (scan_.high_bit == 0) {
        ac_first(*scan_.parts[i].ac, nonzero);
      } else {
        ac_refine(*scan_.parts[i].ac, nonzero);
      }
    }
  }

  [[noreturn]] void out_of_range() const { file_.damaged("a coefficient out of range"); }

  void dc(std::size_t i) {
    const int size = reader_.symbol(*scan_.parts[i].dc);
    if (size > kDcBits) out_of_range();
    dc_[i] += reader_.signed_bits(size);
    if (std::abs(dc_[i]) << scan_.low_bit > kMaxDc) out_of_range();
  }

  void ac_sequential(const HuffmanTable& table) {
    for (int k = 1; k <= 63;) {
      const int symbol = reader_.symbol(table), size = symbol & 15;
      if (size == 0 && symbol != 0xF0) return;
      if (size == 0) {
        k += 16;
        if (k > 63) out_of_range();
        continue;
      }
      k += symbol >> 4;
      if (k > 63 || size > kAcBits) out_of_range();
      reader_.bits(size);
      ++k;
    }
  }

  // G.1.2.2
  void ac_first(const HuffmanTable& table, std::uint64_t& nonzero) {
    if (end_run_ > 0) {
      --end_run_;
      return;
    }
    for (int k = scan_.first; k <= scan_.last;) {
      const int symbol = reader_.symbol(table), run = symbol >> 4, size = symbol & 15;
      if (size == 0 && run < 15) {
        end_run_ = (1 << run) - 1 + reader_.bits(run);
        return;
      }
      k += size == 0 ? 16 : run;
      if (k > scan_.last || size + scan_.low_bit > kAcBits) out_of_range();
      if (size == 0) continue;
      reader_.bits(size);
      nonzero |= std::uint64_t{1} << k++;
    }
  }

  // G.1.2.3: a correction bit for every coefficient that is not 0; runs count the others.
  void ac_refine(const HuffmanTable& table, std::uint64_t& nonzero) {
    int k = scan_.first;
    while (end_run_ == 0 && k <= scan_.last) {
      const int symbol = reader_.symbol(table), size = symbol & 15;
      int run = symbol >> 4;
      if (size == 0 && run < 15) {
        end_run_ = (1 << run) + reader_.bits(run);
        break;
      }
      if (size > 1) out_of_range();
      if (size == 1) reader_.bits(1);
      for (;; ++k) {
        if (k > scan_.last) out_of_range();
        if ((nonzero >> k & 1) != 0) {
          reader_.bits(1);
        } else if (run-- == 0) {
          break;
        }
      }
      if (size == 1) nonzero |= std::uint64_t{1} << k;
      ++k;
    }
    if (end_run_ == 0) return;
    for (; k <= scan_.last; ++k) {
      if ((nonzero >> k & 1) != 0) reader_.bits(1);
    }
    --end_run_;
  }

  const ImageBytes& file_;
  const JpegFrame& frame_;
  const JpegScan& scan_;
  BitReader reader_;
  std::vector<int> dc_;  // per part, the value of the block before
  int end_run_ = 0;      // blocks still to come that have no more coefficients
};

}  // namespace

std::size_t walk_scan(const ImageBytes& file, std::size_t at, const JpegFrame& frame,
                      const JpegScan& scan) {
  return ScanWalk(file, at, frame, scan).run();
}

}  // namespace intandem
