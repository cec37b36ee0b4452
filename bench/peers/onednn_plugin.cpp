// oneDNN as a peer of the integer engine (bench/peers/int_peer.hpp), versions 2 and 3: u8 × s8
// convolutions and inner products in the layouts oneDNN prefers, requantized to u8 in the same
// call. Its own rounding: a float scale, half to even, so codes may differ from ours by one.
#include <cstdio>
#include <cstring>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/peers/int_peer.hpp"

using dnnl::memory;
using Dims = memory::dims;
using Type = memory::data_type;
using Tag = memory::format_tag;

struct PeerNetwork {
  struct Step {
    dnnl::primitive primitive;
    std::unordered_map<int, memory> arguments;
  };

  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::vector<Step> steps;
  std::vector<std::string> implementations;
  memory input, output;

  void add_layer(const PeerLayer& layer, std::int64_t N, bool lossy);
  void add_pool(const PeerLayer& layer, std::int64_t N);
  void run() {
    for (Step& step : steps) step.primitive.execute(stream, step.arguments);
    stream.wait();
  }
  void reorder(memory from, memory to) {
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
  }
  /// `data`, in layout `desc`, copied to a memory of the peer.
  memory filled(const memory::desc& desc, const void* data) {
    memory m(desc, engine);
    std::memcpy(m.get_data_handle(), data, desc.get_size());
    return m;
  }
};

namespace {

Type data_type(const memory::desc& desc) {
#if DNNL_VERSION_MAJOR >= 3
  return desc.get_data_type();
#else
  return static_cast<Type>(desc.data.data_type);
#endif
}
Dims dims(const memory::desc& desc) {
#if DNNL_VERSION_MAJOR >= 3
  return desc.get_dims();
#else
  return desc.dims();
#endif
}

/// Everything a product needs, whichever version plans it.
struct Product {
  memory::desc source, weights, target, plain_weights;
  Dims strides, pad_begin, pad_end;
  bool flat;  ///< no spatial dimensions
};

Product describe(const PeerLayer& l, std::int64_t N) {
  const std::int64_t P = (l.H + 2 * l.pad - l.R) / l.stride + 1;
  const std::int64_t Q = (l.W + 2 * l.pad - l.S) / l.stride + 1;
  Product p;
  p.flat = l.linear && l.H == 1 && l.W == 1;
  const Dims source = p.flat ? Dims{N, l.C} : Dims{N, l.C, l.H, l.W};
  const Dims weights = p.flat ? Dims{l.K, l.C} : Dims{l.K, l.C, l.R, l.S};
  const Dims target = l.linear ? Dims{N, l.K} : Dims{N, l.K, P, Q};
  p.source = memory::desc(source, Type::u8, Tag::any);
  p.weights = memory::desc(weights, Type::s8, Tag::any);
  p.plain_weights = memory::desc(weights, Type::s8, p.flat ? Tag::oi : Tag::ohwi);
  p.target = memory::desc(target, l.max_code > 0 ? Type::u8 : Type::s32, Tag::any);
  p.strides = {l.stride, l.stride};
  p.pad_begin = {l.pad, l.pad};
  p.pad_end = {(P - 1) * l.stride + l.R - l.H - l.pad, (Q - 1) * l.stride + l.S - l.W - l.pad};
  return p;
}

void append_clip(dnnl::primitive_attr& attributes, std::int32_t max_code) {
  dnnl::post_ops post;
#if DNNL_VERSION_MAJOR >= 3
  post.append_eltwise(dnnl::algorithm::eltwise_clip, 0.f, static_cast<float>(max_code));
#else
  post.append_eltwise(1.f, dnnl::algorithm::eltwise_clip, 0.f, static_cast<float>(max_code));
#endif
  attributes.set_post_ops(post);
}

#if DNNL_VERSION_MAJOR >= 3
constexpr bool kBiasIsReal = true;  // dst = scale · acc + bias
auto plan_convolution(const Product& p, const memory::desc& bias, dnnl::algorithm algorithm,
                      const dnnl::primitive_attr& attributes, const dnnl::engine& engine) {
  return dnnl::convolution_forward::primitive_desc(engine, dnnl::prop_kind::forward_inference,
                                                   algorithm, p.source, p.weights, bias, p.target,
                                                   p.strides, p.pad_begin, p.pad_end, attributes);
}
auto plan_linear(const Product& p, const memory::desc& bias, const dnnl::primitive_attr& attributes,
                 const dnnl::engine& engine) {
  return dnnl::inner_product_forward::primitive_desc(
      engine, dnnl::prop_kind::forward_inference, p.source, p.weights, bias, p.target, attributes);
}
#else
constexpr bool kBiasIsReal = false;  // dst = scale · (acc + bias)
auto plan_convolution(const Product& p, const memory::desc& bias, dnnl::algorithm algorithm,
                      const dnnl::primitive_attr& attributes, const dnnl::engine& engine) {
  return dnnl::convolution_forward::primitive_desc(
      {dnnl::prop_kind::forward_inference, algorithm, p.source, p.weights, bias, p.target,
       p.strides, p.pad_begin, p.pad_end},
      attributes, engine);
}
auto plan_linear(const Product& p, const memory::desc& bias, const dnnl::primitive_attr& attributes,
                 const dnnl::engine& engine) {
  return dnnl::inner_product_forward::primitive_desc(
      {dnnl::prop_kind::forward_inference, p.source, p.weights, bias, p.target}, attributes,
      engine);
}
#endif

template <class Primitive, class Plan>
void add_product(PeerNetwork& network, const Plan& plan, const PeerLayer& layer,
                 const Product& product, const memory& bias) {
  // What the layer before wrote, in the layout this one reads.
  if (!network.output) {
    network.input = memory(plan.src_desc(), network.engine);
    network.output = network.input;
  } else if (network.output.get_desc() != plan.src_desc()) {
    const memory converted(plan.src_desc(), network.engine);
    network.steps.push_back({dnnl::reorder(network.output, converted),
                             {{DNNL_ARG_FROM, network.output}, {DNNL_ARG_TO, converted}}});
    network.output = converted;
  }
  const memory weights(plan.weights_desc(), network.engine);
  // By way of the one plain order from which every packed one can be made.
  const memory channels_first(
      {dims(product.plain_weights), Type::f32, product.flat ? Tag::oi : Tag::oihw}, network.engine);
  network.reorder(network.filled(product.plain_weights, layer.weights), channels_first);
  network.reorder(channels_first, weights);
  const memory target(plan.dst_desc(), network.engine);
  std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, network.output},
                                               {DNNL_ARG_WEIGHTS, weights},
                                               {DNNL_ARG_BIAS, bias},
                                               {DNNL_ARG_DST, target}};
