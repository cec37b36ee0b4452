// Files are written whole or not at all: temporary name, sync, rename.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace intandem {

/// Replaces `path` by `contents`: writes path.tmp.<pid>, fsyncs it, renames it over `path` and
/// fsyncs the directory. On any error (read-only directory, full disk, …) the old file is intact,
/// the temporary is removed and Error names the path.
void write_file_atomic(const std::string& path, std::string_view contents);

/// The same in pieces, for files too large to build in memory first. Nothing is visible under
/// `path` before commit(); a writer that is destroyed without it leaves nothing behind.
class AtomicWriter {
 public:
  /// Opens the temporary file; Error if the directory is missing or not writable.
  explicit AtomicWriter(const std::string& path);
  ~AtomicWriter();
  AtomicWriter(const AtomicWriter&) = delete;
  AtomicWriter& operator=(const AtomicWriter&) = delete;

  /// Error (full disk, file size limit, …) names `path`; the temporary is gone by then.
  void write(const void* data, std::int64_t size_bytes);
  /// fsync, rename over `path`, fsync of the directory.
  void commit();

 private:
  [[noreturn]] void fail(const std::string& step);

  std::string path_, temporary_;
  int descriptor_ = -1;
};

/// Removes the NAME.tmp.<pid> files of processes that no longer run on this machine from a
/// directory nobody else writes to. What cannot be removed stays.
void remove_abandoned_temporaries(const std::string& directory);

/// Reads a regular file front to back. Not a regular file (directory, pipe, device): Error.
class FileReader {
 public:
  /// Missing or unreadable: Error with `remedy`.
  FileReader(const std::string& path, const std::string& remedy);
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  /// Size when the file was opened.
  std::int64_t size_bytes() const { return size_bytes_; }
  /// Exactly size_bytes bytes; Error if the file ends before.
  void read(void* data, std::int64_t size_bytes);

 private:
  std::string path_, remedy_;
  int descriptor_ = -1;
  std::int64_t size_bytes_ = 0;
};

/// The whole file. Missing or unreadable: Error with `remedy`.
std::string read_file(const std::string& path, const std::string& remedy);

/// Creates the directory and its parents; Error if that fails or it is not writable.
void make_directory(const std::string& path);

bool file_exists(const std::string& path);

/// An append-only text file of whole lines that can be cut back when a run is resumed.
class LineLog {
 public:
  /// Opens `path` for appending and cuts it to `keep_bytes` (0: start again). Error if it holds
  /// fewer bytes than that.
  LineLog(const std::string& path, std::int64_t keep_bytes);
  ~LineLog();
  LineLog(const LineLog&) = delete;
  LineLog& operator=(const LineLog&) = delete;

  /// Appends one line (without its newline) in a single write. Errors name the file.
  void append(std::string_view line);
  /// Flushes to disk and returns the size to keep on resume.
  std::int64_t sync();

 private:
  std::string path_;
  int descriptor_ = -1;
  std::int64_t size_bytes_ = 0;
};

}  // namespace intandem
