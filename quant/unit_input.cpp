// The operands of the simulation: codes as bytes and as floats.
#include <algorithm>

#include "core/parallel.hpp"
#include "quant/fake_quant.hpp"
#include "quant/integer/accumulate.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

}  // namespace

TensorU8 code_bytes_of(const TensorF& codes, std::int32_t zero_point) {
  TensorU8 bytes(codes.shape());
  const float* in = codes.data();
  std::uint8_t* out = bytes.data();
  parallel_for(codes.size(), kGrain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      out[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(in[i]) + zero_point);
    }
  });
  return bytes;
}

TensorU8 input_bytes(const IntLayer& layer, const TensorF& x) {
  if (std::all_of(layer.pad_code.begin(), layer.pad_code.end(), [](auto z) { return z == 0; })) {
    return code_bytes_of(x, 0);
  }
  // The codes of a pixel, one after the other, less the zero point of their channel.
  TensorU8 bytes(x.shape());
  const float* in = x.data();
  std::uint8_t* out = bytes.data();
  const std::uint8_t* zero = layer.pad_code.data();
  const std::int64_t C = layer.shape.C;
  parallel_for(x.size() / C, kGrain / C + 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t c = 0; c < C; ++c) {
        out[i * C + c] =
            static_cast<std::uint8_t>(static_cast<std::int32_t>(in[i * C + c]) + zero[c]);
      }
    }
  });
  return bytes;
}

TensorS32 unit_product(const Student& student, int k, const TensorF& x, const TensorS8& weights) {
  UnitCodes codes;
  codes.weights = weights;
  codes.bias = TensorS32::zeros({student.geometry()[static_cast<std::size_t>(k)].shape.K});
  const IntLayer layer = lower_codes(student, k, codes);
  return accumulate(layer, input_bytes(layer, x));
}

TensorF centered_pixels(const TensorU8& images, const Normalization& normalization) {
  TensorF x(images.shape());
  const auto C = static_cast<std::int64_t>(normalization.zero_point.size());
  INTANDEM_CHECK(images.dim(3) == C, "images of shape " + images.shape().str() + " for " +
                                         std::to_string(C) + " channels");
  parallel_for(x.size() / C, kGrain / C, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t c = 0; c < C; ++c) {
        x[i * C + c] = static_cast<float>(std::int32_t{images[i * C + c]} -
                                          normalization.zero_point[static_cast<std::size_t>(c)]);
      }
    }
  });
  return x;
}

TensorF codes_to_float(const std::uint8_t* codes, const Shape& shape, std::int32_t zero_point) {
  TensorF x(shape);
  parallel_for(x.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) x[i] = static_cast<float>(codes[i] - zero_point);
  });
  return x;
}

}  // namespace intandem
