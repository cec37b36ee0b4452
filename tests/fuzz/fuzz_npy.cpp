// A NumPy file of each type that is read.
#include "core/npy.hpp"
#include "tests/fuzz/harness.hpp"

using namespace intandem;

namespace {

/// Whether the file holds a tensor of T, every element of which is then read.
template <class T>
bool read(const std::string& path, std::size_t file_bytes) {
  try {
    const Tensor<T> tensor = load_npy<T>(path);
    std::size_t non_zero = 0;
    for (const T& value : tensor) non_zero += value != T{0};
    if (non_zero * sizeof(T) > file_bytes) fuzz::fail("more elements than the file holds");
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

INTANDEM_FUZZ(npy) {
  const fuzz::MemoryFile file(input);
  const std::string path = file.path();
  if (!read<std::uint8_t>(path, input.size()) && !read<std::int32_t>(path, input.size())) {
    read<float>(path, input.size());
  }
}
