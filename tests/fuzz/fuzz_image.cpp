// An image file of any kind, through its check and the decoder behind it.
#include <algorithm>

#include "data/image_file.hpp"
#include "tests/fuzz/harness.hpp"

using namespace intandem;

INTANDEM_FUZZ(image) {
  const std::string bytes = fuzz::text_of(input);
  const TensorU8 colour = decode_image(bytes, "image", 3);
  // The largest images take a second each with the sanitizers: once is enough.
  if (colour.size() > std::int64_t{3} << 20) return;
  // A damaged file may differ from itself only through memory that nobody wrote.
  const TensorU8 again = decode_image(bytes, "image", 3);
  if (!(colour.shape() == again.shape()) ||
      !std::equal(colour.begin(), colour.end(), again.begin())) {
    fuzz::fail("an image differs from itself");
  }
  const TensorU8 grey = decode_image(bytes, "image", 1);
  if (grey.size() * 3 != colour.size()) fuzz::fail("grey and colour differ in size");
}
