#include "apps/trace/window.hpp"

#include <algorithm>
#include <optional>

namespace intandem {
namespace {

std::int64_t index_of(const Place& place, std::int64_t W, std::int64_t C) {
  return (place.y * W + place.x) * C + place.channel;
}

Place place_of(std::int64_t index, std::int64_t W, std::int64_t C) {
  return {index / C / W, index / C % W, index % C};
}

/// The input of the largest product of the window, the first if tied; none if all of it is padding.
std::optional<Place> largest_product(const std::vector<Product>& products) {
  const Product* best = nullptr;
  for (const Product& product : products) {
    if (!product.inside) continue;
    const auto magnitude = [](const Product& p) { return std::abs(p.value()); };
    if (best == nullptr || magnitude(product) > magnitude(*best)) best = &product;
  }
  return best == nullptr ? std::nullopt : std::optional(best->input);
}

}  // namespace

Place before_pool(const IntLayer& layer, const LayerTensors& tensors, const Place& output) {
  if (layer.pool_kernel == 0) return output;
  const std::int64_t Q = layer.shape.Q(), K = layer.shape.K;
  const std::int64_t y = output.y * layer.pool_stride, x = output.x * layer.pool_stride;
  Place best{y, x, output.channel};
  for (std::int64_t r = 0; r < layer.pool_kernel; ++r) {
    for (std::int64_t s = 0; s < layer.pool_kernel; ++s) {
      const Place place{y + r, x + s, output.channel};
      if (tensors.codes[index_of(place, Q, K)] > tensors.codes[index_of(best, Q, K)]) best = place;
    }
  }
  return best;
}

std::vector<Product> window_products(const IntModel& model, int k, const LayerTensors& tensors,
                                     const Place& at) {
  const IntLayer& layer = model.layers[static_cast<std::size_t>(k)];
  const ConvShape& s = layer.shape;
  const LayerSource source = source_of(model, k);
  const bool pool = layer.kind == IntLayerKind::avg_pool;
  const bool linear = layer.kind == IntLayerKind::linear;
  const std::int64_t channels = pool ? 1 : s.group_C();
  const std::int64_t first = pool ? at.channel : s.first_channel(at.channel);
  std::vector<Product> products;
  for (std::int64_t r = 0; r < s.R; ++r) {
    for (std::int64_t q = 0; q < s.S; ++q) {
      for (std::int64_t c = 0; c < channels; ++c) {
        Product product;
        product.input = {at.y * s.stride + r - s.pad, at.x * s.stride + q - s.pad, first + c};
        const Place& in = product.input;
        product.inside = in.y >= 0 && in.y < s.H && in.x >= 0 && in.x < s.W;
        product.code =
            product.inside ? tensors.input[index_of(in, s.W, s.C)] : layer.pad_code[in.channel];
        if (!pool)
          product.weight = layer.weights[((at.channel * s.R + r) * s.S + q) * channels + c];
        if (linear) product.input = place_of(c, source.W, source.C);
        products.push_back(product);
      }
    }
  }
  return products;
}

std::vector<Place> follow_back(const IntModel& model, const std::vector<LayerTensors>& tensors,
                               const Place& logit) {
  std::vector<std::optional<Place>> wanted(model.layers.size());
  wanted.back() = logit;
  std::vector<Place> places(model.layers.size());
  for (int k = static_cast<int>(model.layers.size()) - 1; k >= 0; --k) {
    const auto i = static_cast<std::size_t>(k);
    const IntLayer& layer = model.layers[i];
    if (!wanted[i]) {
      const TensorU8& output = tensors[i].output;
      wanted[i] = place_of(std::max_element(output.begin(), output.end()) - output.begin(),
                           layer.pooled_Q(), layer.shape.K);
    }
    places[i] = *wanted[i];
    const Place at = before_pool(layer, tensors[i], places[i]);
    // The reader nearest to the logits has its way.
    const auto want = [&](int from, const std::optional<Place>& place) {
      if (from < 0) return;
      auto& other = wanted[static_cast<std::size_t>(from)];
      if (!other) other = place;
    };
    want(model.input_of(k), largest_product(window_products(model, k, tensors[i], at)));
    if (layer.add >= 0) want(layer.add, at);
  }
  return places;
}

}  // namespace intandem
