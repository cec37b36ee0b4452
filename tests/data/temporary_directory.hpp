// Made-up files of the data formats.
#pragma once

#include <zlib.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/temporary_directory.hpp"

namespace intandem::data_test {

using test::check_error;
using test::TemporaryDirectory;

inline std::string gzip(const std::string& bytes) {
  std::vector<unsigned char> out(compressBound(bytes.size()) + 64);
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  const std::string result(reinterpret_cast<char*>(out.data()), stream.total_out);
  deflateEnd(&stream);
  return result;
}

/// An IDX file of unsigned bytes.
inline std::string idx_file(const std::vector<std::uint32_t>& extents, const std::string& data,
                            char type = 8) {
  std::string file = {0, 0, type, static_cast<char>(extents.size())};
  for (const std::uint32_t e : extents) {
    for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>((e >> shift) & 255);
  }
  return file + data;
}

/// n bytes that differ: (start + 7·i) mod 251.
inline std::string byte_pattern(std::size_t n, std::size_t start = 0) {
  std::string bytes(n, '\0');
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<char>((start + 7 * i) % 251);
  return bytes;
}

}  // namespace intandem::data_test
