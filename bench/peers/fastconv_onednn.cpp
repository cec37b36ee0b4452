// Exact fast convolution against oneDNN's direct int8 convolution: u8 input, s8 weights, bias,
// requantization with ReLU to u8, NHWC. Both are planned once and run in turns; the medians are
// compared. Also compares the outputs (oneDNN rounds a float, so single steps may differ).
// Build: make, then (LIBRARY is build/<compiler>/libintandem.a)
//   g++ -std=c++20 -O3 -fopenmp -I. bench/peers/fastconv_onednn.cpp LIBRARY -ldnnl -o
//   bench_fastconv bench_fastconv [threads [filter]]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/cpu.hpp"
#include "core/parallel.hpp"
#include "core/rng.hpp"
#include "quant/integer/direct.hpp"
#include "quant/integer/fastconv.hpp"

using namespace intandem;

namespace {

struct Shape9 {
  const char* name;
  std::int64_t N, HW, C, K;
};
constexpr Shape9 kShapes[] = {
    {"alexnet-conv3-b1", 1, 13, 256, 384},   {"alexnet-conv4-b1", 1, 13, 384, 384},
    {"alexnet-conv5-b1", 1, 13, 384, 256},   {"alexnet-conv3-b16", 16, 13, 256, 384},
    {"alexnet-conv4-b16", 16, 13, 384, 384}, {"alexnet-conv5-b16", 16, 13, 384, 256},
    {"vgg-128@112-b1", 1, 112, 128, 128},    {"vgg-256@56-b1", 1, 56, 256, 256},
    {"vgg-512@28-b1", 1, 28, 512, 512},      {"vgg-512@14-b1", 1, 14, 512, 512},
    {"cifar-64@32-b1", 1, 32, 64, 64},       {"cifar-64@32-b16", 16, 32, 64, 64},
    {"cifar-128@16-b16", 16, 16, 128, 128},  {"cifar-256@8-b16", 16, 8, 256, 256},
    {"resnet20-32@16-b16", 16, 16, 32, 32},
};

/// Times of single calls; on a shared machine the smallest says what the code can do, the median
/// what it got.
struct Times {
  std::vector<double> ms;
  template <class F>
  void measure(const F& f) {
    const auto start = std::chrono::steady_clock::now();
    f();
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    ms.push_back(time.count());
  }
  double least() const { return *std::min_element(ms.begin(), ms.end()); }
  double median() const {
    std::vector<double> v = ms;
    const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
    std::nth_element(v.begin(), middle, v.end());
    return *middle;
  }
};

/// oneDNN's convolution of the same layer, ready to run.
struct Peer {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::convolution_forward convolution;
  std::unordered_map<int, dnnl::memory> arguments;
  std::string implementation;

