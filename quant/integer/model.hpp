// The integer model: everything needed to go from pixels to a class without floating point.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/conv_shape.hpp"
#include "core/tensor.hpp"
#include "quant/integer/requant.hpp"

namespace intandem {

class Container;

enum class IntLayerKind { conv, linear, avg_pool };

/// One unit of the network in integers: product, bias, requantization, max-pool on codes.
struct IntLayer {
  std::string name;
  IntLayerKind kind = IntLayerKind::conv;
  /// N = 1. conv: H, W, C of the input codes. linear: C = flattened input, H = W = R = S = 1.
  /// avg_pool: K = C, R × S the window.
  ConvShape shape;
  /// conv [K][R][S][C/groups], linear [K][C] (NHWC order of the input); else empty
  TensorS8 weights;
  TensorS32 bias;     ///< [K], added to the accumulator; may be empty for avg_pool
  TensorU8 pad_code;  ///< [C], the code outside the image: the zero points of the input (Q8, Q17)
  int input = -1;     ///< index of the layer it reads; −1: the one before, the image for layer 0

  std::int32_t weight_bits = 8;
  std::int32_t in_max = 255;   ///< largest input code
  std::int32_t max_code = 15;  ///< largest output code, 2^A − 1; 0: last layer, raw accumulators
  std::vector<Multiplier> scale;    ///< one, or K of them (per channel); empty for the last layer
  std::int32_t zero_point = 0;      ///< Q17: the output code that stands for 0
  int add = -1;                     ///< index of the layer whose codes are the shortcut; −1: none
  std::int32_t add_zero = 0;        ///< Q18: its zero point
  std::vector<std::int32_t> add_m;  ///< m₂ (requantize_add), as many as scale; empty without add
  std::int64_t pool_kernel = 0, pool_stride = 0;  ///< max-pool on codes; 0: none

  /// Q7: max over channels of Σ max(q_w·q_a) + |bias|, the largest |accumulator| possible.
  std::int64_t bound = 0;
  std::int64_t zero_channels = 0;  ///< output channels whose weights are all zero

  bool is_last() const { return max_code == 0; }
  std::int64_t pooled_P() const;
  std::int64_t pooled_Q() const;
  /// Elements of the output codes (or accumulators) per image, after pooling.
  std::int64_t output_size() const { return pooled_P() * pooled_Q() * shape.K; }
  Multiplier channel_scale(std::int64_t k) const { return scale[scale.size() == 1 ? 0 : k]; }
};

struct IntModel {
  std::string network;  ///< name of the architecture
  std::int64_t height = 0, width = 0, channels = 0, classes = 0;
  std::vector<IntLayer> layers;

  /// Index of the layer that layer k reads, −1: the image.
  int input_of(int k) const;
  /// Bytes of weights as stored at their bit-width, biases, multipliers and padding codes.
  std::int64_t model_bytes() const;
};

/// Computes bound and zero_channels of a layer from its weights, bias and in_max.
void measure_bounds(IntLayer& layer);

/// Throws Error (subject `source` and the layer's name) unless every range of docs/quantization.md
/// holds: code ranges for the bit-width, m, n, bound < 2³¹ and equal to the stored one, shapes that
/// follow one another, `input` and `add` earlier and of fitting shapes, zero points that agree.
void check_model(const IntModel& model, const std::string& source);

/// As check_model, for the first layers of a model under construction: no layer, or a last layer
/// that still gives codes, is fine.
void check_layers(const IntModel& model, const std::string& source);

/// Into and out of a container of kind "integer-model"; load checks the model. Other metadata of
/// the container (seed, commit, class names, …) is left to the caller.
void store_model(const IntModel& model, Container& file);
IntModel load_model(const Container& file);

}  // namespace intandem
