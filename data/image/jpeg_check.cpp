#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "data/image/checks.hpp"
#include "data/image/jpeg_tables.hpp"

namespace intandem {
namespace {

// Real files have up to some 20 scans. Each may pass all blocks of the image at the price of a few
// bytes, so their number bounds the time a small file can take.
constexpr int kMaxScans = 100;
constexpr std::int64_t kBlockSide = 8;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

class JpegWalk {
 public:
  explicit JpegWalk(const ImageBytes& file) : file_(file) {}

  ImageFacts run() {
    for (at_ = 2;;) {
      if (file_.u8(at_) != 0xFF) file_.damaged("bytes between its segments");
      while (file_.u8(at_ + 1) == 0xFF) ++at_;  // fill bytes
      const std::uint32_t marker = file_.u8(at_ + 1);
      at_ += 2;
      if (marker == 0xD9) break;
      const std::size_t size_bytes = file_.be16(at_);
      if (size_bytes < 2) file_.damaged("a segment without its size");
      const ImageBytes body = file_.part(at_ + 2, size_bytes - 2);
      at_ += size_bytes;
      segment(marker, body);
    }
    if (frame_.components.empty()) file_.damaged("no frame");
    for (const JpegComponent& component : frame_.components) {
      if (!component.decoded) file_.truncated();
    }
    return facts_;
  }

 private:
  void segment(std::uint32_t marker, const ImageBytes& body) {
    switch (marker) {
      case 0xC0:
      case 0xC1:
      case 0xC2:
        frame(body, marker == 0xC2);
        break;
      case 0xC4:
        huffman_tables(body);
        break;
      case 0xDA:
        scan(body);
        break;
      case 0xDB:
        quantization_tables(body);
        break;
      case 0xDD:
        if (body.size() != 2) file_.damaged("a restart interval of the wrong size");
        restart_interval_ = body.be16(0);
        break;
      case 0xE1:
        if (body.starts_with(std::string_view("Exif\0\0", 6))) {
          facts_.orientation = exif_orientation(body.part(6, body.size() - 6));
        }
        break;
      default:
        if ((marker >= 0xE0 && marker <= 0xEF) || marker == 0xFE) break;  // for others to read
        if (marker >= 0xC3 && marker <= 0xCF) {
          file_.damaged("arithmetic, lossless or hierarchical coding, which is not supported");
        }
        file_.damaged("an unexpected marker");
    }
  }

  // B.2.4.1
  void quantization_tables(const ImageBytes& body) {
    for (std::size_t at = 0; at < body.size();) {
      const std::uint32_t precision = body.u8(at) >> 4, number = body.u8(at) & 15;
      if (precision > 1 || number > 3) file_.damaged("an impossible quantization table");
      const std::size_t entry_bytes = 1 + precision;
      body.part(at + 1, 64 * entry_bytes);
      quantization_defined_[number] = true;
      at += 1 + 64 * entry_bytes;
    }
  }

  // B.2.4.2
  void huffman_tables(const ImageBytes& body) {
    for (std::size_t at = 0; at < body.size();) {
      const std::uint32_t kind = body.u8(at) >> 4, number = body.u8(at) & 15;
      if (kind > 1 || number > 3) file_.damaged("an impossible Huffman table");
      std::array<int, HuffmanTable::kMaxLength> counts{};
      int total = 0;
      for (std::size_t i = 0; i < counts.size(); ++i) {
        counts[i] = static_cast<int>(body.u8(at + 1 + i));
        total += counts[i];
      }
      if (total > 256) file_.damaged("a Huffman table of more than 256 codes");
      const ImageBytes symbols = body.part(at + 17, static_cast<std::size_t>(total));
      if (!huffman_[kind][number].define(counts, {symbols.data(), symbols.data() + total})) {
        file_.damaged("a Huffman table of more codes than there are");
      }
      at += 17 + symbols.size();
    }
  }

  // B.2.2
  void frame(const ImageBytes& body, bool progressive) {
    if (!frame_.components.empty()) file_.damaged("two frames");
    if (body.u8(0) != 8) file_.damaged("not 8 bits a sample, which is not supported");
    frame_.progressive = progressive;
    frame_.height = body.be16(1);
    frame_.width = body.be16(3);
    check_image_size(file_, frame_.width, frame_.height);
    facts_.pixels = frame_.width * frame_.height;
    const std::uint32_t components = body.u8(5);
    if (components != 1 && components != 3 && components != 4) {
      file_.damaged(std::to_string(components) + " colour components");
    }
    if (body.size() != 6 + 3 * components) file_.damaged("a frame of the wrong size");
    int max_h = 1, max_v = 1;
    for (std::size_t i = 0; i < components; ++i) {
      JpegComponent c;
      c.id = static_cast<int>(body.u8(6 + 3 * i));
      c.h = static_cast<int>(body.u8(7 + 3 * i) >> 4);
      c.v = static_cast<int>(body.u8(7 + 3 * i) & 15);
      c.quantization = static_cast<int>(body.u8(8 + 3 * i));
      c.low_bit.fill(-1);
      if (c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quantization > 3) {
        file_.damaged("an impossible colour component");
      }
      max_h = std::max(max_h, c.h);
      max_v = std::max(max_v, c.v);
      frame_.components.push_back(c);
    }
    frame_.mcus_w = divide_up(frame_.width, kBlockSide * max_h);
    frame_.mcus_h = divide_up(frame_.height, kBlockSide * max_v);
    for (JpegComponent& c : frame_.components) {
      if (max_h % c.h != 0 || max_v % c.v != 0) {
        file_.damaged("fractional subsampling, which is not supported");
      }
      c.blocks_w = divide_up(divide_up(frame_.width * c.h, max_h), kBlockSide);
      c.blocks_h = divide_up(divide_up(frame_.height * c.v, max_v), kBlockSide);
      c.stored_w = frame_.mcus_w * c.h;
      // A block takes a bit at least, in its first DC scan: nothing is allocated for pixels that
      // the file cannot hold.
      const std::int64_t stored = c.stored_w * frame_.mcus_h * c.v;
      if (c.blocks_w * c.blocks_h > 8 * static_cast<std::int64_t>(file_.size())) file_.truncated();
      if (progressive) c.nonzero.assign(static_cast<std::size_t>(stored), 0);
    }
  }

