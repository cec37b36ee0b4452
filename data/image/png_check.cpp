#include <zlib.h>

#include <array>
#include <vector>

#include "core/error.hpp"
#include "data/image/checks.hpp"

namespace intandem {
namespace {

constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";

struct Header {
  std::int64_t width = 0, height = 0;
  int depth = 0, colour = 0;
  bool interlaced = false;

  int samples() const { return colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1; }
  std::int64_t row_bytes(std::int64_t pixels) const {
    return 1 + (pixels * samples() * depth + 7) / 8;  // 1: the filter
  }
};

Header read_header(const ImageBytes& chunk) {
  if (chunk.size() != 13) chunk.damaged("header of the wrong size");
  Header header;
  header.width = chunk.be32(0);
  header.height = chunk.be32(4);
  header.depth = static_cast<int>(chunk.u8(8));
  header.colour = static_cast<int>(chunk.u8(9));
  const int d = header.depth;
  const bool small = d == 1 || d == 2 || d == 4, deep = d == 8 || d == 16;
  const bool possible = header.colour == 0   ? small || deep
                        : header.colour == 3 ? small || d == 8
                                             : deep && header.colour <= 6 && header.colour % 2 == 0;
  if (!possible) chunk.damaged("impossible colour type or depth");
  if (chunk.u8(10) != 0 || chunk.u8(11) != 0 || chunk.u8(12) > 1) {
    chunk.damaged("unknown compression, filter or interlace method");
  }
  header.interlaced = chunk.u8(12) == 1;
  check_image_size(chunk, header.width, header.height);
  return header;
}

/// Follows the filter bytes through the rows of all passes as the pixels come in.
class Rows {
 public:
  explicit Rows(const Header& header) {
    // First column, first row and steps of Adam7's passes.
    constexpr std::array<std::array<int, 4>, 7> kPasses = {{{0, 0, 8, 8},
                                                            {4, 0, 8, 8},
                                                            {0, 4, 4, 8},
                                                            {2, 0, 4, 4},
                                                            {0, 2, 2, 4},
                                                            {1, 0, 2, 2},
                                                            {0, 1, 1, 2}}};
    if (!header.interlaced) {
      add(header, header.width, header.height);
      return;
    }
    for (const auto& [x, y, dx, dy] : kPasses) {
      add(header, (header.width - x + dx - 1) / dx, (header.height - y + dy - 1) / dy);
    }
  }

  std::int64_t total_bytes() const { return total_bytes_; }

  /// The next bytes of the pixel data; false if a filter is none of the five.
  bool follow(const unsigned char* bytes, std::int64_t size_bytes) {
    for (std::int64_t at = 0; at < size_bytes;) {
      if (left_in_row_ == 0) {
        while (pass_ < passes_.size() && passes_[pass_].rows == 0) ++pass_;
        if (pass_ == passes_.size()) return true;
        --passes_[pass_].rows;
        left_in_row_ = passes_[pass_].row_bytes;
        if (bytes[at] > 4) return false;
      }
      const std::int64_t step = std::min(left_in_row_, size_bytes - at);
      left_in_row_ -= step;
      at += step;
    }
    return true;
  }

 private:
  struct Pass {
    std::int64_t rows, row_bytes;
  };
  void add(const Header& header, std::int64_t width, std::int64_t height) {
    if (width <= 0 || height <= 0) return;
    passes_.push_back({height, header.row_bytes(width)});
    total_bytes_ += height * header.row_bytes(width);
  }

  std::vector<Pass> passes_;
  std::size_t pass_ = 0;
  std::int64_t left_in_row_ = 0, total_bytes_ = 0;
};

/// Inflates the IDAT chunks one after the other and keeps nothing but counts.
class PixelStream {
 public:
  PixelStream(const ImageBytes& file, const Header& header) : file_(file), rows_(header) {
    INTANDEM_CHECK(inflateInit(&stream_) == Z_OK, "zlib does not start");
  }
  ~PixelStream() { inflateEnd(&stream_); }
  PixelStream(const PixelStream&) = delete;
  PixelStream& operator=(const PixelStream&) = delete;

