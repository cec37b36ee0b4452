#include "bench/peers/float_cases.hpp"

#include <cblas.h>

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>

#include "core/gemm_f32.hpp"
#include "core/rng.hpp"
#include "core/tensor.hpp"
#include "nn/conv/conv2d.hpp"
#include "nn/conv/winograd/winograd.hpp"

namespace intandem::bench {
namespace {

using std::int64_t;

TensorF random_tensor(int64_t n, std::uint64_t stream) {
  TensorF t({n});
  const Rng rng = Rng(3).stream(stream);
  for (int64_t i = 0; i < n; ++i) t[i] = rng.uniform(static_cast<std::uint64_t>(i)) - 0.5f;
  return t;
}

FloatCase product(int64_t M, int64_t N, int64_t K, bool trans_b) {
  FloatCase c;
  c.name = std::string("sgemm_n") + (trans_b ? "t_" : "n_") + std::to_string(M) + "x" +
           std::to_string(N) + "x" + std::to_string(K);
  c.shape.N = M;
  c.shape.K = N;
  c.shape.C = K;
  c.trans_b = trans_b;
  c.contenders = {"intandem", "openblas", "onednn"};
  return c;
}

FloatCase convolution(const NamedShape& named, FloatPass pass, const char* pass_name) {
  FloatCase c;
  c.name = named.network + "/" + named.layer + " " + pass_name;
  c.pass = pass;
  c.shape = named.shape;
  c.contenders = {"intandem", "onednn"};
  const ConvPass conv_pass = pass == FloatPass::forward         ? ConvPass::forward
                             : pass == FloatPass::data_gradient ? ConvPass::data_gradient
                                                                : ConvPass::weight_gradient;
  if (winograd_pays(c.shape, conv_pass)) c.contenders.push_back("winograd");
  return c;
}

/// Operands of a case as we lay them out.
struct Operands {
  explicit Operands(const ConvShape& s)
      : x(random_tensor(s.N * s.H * s.W * s.C, 1)),
        w(random_tensor(s.K * s.reduction(), 2)),
        y(random_tensor(s.N * s.P() * s.Q() * s.K, 3)) {}
  TensorF x, w, y;
};

void run_ours(const FloatCase& c, Operands& o) {
  const ConvShape& s = c.shape;
  switch (c.pass) {
    case FloatPass::product:
      return gemm_f32(false, c.trans_b, s.N, s.K, s.C, o.x.data(), s.C, o.w.data(),
                      c.trans_b ? s.C : s.K, 0, o.y.data(), s.K);
    case FloatPass::forward:
      return conv2d_forward(s, o.x.data(), o.w.data(), nullptr, o.y.data());
    case FloatPass::data_gradient:
      return conv2d_backward_data(s, o.y.data(), o.w.data(), o.x.data());
    case FloatPass::weight_gradient:
      return conv2d_backward_weights(s, o.x.data(), o.y.data(), o.w.data(), nullptr);
  }
}

void run_winograd(const FloatCase& c, Operands& o) {
  switch (c.pass) {
    case FloatPass::product:
      return;
    case FloatPass::forward:
      return winograd_forward(c.shape, o.x.data(), o.w.data(), nullptr, o.y.data());
    case FloatPass::data_gradient:
      return winograd_backward_data(c.shape, o.y.data(), o.w.data(), o.x.data());
    case FloatPass::weight_gradient:
      return winograd_backward_weights(c.shape, o.x.data(), o.y.data(), o.w.data());
  }
}

void run_openblas(const FloatCase& c, Operands& o) {
  const auto M = static_cast<int>(c.shape.N), N = static_cast<int>(c.shape.K);
  const auto K = static_cast<int>(c.shape.C);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, c.trans_b ? CblasTrans : CblasNoTrans, M, N, K, 1.0f,
              o.x.data(), K, o.w.data(), c.trans_b ? K : N, 0.0f, o.y.data(), N);
}

void run_onednn_product(const FloatCase& c, Operands& o) {
  const int64_t M = c.shape.N, N = c.shape.K, K = c.shape.C;
  dnnl_sgemm('N', c.trans_b ? 'T' : 'N', M, N, K, 1.0f, o.x.data(), K, o.w.data(),
             c.trans_b ? K : N, 0.0f, o.y.data(), N);
}

}  // namespace

std::vector<FloatCase> float_cases(const std::string& filter) {
  std::vector<FloatCase> all;
  for (const int64_t n : {512, 768, 1024, 1536, 2048}) all.push_back(product(n, n, n, false));
  all.push_back(product(1024, 1024, 1024, true));
  all.push_back(product(128, 1024, 4096, true));
  for (const NamedShape& named : read_all_shapes()) {
    all.push_back(convolution(named, FloatPass::forward, "forward"));
    // The first layer's input needs no gradient.
    if (named.shape.C > 3) {
      all.push_back(convolution(named, FloatPass::data_gradient, "data gradient"));
    }
    all.push_back(convolution(named, FloatPass::weight_gradient, "weight gradient"));
  }
  std::vector<FloatCase> cases;
  for (FloatCase& c : all) {
    c.flop = 2.0 * static_cast<double>(c.shape.macs());
    if (c.name.find(filter) != std::string::npos) cases.push_back(std::move(c));
  }
  return cases;
}

std::function<void()> prepare(const FloatCase& c, const std::string& contender) {
  if (contender == "onednn" && c.pass != FloatPass::product) return prepare_onednn_convolution(c);
  const auto operands = std::make_shared<Operands>(c.shape);
  const auto run = contender == "openblas"   ? run_openblas
                   : contender == "onednn"   ? run_onednn_product
                   : contender == "winograd" ? run_winograd
                                             : run_ours;
  return [c, operands, run] { run(c, *operands); };
}

}  // namespace intandem::bench
