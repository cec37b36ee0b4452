#include <array>

#include "data/image/checks.hpp"

namespace intandem {
namespace {

constexpr std::size_t kScreen_bytes = 13, kFrame_bytes = 10;
constexpr int kMaxCodes = 4096;

/// Bytes of a color table, from the flags that announce it.
std::size_t table_bytes(std::uint32_t flags) {
  return (flags & 0x80) != 0 ? std::size_t{6} << (flags & 7) : 0;
}

/// Follows the LZW codes of a frame (GIF89a, appendix F) and counts the pixels they stand for.
class CodeStream {
 public:
  CodeStream(const ImageBytes& file, std::size_t at) : file_(file), at_(at + 1) {
    const std::uint32_t root_bits = file.u8(at);
    if (root_bits < 2 || root_bits > 8) file.damaged("an impossible code size");
    clear_ = 1 << root_bits;
    root_code_bits_ = static_cast<int>(root_bits) + 1;
    for (int code = 0; code < clear_; ++code) length_[static_cast<std::size_t>(code)] = 1;
    restart();
  }

  /// Up to the end code.
  std::int64_t pixels() {
    std::int64_t total = 0;
    for (;;) {
      const int code = next_code();
      if (code == clear_) {
        restart();
        started_ = true;
        continue;
      }
      if (code == clear_ + 1) return total;
      // The decoder insists on a clear code first; the others may name what is there, or the next.
      const bool is_next = code == free_ && before_ >= 0;
      if (!started_ || (code > clear_ + 1 && code >= free_ && !is_next)) {
        file_.damaged("an impossible code");
      }
      if (before_ >= 0) add(length_[static_cast<std::size_t>(before_)] + 1);
      total += length_[static_cast<std::size_t>(code)];
      before_ = code;
    }
  }

 private:
  void restart() {
    free_ = clear_ + 2;
    code_bits_ = root_code_bits_;
    before_ = -1;
  }

  void add(std::int64_t length) {
    // A full table stays as it is, but this decoder gives up when many codes more go without a
    // clear code: so do we.
    if (free_ >= 2 * kMaxCodes) file_.damaged("more codes than a table holds");
    length_[static_cast<std::size_t>(free_++)] = length;
    if ((free_ & (free_ - 1)) == 0 && free_ == 1 << code_bits_ && free_ < kMaxCodes) ++code_bits_;
  }

  int next_code() {
    while (count_ < code_bits_) {
      if (left_in_block_ == 0) {
        left_in_block_ = file_.u8(at_++);
        if (left_in_block_ == 0) file_.truncated();
      }
      --left_in_block_;
      bits_ |= file_.u8(at_++) << count_;
      count_ += 8;
    }
    const auto code = static_cast<int>(bits_ & ((1u << code_bits_) - 1));
    bits_ >>= code_bits_;
    count_ -= code_bits_;
    return code;
  }

  const ImageBytes& file_;
  std::size_t at_;
  std::uint32_t left_in_block_ = 0, bits_ = 0;
  int count_ = 0, clear_ = 0, free_ = 0, before_ = -1, root_code_bits_ = 0, code_bits_ = 0;
  bool started_ = false;
  std::array<std::int64_t, 2 * kMaxCodes + 1> length_{};
};

void check_frame(const ImageBytes& file, std::size_t at, std::int64_t width, std::int64_t height,
                 std::uint32_t screen_flags) {
  const std::int64_t w = file.le16(at + 5), h = file.le16(at + 7);
  if (file.le16(at + 1) + w > width || file.le16(at + 3) + h > height || w == 0 || h == 0) {
    file.damaged("a frame outside the image");
  }
  const std::uint32_t flags = file.u8(at + 9);
  if (((flags | screen_flags) & 0x80) == 0) file.damaged("no colors");
  const std::size_t data = at + kFrame_bytes + table_bytes(flags);
  if (CodeStream(file, data).pixels() != w * h) {
    file.damaged("its codes do not fill the frame");
  }
}

}  // namespace

ImageFacts check_gif(const ImageBytes& file) {
  const std::int64_t width = file.le16(6), height = file.le16(8);
  check_image_size(file, width, height);
  const std::uint32_t screen_flags = file.u8(10);
  ImageFacts facts;
  facts.pixels = width * height;
  facts.may_be_transparent = true;
  for (std::size_t at = kScreen_bytes + table_bytes(screen_flags);;) {
    const std::uint32_t block = file.u8(at);
    if (block == 0x2C) {
      check_frame(file, at, width, height, screen_flags);
      return facts;
    }
    if (block != 0x21) file.damaged(block == 0x3B ? "no frame" : "an unknown block");
    // An extension; the decoder takes a control block of another size than 4 for one piece.
    const bool control = file.u8(at + 1) == 0xF9;
    if (control && file.u8(at + 2) != 4) file.damaged("an impossible control block");
    at += 2;
    while (const std::size_t size_bytes = file.u8(at)) at += 1 + size_bytes;
    ++at;
  }
}

}  // namespace intandem