  void add(const ImageBytes& chunk) {
    stream_.next_in = const_cast<unsigned char*>(chunk.data());
    stream_.avail_in = static_cast<unsigned>(chunk.size());
    stream_.avail_out = 0;
    while (!ended_ && (stream_.avail_in > 0 || stream_.avail_out == 0)) {
      stream_.next_out = out_.data();
      stream_.avail_out = static_cast<unsigned>(out_.size());
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
        file_.damaged(std::string("pixel data: ") +
                      (stream_.msg != nullptr ? stream_.msg : "cannot be decompressed"));
      }
      const auto got = static_cast<std::int64_t>(out_.size() - stream_.avail_out);
      done_bytes_ += got;
      if (done_bytes_ > rows_.total_bytes()) file_.damaged("more pixel data than its size takes");
      if (!rows_.follow(out_.data(), got)) file_.damaged("unknown row filter");
      ended_ = code == Z_STREAM_END;
    }
    if (ended_ && stream_.avail_in > 0) file_.damaged("more pixel data than its size takes");
  }

  void finish() const {
    if (!ended_ || done_bytes_ != rows_.total_bytes()) {
      file_.damaged("truncated: the pixel data ends early");
    }
  }

 private:
  const ImageBytes& file_;
  Rows rows_;
  z_stream stream_{};
  std::array<unsigned char, 1 << 15> out_;
  std::int64_t done_bytes_ = 0;
  bool ended_ = false;
};

bool is_known(std::string_view type) {
  return type == "IHDR" || type == "PLTE" || type == "IDAT" || type == "IEND";
}

/// One chunk, its CRC compared.
struct Chunk {
  std::string_view type;
  ImageBytes body;

  Chunk(const ImageBytes& file, std::size_t at) : body(file.part(at + 8, file.be32(at))) {
    type = {reinterpret_cast<const char*>(file.data()) + at + 4, 4};
    const auto crc = crc32_z(0, file.data() + at + 4, body.size() + 4);
    if (crc != file.be32(at + 8 + body.size())) file.damaged("the checksum of a chunk is wrong");
  }
  std::size_t size_bytes() const { return body.size() + 12; }
};

}  // namespace

ImageFacts check_png(const ImageBytes& file) {
  if (!file.starts_with(kSignature)) file.damaged("its signature was changed");
  std::size_t at = kSignature.size();
  const Chunk first(file, at);
  if (first.type != "IHDR") file.damaged("starts without a header");
  const Header header = read_header(first.body);
  PixelStream pixels(file, header);
  ImageFacts facts;
  facts.pixels = header.width * header.height;
  facts.may_be_transparent = header.colour == 4 || header.colour == 6;
  bool palette = false, after_pixels = false;
  std::string_view before = first.type;
  for (at += first.size_bytes();;) {
    const Chunk chunk(file, at);
    at += chunk.size_bytes();
    if (chunk.type == "IEND") break;
    if (chunk.type == "IHDR") file.damaged("two headers");
    if (chunk.type == "IDAT") {
      if (after_pixels && before != "IDAT") file.damaged("pixel data in two places");
      if (header.colour == 3 && !palette) file.damaged("no palette");
      after_pixels = true;
      pixels.add(chunk.body);
    } else if (chunk.type == "PLTE") {
      if (palette || after_pixels) file.damaged("misplaced palette");
      if (chunk.body.size() > 3 * 256) file.damaged("palette of more than 256 colours");
      palette = true;
      facts.palette_at = at - chunk.size_bytes();
      facts.short_palette =
          header.colour == 3 && chunk.body.size() < (std::size_t{3} << header.depth);
    } else if (chunk.type == "tRNS") {
      if (after_pixels) file.damaged("misplaced transparency");
      facts.may_be_transparent = true;
    } else if (chunk.type == "eXIf") {
      facts.orientation = exif_orientation(chunk.body);
    } else if (!is_known(chunk.type) && (chunk.type[0] & 0x20) == 0) {
      file.damaged("a chunk that PNG does not know");
    }
    before = chunk.type;
  }
  pixels.finish();
  return facts;
}

std::string with_full_palette(const ImageBytes& file, const ImageFacts& facts) {
  const std::size_t used_bytes = file.be32(facts.palette_at);
  const std::size_t end = facts.palette_at + 8 + used_bytes;
  const std::string_view bytes(reinterpret_cast<const char*>(file.data()), file.size());
  const std::string_view length("\0\0\x03\0", 4);  // 3·256; the decoder looks at no CRC
  std::string full(bytes.substr(0, facts.palette_at));
  full.append(length).append(bytes.substr(facts.palette_at + 4, 4 + used_bytes));
  full.append(3 * 256 - used_bytes, '\0').append(bytes.substr(end));
  return full;
}

}  // namespace intandem