#if DNNL_VERSION_MAJOR >= 3
  if (layer.max_code > 0) {
    arguments[DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC] =
        network.filled({{1}, Type::f32, Tag::x}, &layer.scale);
  }
#endif
  network.steps.push_back({Primitive(plan), std::move(arguments)});
  network.implementations.push_back(plan.impl_info_str());
  network.output = target;
}

void fail(char* message, std::size_t bytes, const char* why) {
  std::snprintf(message, bytes, "%s", why);
}

}  // namespace

void PeerNetwork::add_layer(const PeerLayer& layer, std::int64_t N, bool lossy) {
  const Product product = describe(layer, N);
  dnnl::primitive_attr attributes;
  const bool requantized = layer.max_code > 0;
  if (requantized) {
#if DNNL_VERSION_MAJOR >= 3
    attributes.set_scales_mask(DNNL_ARG_SRC, 0);
#else
    attributes.set_output_scales(0, {layer.scale});
#endif
    // The saturation to u8 is the clamp to 0 … 255.
    if (layer.max_code < 255) append_clip(attributes, layer.max_code);
  }
  const bool real_bias = kBiasIsReal && requantized;
  const memory::desc bias_desc({layer.K}, real_bias ? Type::f32 : Type::s32, Tag::x);
  std::vector<float> scaled;
  for (std::int64_t k = 0; real_bias && k < layer.K; ++k) {
    scaled.push_back(layer.scale * static_cast<float>(layer.bias[k]));
  }
  const memory bias =
      filled(bias_desc, real_bias ? static_cast<const void*>(scaled.data()) : layer.bias);
  if (layer.linear) {
    add_product<dnnl::inner_product_forward>(
        *this, plan_linear(product, bias_desc, attributes, engine), layer, product, bias);
  } else {
    const auto algorithm =
        lossy ? dnnl::algorithm::convolution_winograd : dnnl::algorithm::convolution_direct;
    add_product<dnnl::convolution_forward>(
        *this, plan_convolution(product, bias_desc, algorithm, attributes, engine), layer, product,
        bias);
  }
}

