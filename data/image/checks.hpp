// Strict checks of image files. The decoder (data/image/stb.hpp) is small and fast but trusts its
// input: it reads and writes outside its tables, shows grey where data is missing, and ignores
// checksums. So nothing reaches it that has not been walked here from the first byte to the last
// pixel. Every function throws an Error that names the file.
#pragma once

#include "data/image/bytes.hpp"

namespace intandem {

/// Larger images are refused before anything is allocated for them.
inline constexpr std::int64_t kMaxImageSide = 16384;
inline constexpr std::int64_t kMaxImagePixels = std::int64_t{1} << 26;

/// Error if the extents are 0 or beyond the limits above.
void check_image_size(const ImageBytes& file, std::int64_t width, std::int64_t height);

/// What the checks find out on their way.
struct ImageFacts {
  std::int64_t pixels = 0;  ///< width times height
  int orientation = 1;      ///< EXIF: how to turn the stored pixels, 1 … 8 (1: as they are)
  bool may_be_transparent = false;
  bool short_palette = false;  ///< PNG: a pixel may name a colour that the palette does not have
  std::size_t palette_at = 0;  ///< PNG: where that chunk starts
};

/// ITU-T T.81 (JPEG), baseline, extended and progressive Huffman coding of 8 bits: segments and
/// tables, every table that is used defined before, every coefficient of every scan decoded, its
/// value in range, no data missing before the end marker and none left over.
ImageFacts check_jpeg(const ImageBytes& file);

/// PNG (RFC 2083): CRC of every chunk, order of the chunks, exactly the right number of bytes in
/// the zlib stream, its Adler-32, row filters, the end chunk.
ImageFacts check_png(const ImageBytes& file);
/// A PNG with a short palette again, its palette filled up with black.
std::string with_full_palette(const ImageBytes& file, const ImageFacts& facts);

/// GIF87a and GIF89a up to the end of the first frame: blocks, LZW codes, exactly one code stream
/// that fills the frame.
ImageFacts check_gif(const ImageBytes& file);

/// Windows bitmaps without compression: the header's sizes against the file's, palette indices.
ImageFacts check_bmp(const ImageBytes& file);

/// The orientation tag of an EXIF block (a TIFF header and its first directory); 1 if there is
/// none or the block is damaged, for it is no part of the pixels.
int exif_orientation(const ImageBytes& tiff);

}  // namespace intandem