  // B.2.3
  void scan(const ImageBytes& body) {
    if (frame_.components.empty()) file_.damaged("a scan without a frame");
    if (++scans_ > kMaxScans) file_.damaged("more than 100 scans");
    const std::uint32_t count = body.u8(0);
    if (count < 1 || count > frame_.components.size() || body.size() != 4 + 2 * count) {
      file_.damaged("a scan of the wrong size");
    }
    const std::size_t end = 1 + 2 * std::size_t{count};
    JpegScan scan;
    scan.first = static_cast<int>(body.u8(end));
    scan.last = static_cast<int>(body.u8(end + 1));
    scan.high_bit = static_cast<int>(body.u8(end + 2) >> 4);
    scan.low_bit = static_cast<int>(body.u8(end + 2) & 15);
    scan.restart_interval = restart_interval_;
    check_bands(scan, count);
    for (std::size_t i = 0; i < count; ++i) {
      scan.parts.push_back(part(scan, body.u8(1 + 2 * i), body.u8(2 + 2 * i)));
    }
    at_ = walk_scan(file_, at_, frame_, scan);
  }

  void check_bands(JpegScan& scan, std::uint32_t count) const {
    if (!frame_.progressive) {
      // Some writers leave these four at 0; they mean nothing in a sequential frame.
      if (scan.high_bit != 0 || scan.low_bit != 0 || scan.first != 0) {
        file_.damaged("an impossible scan");
      }
      scan.last = 63;
      return;
    }
    const bool dc = scan.first == 0;
    if (scan.last > 63 || scan.first > scan.last || scan.low_bit > 13 ||
        (dc ? scan.last != 0 : count != 1) ||
        (scan.high_bit != 0 && scan.high_bit != scan.low_bit + 1)) {
      file_.damaged("an impossible scan");
    }
  }

  /// A component of a scan with the tables it needs, and the order of its scans.
  JpegScan::Part part(const JpegScan& scan, std::uint32_t id, std::uint32_t tables) {
    const auto found =
        std::find_if(frame_.components.begin(), frame_.components.end(),
                     [&](const JpegComponent& c) { return c.id == static_cast<int>(id); });
    if (found == frame_.components.end()) file_.damaged("a scan of an unknown component");
    if (std::any_of(scan.parts.begin(), scan.parts.end(),
                    [&](const JpegScan::Part& other) { return other.component == &*found; })) {
      file_.damaged("a component twice in a scan");
    }
    if (tables >> 4 > 3 || (tables & 15) > 3) file_.damaged("an impossible Huffman table");
    const JpegScan::Part part = {&*found, &huffman_[0][tables >> 4], &huffman_[1][tables & 15]};
    const bool has_dc = scan.first == 0 && scan.high_bit == 0;
    const bool has_ac = !frame_.progressive || scan.first > 0;
    if (!quantization_defined_[static_cast<std::size_t>(found->quantization)] ||
        (has_dc && !part.dc->defined()) || (has_ac && !part.ac->defined())) {
      file_.damaged("a table that was never defined");
    }
    if (frame_.progressive ? scan.first > 0 && !found->decoded : found->decoded) {
      file_.damaged("scans in an impossible order");
    }
    for (int k = scan.first; frame_.progressive && k <= scan.last; ++k) {
      int& low_bit = found->low_bit[static_cast<std::size_t>(k)];
      if (low_bit != (scan.high_bit == 0 ? -1 : scan.high_bit)) {
        file_.damaged("scans in an impossible order");
      }
      low_bit = scan.low_bit;
    }
    found->decoded = true;
    return part;
  }

  const ImageBytes& file_;
  std::size_t at_ = 0;
  ImageFacts facts_;
  JpegFrame frame_;
  std::array<std::array<HuffmanTable, 4>, 2> huffman_;  // DC, AC
  std::array<bool, 4> quantization_defined_{};
  std::int64_t restart_interval_ = 0;
  int scans_ = 0;
};

}  // namespace

ImageFacts check_jpeg(const ImageBytes& file) { return JpegWalk(file).run(); }

}  // namespace intandem
