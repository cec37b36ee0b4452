// Reads a plain or gzip-compressed file from front to back, with errors that name it.
#pragma once

#include <cstdint>
#include <string>

namespace intandem {

/// One pass over the contents of a file; gzip is recognized by its first bytes, not by its name.
class GzipReader {
 public:
  /// Error if the file is missing or unreadable. remedy: how to get a good file; ends every error.
  GzipReader(std::string path, std::string remedy);
  ~GzipReader();
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  /// Fills `destination` with the next size_bytes. Error, naming `what` and the counts, if the file
  /// ends before that or its compressed data is damaged.
  void read(std::uint8_t* destination, std::int64_t size_bytes, const std::string& what);
  /// Reads and drops size_bytes; same errors.
  void skip(std::int64_t size_bytes, const std::string& what);
  /// Error if anything is left, or if the gzip checksum at the end is wrong.
  void expect_end();

  /// No file of this size on disk can hold more: its size, or 1032 times that if it is gzip (the
  /// largest ratio deflate can reach). Bounds what a header may make us allocate.
  std::int64_t max_content_bytes() const { return max_content_bytes_; }

  /// Throws Error(path, problem, remedy).
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  /// Up to size_bytes; fewer only at the end of the file.
  std::int64_t read_some(std::uint8_t* destination, std::int64_t size_bytes);

  std::string path_, remedy_;
  void* file_ = nullptr;  // gzFile
  std::int64_t max_content_bytes_ = 0;
};

}  // namespace intandem
