// The files of the exchange tests, and the Python that makes new ones.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/npy.hpp"
#include "core/tensor.hpp"

namespace intandem::exchange_test {

inline const std::string kGolden = "tests/golden/exchange";

/// /usr/bin/python3 where Debian's packages are, or PYTHON.
inline std::string python() {
  const char* chosen = std::getenv("PYTHON");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/usr/bin/python3";
}

inline bool run_python(const std::string& arguments) {
  return std::system((python() + " " + arguments).c_str()) == 0;
}

/// Whether `import a, b` works.
inline bool python_has(const std::string& modules) {
  return run_python("-c 'import " + modules + "' >/dev/null 2>&1");
}

/// u8 [N][C][H][W] → [N][H][W][C].
inline TensorU8 channels_last(const TensorU8& images) {
  const std::int64_t N = images.dim(0), C = images.dim(1), H = images.dim(2), W = images.dim(3);
  TensorU8 result({N, H, W, C});
  for (std::int64_t n = 0; n < N; ++n) {
    for (std::int64_t i = 0; i < H * W; ++i) {
      for (std::int64_t c = 0; c < C; ++c) {
        result[(n * H * W + i) * C + c] = images[(n * C + c) * H * W + i];
      }
    }
  }
  return result;
}

}  // namespace intandem::exchange_test