void PeerNetwork::add_pool(const PeerLayer& l, std::int64_t N) {
  const Dims sizes = dims(output.get_desc());
  const std::int64_t rows = (sizes[2] - l.pool_kernel) / l.pool_stride + 1;
  const std::int64_t columns = (sizes[3] - l.pool_kernel) / l.pool_stride + 1;
  const memory::desc target({N, l.K, rows, columns}, Type::u8, Tag::any);
  const Dims strides{l.pool_stride, l.pool_stride}, kernel{l.pool_kernel, l.pool_kernel};
  // Rows and columns that no window reaches are cut off by negative padding.
  const Dims end{(rows - 1) * l.pool_stride + l.pool_kernel - sizes[2],
                 (columns - 1) * l.pool_stride + l.pool_kernel - sizes[3]};
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::pooling_forward::primitive_desc plan(engine, dnnl::prop_kind::forward_inference,
                                                   dnnl::algorithm::pooling_max, output.get_desc(),
                                                   target, strides, kernel, {0, 0}, {0, 0}, end);
#else
  const dnnl::pooling_forward::primitive_desc plan({dnnl::prop_kind::forward_inference,
                                                    dnnl::algorithm::pooling_max,
                                                    output.get_desc(),
                                                    target,
                                                    strides,
                                                    kernel,
                                                    {0, 0},
                                                    end},
                                                   engine);
#endif
  const memory pooled(plan.dst_desc(), engine);
  steps.push_back({dnnl::pooling_forward(plan), {{DNNL_ARG_SRC, output}, {DNNL_ARG_DST, pooled}}});
  output = pooled;
}

namespace {

PeerNetwork* create(const PeerLayer* layers, int count, std::int64_t N, int lossy, char* message,
                    std::size_t message_bytes) {
  try {
    auto network = std::make_unique<PeerNetwork>();
    for (int k = 0; k < count; ++k) {
      network->add_layer(layers[k], N, lossy != 0);
      if (layers[k].pool_kernel > 0) network->add_pool(layers[k], N);
    }
    return network.release();
  } catch (const dnnl::error& e) {
    fail(message, message_bytes, e.what());
  } catch (const std::exception& e) {
    fail(message, message_bytes, e.what());
  }
  return nullptr;
}

void set_input(PeerNetwork* network, const std::uint8_t* codes) {
  const Dims sizes = dims(network->input.get_desc());
  network->reorder(
      network->filled({sizes, Type::u8, sizes.size() == 4 ? Tag::nhwc : Tag::nc}, codes),
      network->input);
}

void get_output(PeerNetwork* network, void* output) {
  const memory::desc desc = network->output.get_desc();
  const Dims sizes = dims(desc);
  const Type type = data_type(desc);
  const memory plain({sizes, type, sizes.size() == 4 ? Tag::nhwc : Tag::nc}, network->engine);
  network->reorder(network->output, plain);
  std::memcpy(output, plain.get_data_handle(), plain.get_desc().get_size());
}

const IntPeer kPeer = {[] {
                         static const dnnl_version_t* v = dnnl_version();
                         static const std::string name = "oneDNN " + std::to_string(v->major) +
                                                         "." + std::to_string(v->minor) + "." +
                                                         std::to_string(v->patch);
                         return name.c_str();
                       }(),
                       create,
                       set_input,
                       [](PeerNetwork* network) { network->run(); },
                       get_output,
                       [](const PeerNetwork* network, int k) {
                         return network->implementations[static_cast<std::size_t>(k)].c_str();
                       },
                       [](PeerNetwork* network) { delete network; }};

}  // namespace

const IntPeer* intandem_int_peer() { return &kPeer; }
