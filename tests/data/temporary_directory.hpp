// A directory for the files a test makes up; gone when the test ends.
#pragma once

#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace intandem::data_test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path() /
            ("intandem-data-test-" + std::to_string(getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string path(const std::string& name = {}) const {
    return name.empty() ? path_.string() : (path_ / name).string();
  }
  /// Writes bytes to a file, making its folder; returns its path.
  std::string write(const std::string& name, const std::string& bytes) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    return file.string();
  }

 private:
  std::filesystem::path path_;
};

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

/// CHECKs that f() throws an Error whose message holds every one of `parts`.
template <class F>
void check_error(const F& f, const std::vector<std::string>& parts) {
  std::string message;
  try {
    f();
  } catch (const std::exception& error) {
    message = error.what();
  }
  for (const std::string& part : parts) CHECK_THAT(message, Catch::Contains(part));
}

}  // namespace intandem::data_test
