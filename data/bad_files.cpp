#include "data/bad_files.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/parallel.hpp"
#include "core/progress.hpp"
#include "data/image_file.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kPerRound = 1024;

/// "" if the file is a whole image; else why not.
std::string reason_against(const std::string& path, std::int64_t size_bytes) {
  try {
    check_image_file_size(static_cast<std::uintmax_t>(std::max<std::int64_t>(0, size_bytes)), path);
    check_image(read_file(path, kImageRemedy), path);
    return "";
  } catch (const Error& error) {
    const std::string text = error.what();  // the remedy does not apply
    return text.substr(0, text.rfind("; "));
  }
}

}  // namespace

BadFiles find_bad_files(const std::string& part, const FileList& files) {
  const auto count = static_cast<std::int64_t>(files.size());
  Progress progress("checking images", count);
  BadFiles bad;
  for (std::int64_t first = 0; first < count; first += kPerRound) {
    const std::int64_t N = std::min(kPerRound, count - first);
    std::vector<std::string> reasons(static_cast<std::size_t>(N));
    parallel_for(N, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto at = static_cast<std::size_t>(first + i);
        reasons[static_cast<std::size_t>(i)] =
            reason_against(part + "/" + std::string(files.path(at)), files.size_bytes(at));
      }
    });
    for (std::int64_t i = 0; i < N; ++i) {
      std::string& reason = reasons[static_cast<std::size_t>(i)];
      if (reason.empty()) continue;
      bad.indices.push_back(first + i);
      bad.reasons.push_back(std::move(reason));
    }
    progress.update(first + N, std::to_string(bad.indices.size()) + " bad");
  }
  progress.finish();
  store_bad_files(part, files, bad);
  return bad;
}

}  // namespace intandem