  Peer(const IntLayer& layer, std::int64_t N, std::uint8_t* input, std::uint8_t* output) {
    using dnnl::memory;
    using Type = memory::data_type;
    using Tag = memory::format_tag;
    const ConvShape& s = layer.shape;
    const memory::desc source({N, s.C, s.H, s.W}, Type::u8, Tag::nhwc);
    const memory::desc weights({s.K, s.C, 3, 3}, Type::s8, Tag::any);
    const memory::desc bias({s.K}, Type::s32, Tag::x);
    const memory::desc target({N, s.K, s.P(), s.Q()}, Type::u8, Tag::nhwc);
    dnnl::primitive_attr attributes;
    attributes.set_output_scales(
        0, {static_cast<float>(layer.scale[0].m) / static_cast<float>(1LL << layer.scale[0].n)});
    dnnl::post_ops post;
    post.append_eltwise(1.f, dnnl::algorithm::eltwise_clip, 0.f,
                        static_cast<float>(layer.max_code));
    attributes.set_post_ops(post);
    const dnnl::convolution_forward::desc desc(
        dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source, weights,
        bias, target, {1, 1}, {s.pad, s.pad}, {s.pad, s.pad});
    const dnnl::convolution_forward::primitive_desc plan(desc, attributes, engine);
    implementation = plan.impl_info_str();
    convolution = dnnl::convolution_forward(plan);
    memory plain({{s.K, s.C, 3, 3}, Type::s8, Tag::ohwi}, engine,
                 const_cast<std::int8_t*>(layer.weights.data()));
    memory packed(plan.weights_desc(), engine);
    dnnl::reorder(plain, packed).execute(stream, plain, packed);
    stream.wait();
    arguments = {
        {DNNL_ARG_SRC, memory(source, engine, input)},
        {DNNL_ARG_WEIGHTS, packed},
        {DNNL_ARG_BIAS, memory(bias, engine, const_cast<std::int32_t*>(layer.bias.data()))},
        {DNNL_ARG_DST, memory(target, engine, output)}};
  }
  void run() {
    convolution.execute(stream, arguments);
    stream.wait();
  }
};

void compare(const Shape9& shape) {
  const Rng rng(7);
  IntLayer layer;
  layer.shape = {1, shape.HW, shape.HW, shape.C, shape.K, 3, 3, 1, 1};
  layer.weight_bits = 4;
  layer.in_max = 15;
  layer.scale = {{20000, 23}};
  layer.weights = TensorS8({shape.K, 3, 3, shape.C});
  for (std::int64_t i = 0; i < layer.weights.size(); ++i) {
    layer.weights[i] = static_cast<std::int8_t>(static_cast<int>(rng.below(i, 15)) - 7);
  }
  layer.bias = TensorS32::zeros({shape.K});
  layer.pad_code = TensorU8::zeros({shape.C});
  TensorU8 input({shape.N, shape.HW, shape.HW, shape.C});
  for (std::int64_t i = 0; i < input.size(); ++i) {
    input[i] = static_cast<std::uint8_t>(rng.stream("x").below(i, 16));
  }
  TensorU8 theirs({shape.N, shape.HW, shape.HW, shape.K});
  Peer peer(layer, shape.N, input.data(), theirs.data());

  struct Mine {
    std::unique_ptr<PreparedLayer> layer;
    std::shared_ptr<std::byte> scratch;
    LayerRun run;
    TensorU8 codes;
    Times times;
  };
  std::vector<Mine> mine;
  for (auto* prepare :
       {prepare_winograd4, prepare_winograd2,
        static_cast<std::unique_ptr<PreparedLayer> (*)(const IntLayer&)>(prepare_direct)}) {
    Mine m;
    m.layer = prepare(layer);
    if (m.layer == nullptr) continue;
    m.scratch = allocate_aligned(static_cast<std::size_t>(m.layer->scratch_bytes(shape.N)));
    m.codes = TensorU8(theirs.shape());
    m.run.N = shape.N;
    m.run.input = input.data();
    m.run.codes = m.codes.data();
    m.run.scratch = m.scratch.get();
    mine.push_back(std::move(m));
  }
  Times peer_times;
  peer_times.measure([&] { peer.run(); });
  const int rounds = std::clamp(static_cast<int>(600 / peer_times.ms[0]), 20, 200);
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 2; ++i) peer_times.measure([&] { peer.run(); });
    for (Mine& m : mine) {
      for (int i = 0; i < 2; ++i) m.times.measure([&] { m.layer->run(m.run); });
    }
  }
  const double macs = static_cast<double>(layer.shape.macs() * shape.N);
  std::printf("%-19s oneDNN %8.3f %8.3f ms %4.0f GMAC/s", shape.name, peer_times.median(),
              peer_times.least(), macs / peer_times.least() / 1e6);
  for (Mine& m : mine) {
    std::int64_t far = 0;
    for (std::int64_t i = 0; i < theirs.size(); ++i) far += std::abs(m.codes[i] - theirs[i]) > 1;
    std::printf(" | %.9s %8.3f %8.3f ms %5.2fx %5.2fx%s", m.layer->algorithm().c_str(),
                m.times.median(), m.times.least(), peer_times.median() / m.times.median(),
                peer_times.least() / m.times.least(), far == 0 ? "" : " DIFFERENT");
  }
  std::printf("\n");
}

}  // namespace

int main(int count, char** arguments) {
  set_thread_count(count > 1 ? std::atoi(arguments[1]) : 1);
  std::printf("threads %d, isa %s, warm caches; median and least ms, ratios of both\n",
              thread_count(), std::string(isa_name(active_isa())).c_str());
  for (const Shape9& shape : kShapes) {
    if (count > 2 && std::strstr(shape.name, arguments[2]) == nullptr) continue;
    compare(shape);
  }
  return 0;
}
