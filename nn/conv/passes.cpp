#include "nn/conv/passes.hpp"

#include "nn/conv/conv2d.hpp"
#include "nn/conv/winograd/winograd.hpp"

namespace intandem {

void forward_pass(const ConvShape& shape, bool winograd, const float* x, const float* w,
                  const float* bias, float* y) {
  if (winograd && winograd_pays(shape, ConvPass::forward)) {
    return winograd_forward(shape, x, w, bias, y);
  }
  conv2d_forward(shape, x, w, bias, y);
}

void data_gradient_pass(const ConvShape& shape, bool winograd, const float* dy, const float* w,
                        float* dx) {
  if (winograd && winograd_pays(shape, ConvPass::data_gradient)) {
    return winograd_backward_data(shape, dy, w, dx);
  }
  conv2d_backward_data(shape, dy, w, dx);
}

void weight_gradient_pass(const ConvShape& shape, bool winograd, const float* x, const float* dy,
                          float* dw, float* db) {
  if (winograd && winograd_pays(shape, ConvPass::weight_gradient)) {
    if (db != nullptr) conv2d_backward_bias(shape, dy, db);
    return winograd_backward_weights(shape, x, dy, dw);
  }
  conv2d_backward_weights(shape, x, dy, dw, db);
}

}  // namespace intandem
