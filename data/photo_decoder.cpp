#include "data/photo_decoder.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "data/image_file.hpp"

namespace intandem {
namespace {

/// Enough for the file and the decoding of an image of a million pixels.
constexpr std::int64_t kUsual_bytes = std::int64_t{32} << 20;

std::string megabytes(std::int64_t bytes) { return std::to_string(bytes / 1'000'000) + " MB"; }

}  // namespace

PhotoDecoder::PhotoDecoder(std::int64_t memory_bytes)
    : budget_(std::max(memory_bytes / 2, kUsual_bytes)) {}

void PhotoDecoder::decode(const std::string& source, const std::function<std::string()>& contents,
                          std::int64_t channels, const std::function<void(const Pixels&)>& f) {
  for (std::int64_t bytes = kUsual_bytes;;) {
    const auto grant = budget_.take(bytes);
    const std::string file = contents();
    const ImageFacts facts = check_image(file, source);
    const std::int64_t need_bytes = static_cast<std::int64_t>(file.size()) + decoding_bytes(facts);
    if (need_bytes > budget_.bytes()) {
      throw Error(source,
                  "takes " + megabytes(need_bytes) + " to decode, and images may take " +
                      megabytes(budget_.bytes()),
                  "make it smaller, or raise --data-memory to twice as much");
    }
    if (need_bytes <= bytes) {
      f(decode_checked(file, source, facts, channels));
      return;
    }
    bytes = need_bytes;  // give back first, or two large images would wait for each other
  }
}

}  // namespace intandem
