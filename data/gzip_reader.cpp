#include "data/gzip_reader.hpp"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "core/error.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kMaxDeflateRatio = 1032;
constexpr std::int64_t kChunk_bytes = std::int64_t{1} << 20;

}  // namespace

GzipReader::GzipReader(std::string path, std::string remedy)
    : path_(std::move(path)), remedy_(std::move(remedy)) {
  std::error_code error;
  const auto status = std::filesystem::status(path_, error);
  if (!std::filesystem::exists(status)) fail("no such file");
  if (!std::filesystem::is_regular_file(status)) fail("not a file");
  const auto size_bytes = static_cast<std::int64_t>(std::filesystem::file_size(path_, error));
  if (error) fail("cannot be read (" + error.message() + ")");
  const gzFile file = gzopen(path_.c_str(), "rb");
  if (file == nullptr) fail(std::string("cannot be opened (") + std::strerror(errno) + ")");
  file_ = file;
  gzbuffer(file, 1u << 17);
  const bool plain = gzdirect(file) != 0;
  max_content_bytes_ = plain ? size_bytes : size_bytes * kMaxDeflateRatio;
}

GzipReader::~GzipReader() {
  if (file_ != nullptr) gzclose(static_cast<gzFile>(file_));
}

void GzipReader::fail(const std::string& problem) const { throw Error(path_, problem, remedy_); }

std::int64_t GzipReader::read_some(std::uint8_t* destination, std::int64_t size_bytes) {
  const auto file = static_cast<gzFile>(file_);
  std::int64_t done = 0;
  while (done < size_bytes) {
    const auto wanted = static_cast<unsigned>(std::min(size_bytes - done, kChunk_bytes));
    const int got = gzread(file, destination + done, wanted);
    if (got < 0) {
      int code = 0;
      const std::string reason = gzerror(file, &code);
      if (code == Z_ERRNO) fail(std::string("cannot be read (") + std::strerror(errno) + ")");
      fail("damaged gzip data (" + reason + ")");
    }
    if (got == 0) break;
    done += got;
  }
  return done;
}

void GzipReader::read(std::uint8_t* destination, std::int64_t size_bytes, const std::string& what) {
  const std::int64_t got = read_some(destination, size_bytes);
  if (got == size_bytes) return;
  fail("truncated: " + what + " ends after " + std::to_string(got) + " of " +
       std::to_string(size_bytes) + " bytes");
}

void GzipReader::skip(std::int64_t size_bytes, const std::string& what) {
  std::vector<std::uint8_t> chunk(static_cast<std::size_t>(std::min(size_bytes, kChunk_bytes)));
  for (std::int64_t done = 0; done < size_bytes;) {
    const std::int64_t step = std::min(size_bytes - done, kChunk_bytes);
    read(chunk.data(), step, what);
    done += step;
  }
}

void GzipReader::expect_end() {
  std::uint8_t extra = 0;
  if (read_some(&extra, 1) != 0) fail("has more bytes than its header says");
  // At the end of truncated gzip data zlib returns 0 bytes and this code.
  int code = 0;
  gzerror(static_cast<gzFile>(file_), &code);
  if (code == Z_BUF_ERROR) fail("truncated: the gzip checksum at its end is missing");
}

}  // namespace intandem
