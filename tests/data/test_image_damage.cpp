// What cameras, editors and broken disks make of image files: turned, transparent, of other kinds,
// damaged. The decoder must see none of the damaged ones.
#include <catch2/catch.hpp>

#include "data/image_file.hpp"
#include "tests/data/image_writers.hpp"
#include "tests/data/temporary_directory.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::data_test;

namespace {

bool is_refused(const std::string& bytes) {
  try {
    decode_image(bytes, "some.file", 3);
    return false;
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK(message.rfind("some.file: ", 0) == 0);
    CHECK(message.find("()") == std::string::npos);  // a reason is given
    return true;
  }
}

TensorU8 turned(const TensorU8& image, int orientation) {
  Pixels pixels(image.dim(0), image.dim(1), image.dim(2));
  std::copy_n(image.data(), image.size(), pixels.data.get());
  pixels = turn_upright(std::move(pixels), orientation);
  TensorU8 result({pixels.H, pixels.W, pixels.C});
  std::copy_n(pixels.data.get(), pixels.size(), result.data());
  return result;
}

const std::string kEndMarker = "\xFF\xD9";

/// Where the entropy-coded data of the first scan begins.
std::size_t scan_data(const std::string& jpeg_bytes) {
  const std::size_t at = jpeg_bytes.find("\xFF\xDA");
  REQUIRE(at != std::string::npos);
  return at + 2 + static_cast<unsigned char>(jpeg_bytes[at + 3]);
}

std::string segment(char marker, const std::string& body) {
  const std::size_t size = body.size() + 2;
  return std::string("\xFF") + marker + static_cast<char>(size >> 8) +
         static_cast<char>(size & 255) + body;
}

/// An 8×8 grey JPEG of the given tables and data.
std::string small_jpeg(const std::string& tables, const std::string& data, char components = 1,
                       const std::string& sampling = std::string("\x01\x11\0", 3)) {
  return "\xFF\xD8" + tables +
         segment('\xC0', std::string("\x08\0\x08\0\x08", 5) + components + sampling) +
         segment('\xDA', std::string("\x01\x01\0\0\x3F\0", 6)) + data + kEndMarker;
}

std::string quantization() { return segment('\xDB', '\0' + std::string(64, '\x01')); }

/// One code, '0' (1 bit), for symbol 0: no difference, or end of block.
std::string huffman(char kind_and_number) {
  return segment('\xC4', kind_and_number + std::string("\x01") + std::string(15, '\0') + '\0');
}

const std::string kShared = "../shared/cases/images/";

}  // namespace

TEST_CASE("image file: EXIF orientation gives the upright picture", "[data]") {
  // What each orientation means: where pixel (y, x) of the upright picture is stored.
  const TensorU8 stored = gradient(5, 8, 3);
  const std::int64_t H = 5, W = 8;
  const auto from = [&](int o, std::int64_t y,
                        std::int64_t x) -> std::pair<std::int64_t, std::int64_t> {
    switch (o) {
      case 2:
        return {y, W - 1 - x};
      case 3:
        return {H - 1 - y, W - 1 - x};
      case 4:
        return {H - 1 - y, x};
      case 5:
        return {x, y};
      case 6:
        return {H - 1 - x, y};
      case 7:
        return {H - 1 - x, W - 1 - y};
      case 8:
        return {x, W - 1 - y};
      default:
        return {y, x};
    }
  };
  for (int o = 1; o <= 8; ++o) {
    for (const bool little : {false, true}) {
      const TensorU8 upright = decode_image(with_orientation(png(stored), o, little), "p", 3);
      REQUIRE(upright.shape() == (o >= 5 ? Shape{W, H, 3} : Shape{H, W, 3}));
      bool right = true;
      for (std::int64_t y = 0; y < upright.dim(0); ++y) {
        for (std::int64_t x = 0; x < upright.dim(1); ++x) {
          const auto [h, w] = from(o, y, x);
          for (int c = 0; c < 3; ++c) {
            right =
                right && upright[(y * upright.dim(1) + x) * 3 + c] == stored[(h * W + w) * 3 + c];
          }
        }
      }
      INFO("orientation " << o);
      CHECK(right);
      const std::string photo = jpeg(stored);
      CHECK(same(decode_image(with_orientation(photo, o, little), "j", 3),
                 turned(decode_image(photo, "j", 3), o)));
    }
  }
  // Values that mean nothing, and a block cut anywhere, leave the picture as it is.
  CHECK(same(decode_image(with_orientation(png(stored), 0, true), "p", 3), stored));
  CHECK(same(decode_image(with_orientation(png(stored), 9, true), "p", 3), stored));
  const std::string good = png(stored), whole = with_orientation(good, 6, true);
  const std::string tiff = whole.substr(8 + 25 + 8, 26);
  for (std::size_t size = 0; size < 20; ++size) {
    const std::string cut =
        good.substr(0, 33) + png_chunk("eXIf", tiff.substr(0, size)) + good.substr(33);
    CHECK(same(decode_image(cut, "p", 3), stored));
  }
}

