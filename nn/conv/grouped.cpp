#include "nn/conv/grouped.hpp"

#include <algorithm>

#include "core/parallel.hpp"
#include "core/tensor.hpp"
#include "nn/conv/conv2d.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kPixels = 256;

/// out[i][0 … width−1] = in[i][first … first + width − 1] of rows of `channels`.
TensorF take_channels(const float* in, std::int64_t pixels, std::int64_t channels,
                      std::int64_t first, std::int64_t width) {
  TensorF out({pixels, width});
  parallel_for(pixels, kPixels, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::copy_n(in + i * channels + first, width, out.data() + i * width);
    }
  });
  return out;
}

/// The reverse.
void put_channels(const TensorF& in, std::int64_t channels, std::int64_t first, float* out) {
  const std::int64_t width = in.dim(1);
  parallel_for(in.dim(0), kPixels, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::copy_n(in.data() + i * width, width, out + i * channels + first);
    }
  });
}

/// One group of a grouped convolution.
struct Group {
  Group(const ConvShape& s, std::int64_t g)
      : shape{s.N, s.H, s.W, s.group_C(), s.group_K(), s.R, s.S, s.stride, s.pad},
        first_C(g * s.group_C()),
        first_K(g * s.group_K()),
        inputs(s.N * s.H * s.W),
        outputs(s.N * s.P() * s.Q()),
        weights(first_K * s.reduction()) {}
  ConvShape shape;
  std::int64_t first_C, first_K;
  std::int64_t inputs, outputs;  ///< pixels
  std::int64_t weights;          ///< where its filters begin
};

}  // namespace

void grouped_forward(const ConvShape& shape, const float* x, const float* w, const float* bias,
                     float* y) {
  if (shape.is_depthwise()) return depthwise_forward(shape, x, w, bias, y);
  for (std::int64_t g = 0; g < shape.groups; ++g) {
    const Group group(shape, g);
    const TensorF in = take_channels(x, group.inputs, shape.C, group.first_C, group.shape.C);
    TensorF out({group.outputs, group.shape.K});
    conv2d_forward(group.shape, in.data(), w + group.weights,
                   bias == nullptr ? nullptr : bias + group.first_K, out.data());
    put_channels(out, shape.K, group.first_K, y);
  }
}

void grouped_backward_data(const ConvShape& shape, const float* dy, const float* w, float* dx) {
  if (shape.is_depthwise()) return depthwise_backward_data(shape, dy, w, dx);
  for (std::int64_t g = 0; g < shape.groups; ++g) {
    const Group group(shape, g);
    const TensorF out = take_channels(dy, group.outputs, shape.K, group.first_K, group.shape.K);
    TensorF in({group.inputs, group.shape.C});
    conv2d_backward_data(group.shape, out.data(), w + group.weights, in.data());
    put_channels(in, shape.C, group.first_C, dx);
  }
}

void grouped_backward_weights(const ConvShape& shape, const float* x, const float* dy, float* dw) {
  if (shape.is_depthwise()) return depthwise_backward_weights(shape, x, dy, dw);
  for (std::int64_t g = 0; g < shape.groups; ++g) {
    const Group group(shape, g);
    const TensorF in = take_channels(x, group.inputs, shape.C, group.first_C, group.shape.C);
    const TensorF out = take_channels(dy, group.outputs, shape.K, group.first_K, group.shape.K);
    conv2d_backward_weights(group.shape, in.data(), out.data(), dw + group.weights, nullptr);
  }
}

}  // namespace intandem