TEST_CASE("image file: transparent pixels are laid on white", "[data]") {
  TensorU8 image = gradient(6, 7, 4);
  const std::uint8_t alphas[] = {0, 255, 128, 1, 254};
  for (std::int64_t i = 0; i < 42; ++i) image[4 * i + 3] = alphas[i % 5];
  const TensorU8 colour = decode_image(png(image), "rgba", 3);
  const TensorU8 grey = decode_image(png(image), "rgba", 1);
  for (std::int64_t i = 0; i < 42; ++i) {
    int rgb[3];
    for (int c = 0; c < 3; ++c) {
      const int a = image[4 * i + 3];
      rgb[c] = (image[4 * i + c] * a + 255 * (255 - a) + 127) / 255;
      CHECK(colour[3 * i + c] == rgb[c]);
    }
    CHECK(grey[i] == (77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2]) >> 8);
  }
  TensorU8 two({1, 2, 2});
  two[0] = 10, two[1] = 0, two[2] = 10, two[3] = 255;
  const TensorU8 laid = decode_image(png(two), "grey and alpha", 1);
  CHECK(laid[0] == 255);
  CHECK(laid[1] == 10);
  // Of a picture without transparent pixels, every byte stays.
  for (std::int64_t i = 0; i < 42; ++i) image[4 * i + 3] = 255;
  const TensorU8 opaque = decode_image(png(image), "opaque", 3);
  for (std::int64_t i = 0; i < 42; ++i) {
    for (int c = 0; c < 3; ++c) CHECK(opaque[3 * i + c] == image[4 * i + c]);
  }
}

TEST_CASE("image file: BMP and GIF are told by their contents", "[data]") {
  const TemporaryDirectory dir;
  const TensorU8 colour = gradient(7, 5, 3);
  CHECK(same(read_image(dir.write("bitmap.jpg", bmp(colour)), 3), colour));
  TensorU8 entries({9, 30, 1});
  for (std::int64_t i = 0; i < entries.size(); ++i)
    entries[i] = static_cast<std::uint8_t>(i * i % 4);
  const TensorU8 opaque = read_image(dir.write("drawing.png", gif(entries)), 3);
  const TensorU8 seen = decode_image(gif(entries, 2), "gif", 3);
  for (std::int64_t i = 0; i < entries.size(); ++i) {
    for (int c = 0; c < 3; ++c) {
      CHECK(opaque[3 * i + c] == gif_colour(entries[i], c));
      CHECK(seen[3 * i + c] == (entries[i] == 2 ? 255 : gif_colour(entries[i], c)));
    }
  }
  CHECK(is_image(png(colour).substr(0, 16)));
  CHECK(is_image(gif(entries).substr(0, 16)));
  CHECK_FALSE(is_image("#!/bin/sh"));
  CHECK_FALSE(is_image(""));
}

TEST_CASE("image file: no part of a file is an image", "[data]") {
  const TensorU8 colour = gradient(12, 17, 3);
  TensorU8 entries({5, 9, 1});
  for (std::int64_t i = 0; i < entries.size(); ++i) entries[i] = static_cast<std::uint8_t>(i % 4);
  for (const std::string& file : {png(colour), jpeg(colour), bmp(colour), gif(entries)}) {
    CHECK_FALSE(is_refused(file));
    // GIF: behind the first frame's codes come their end block and the trailer.
    const std::size_t end = file[0] == 'G' ? file.size() - 2 : file.size();
    for (std::size_t size = 0; size < end; ++size) CHECK(is_refused(file.substr(0, size)));
  }
}

TEST_CASE("image file: every bit of a PNG file counts", "[data]") {
  const std::string good = png(gradient(6, 9, 3));
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      INFO("byte " << i << " bit " << bit);
      CHECK(is_refused(bad));
    }
  }
}

TEST_CASE("image file: PNG data behind right checksums is still checked", "[data]") {
  const auto build = [](const std::string& raw, const std::string& header,
                        const std::string& more = "") {
    std::string packed(compressBound(raw.size()), '\0');
    uLongf size = packed.size();
    REQUIRE(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                     reinterpret_cast<const Bytef*>(raw.data()), raw.size()) == Z_OK);
    return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + more +
           png_chunk("IDAT", packed.substr(0, size)) + png_chunk("IEND", "");
  };
  const auto header = [](char side, char depth, char colour, char interlace = 0) {
    return std::string("\0\0\0", 3) + side + std::string("\0\0\0", 3) + side + depth + colour +
           '\0' + '\0' + interlace;
  };
  const std::string row = std::string("\0\x01\x02\x03\x04", 5);
  const std::string all = row + row + row + row;
  CHECK_FALSE(is_refused(build(all, header(4, 8, 0))));
  CHECK(is_refused(build(all.substr(1), header(4, 8, 0))));           // a byte short
  CHECK(is_refused(build(all + '\0', header(4, 8, 0))));              // a byte too many
  CHECK(is_refused(build('\x05' + all.substr(1), header(4, 8, 0))));  // no such filter
  CHECK(is_refused(build(all, header(4, 8, 0, 1))));  // Adam7 takes more bytes: 16 + 7 rows
  CHECK_FALSE(is_refused(build(std::string(16 + 7, '\0'), header(4, 8, 0, 1))));
  CHECK(is_refused(build(all, header(4, 8, 3))));  // no palette
  CHECK(is_refused(build(all, header(4, 8, 0), png_chunk("NEWS", "critical"))));
  CHECK_FALSE(is_refused(build(all, header(4, 8, 0), png_chunk("teXt", "more"))));
  CHECK(is_refused(build(all, header(4, 3, 0))));
  CHECK(is_refused(build(all, header(4, 16, 3))));
  // An index beyond the palette is black, not what the stack holds.
  const std::string palette = png_chunk("PLTE", "ABCDEF");
  const TensorU8 image = decode_image(build(all, header(4, 8, 3), palette), "palette", 3);
  CHECK(image[0] == 'D');
  for (std::int64_t i = 3; i < 12; ++i) CHECK(image[i] == 0);
}

TEST_CASE("image file: JPEG data that ends early is found behind any end marker", "[data]") {
  const std::string good = jpeg(gradient(40, 50, 3));
  const std::size_t first = scan_data(good), last = good.size() - 2;
  for (std::size_t cut = first; cut < last; ++cut) {
    INFO("cut at " << cut);
    CHECK(is_refused(good.substr(0, cut) + kEndMarker));
  }
  CHECK(is_refused(good.substr(0, last) + "more" + kEndMarker));
  CHECK_FALSE(is_refused(good.substr(0, last) + std::string(3, '\0') + kEndMarker));
}

TEST_CASE("image file: JPEG tables that the decoder would trust", "[data]") {
  const std::string dc = huffman('\0'), ac = huffman('\x10');
  const std::string data("\x3F", 1);  // two codes '0', padding
  const std::string good = small_jpeg(quantization() + dc + ac, data);
  CHECK(same(decode_image(good, "flat", 1), TensorU8::full({8, 8, 1}, 128)));
  CHECK(is_refused(small_jpeg(dc + ac, data)));              // quantization never defined
  CHECK(is_refused(small_jpeg(quantization() + ac, data)));  // Huffman tables never defined
  CHECK(is_refused(small_jpeg(quantization() + dc, data)));
  // 16·255 codes: written behind the table, and behind everything else.
  const std::string many =
      segment('\xC4', '\0' + std::string(16, '\xFF') + std::string(4080, '\0'));
  check_error([&] { decode_image(small_jpeg(quantization() + many + ac, data), "many.jpg", 3); },
              {"many.jpg: ", "more than 256 codes"});
  // 3 codes of one bit.
  const std::string three =
      segment('\xC4', std::string("\0\x03", 2) + std::string(15, '\0') + "abc");
  CHECK(is_refused(small_jpeg(quantization() + three + ac, data)));
  CHECK(is_refused(small_jpeg(quantization() + dc + ac, "\xFF\0\xFF")));  // no such code
  CHECK(is_refused(small_jpeg(quantization() + dc + ac, "")));
  // Sampling of 3 against 2; a component that no scan brings; sampling 0.
  CHECK(is_refused(small_jpeg(quantization() + dc + ac, data, 3,
                              std::string("\x01\x31\0\x02\x21\0\x03\x11\0", 9))));
  CHECK(is_refused(small_jpeg(quantization() + dc + ac, data, 3,
                              std::string("\x01\x11\0\x02\x11\0\x03\x11\0", 9))));
  CHECK(is_refused(small_jpeg(quantization() + dc + ac, data, 1, std::string("\x01\x01\0", 3))));
  // The same scan twice.
  const std::size_t scan = good.find("\xFF\xDA");
  CHECK(is_refused(good.substr(0, good.size() - 2) + good.substr(scan)));
}

TEST_CASE("image file: the files that once failed", "[data]") {
  if (!std::filesystem::is_directory(kShared)) INTANDEM_SKIP("no " + kShared);
  const TensorU8 upright = read_image(kShared + "exif1.jpg", 3);
  for (int o = 2; o <= 8; ++o) {
    const TensorU8 image = read_image(kShared + "exif" + std::to_string(o) + ".jpg", 3);
    CHECK(same(image, turned(upright, o)));
  }
  const TensorU8 hidden = read_image(kShared + "rgba_hidden.png", 3);
  CHECK(hidden[0] == 255);
  for (const std::string name :
       {"bitflip_stored.png", "badadler.png", "badcrc.png", "short_idat.png", "noiend.png",
        "trunc_eoi.jpg", "huffman_counts.jpg"}) {
    check_error([&] { read_image(kShared + name, 3); }, {kShared + name + ": damaged image ("});
  }
}
