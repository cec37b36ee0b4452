// The float kernels beside OpenBLAS and oneDNN on the same operands, alternating in one process.
// Usage: float_peers [threads] [repetitions] [name filter]   → JSON on standard output,
// a table on standard error. Built by `make bench-peers` alone.
#include <cblas.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/shapes.hpp"
#include "core/cpu.hpp"
#include "core/gemm_f32.hpp"
#include "core/machine_peak.hpp"
#include "core/parallel.hpp"
#include "core/rng.hpp"
#include "core/tensor.hpp"
#include "nn/conv2d_kernels.hpp"

namespace {

using namespace intandem;
using std::int64_t;

int repetitions = 15;
std::string filter;
nlohmann::json results = nlohmann::json::array();

TensorF random_tensor(int64_t n, std::uint64_t stream) {
  TensorF t({n});
  const Rng rng = Rng(3).stream(stream);
  for (int64_t i = 0; i < n; ++i) t[i] = rng.uniform(static_cast<std::uint64_t>(i)) - 0.5f;
  return t;
}

// Seconds. On one thread the process's CPU time, which other processes disturb less.
double now() {
  if (thread_count() == 1) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Contender {
  std::string name;
  std::function<void()> run;
};

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

// Runs the contenders in turn, first ours; reports the median times and our speed over that of the
// fastest peer. Operands are warm: they were touched by the previous repetition.
void compare(const std::string& name, double flop, const std::vector<Contender>& contenders) {
  std::vector<std::vector<double>> seconds(contenders.size());
  std::vector<double> peak;
  for (int i = -2; i < repetitions; ++i) {
    peak.push_back(peak_gflops_all_threads());
    for (std::size_t c = 0; c < contenders.size(); ++c) {
      const double start = now();
      contenders[c].run();
      const double elapsed = now() - start;
      if (i >= 0) seconds[c].push_back(elapsed);
    }
  }
  nlohmann::json row = {{"name", name}, {"flop", flop}, {"fma_peak_gflops", median(peak)}};
  const double ours_s = median(seconds[0]);
  double peer_s = 0.0;
  std::fprintf(stderr, "%-36s", name.c_str());
  for (std::size_t c = 0; c < contenders.size(); ++c) {
    const double time_s = median(seconds[c]);
    const double gflops = flop / time_s * 1e-9;
    row["gflops"][contenders[c].name] = gflops;
    if (c == 1 || (c > 1 && time_s < peer_s)) {
      peer_s = time_s;
      row["peer"] = contenders[c].name;
    }
    std::fprintf(stderr, " %s %7.1f", contenders[c].name.c_str(), gflops);
  }
  row["ours_ms"] = 1e3 * ours_s;
  row["peer_ms"] = 1e3 * peer_s;
  row["ratio"] = peer_s / ours_s;
  std::fprintf(stderr, "  peak %.1f (%.0f %%)  ratio %.3f\n", median(peak),
               flop / ours_s * 1e-7 / median(peak), peer_s / ours_s);
  results.push_back(row);
}

bool wanted(const std::string& name) { return name.find(filter) != std::string::npos; }

void compare_gemm(int64_t M, int64_t N, int64_t K, bool trans_b) {
  const std::string name = std::string("sgemm_n") + (trans_b ? "t_" : "n_") + std::to_string(M) +
                           "x" + std::to_string(N) + "x" + std::to_string(K);
  if (!wanted(name)) return;
  const TensorF a = random_tensor(M * K, 1), b = random_tensor(K * N, 2);
  TensorF c = TensorF::zeros({M * N});
  const int64_t ldb = trans_b ? K : N;
  compare(name, 2.0 * static_cast<double>(M * N * K),
          {{"intandem",
            [&] { gemm_f32(false, trans_b, M, N, K, a.data(), K, b.data(), ldb, 0, c.data(), N); }},
           {"openblas",
            [&] {
              cblas_sgemm(CblasRowMajor, CblasNoTrans, trans_b ? CblasTrans : CblasNoTrans,
                          static_cast<int>(M), static_cast<int>(N), static_cast<int>(K), 1.0f,
                          a.data(), static_cast<int>(K), b.data(), static_cast<int>(ldb), 0.0f,
                          c.data(), static_cast<int>(N));
            }},
           {"onednn", [&] {
              dnnl_sgemm('N', trans_b ? 'T' : 'N', M, N, K, 1.0f, a.data(), K, b.data(), ldb, 0.0f,
                         c.data(), N);
            }}});
}

// oneDNN's convolution in the layouts it likes best; the reorders are not timed.
struct DnnlConv {
  using md = dnnl::memory::desc;
  using any = dnnl::memory::format_tag;
  static md plain(dnnl::memory::dims dims) {
    return md(dims, dnnl::memory::data_type::f32, dnnl::memory::format_tag::any);
  }

  explicit DnnlConv(const ConvShape& s)
      : engine(dnnl::engine::kind::cpu, 0),
        stream(engine),
        x(plain({s.N, s.C, s.H, s.W})),
        w(plain({s.K, s.C, s.R, s.S})),
        y(plain({s.N, s.K, s.P(), s.Q()})),
        strides{s.stride, s.stride},
        pad_begin{s.pad, s.pad},
        pad_end{(s.P() - 1) * s.stride + s.R - s.H - s.pad,
                (s.Q() - 1) * s.stride + s.S - s.W - s.pad},
        forward_pd({dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, x, w, y,
                    strides, pad_begin, pad_end},
                   engine) {}

  dnnl::memory filled(const md& desc) const {
    dnnl::memory m(desc, engine);
    auto* data = static_cast<float*>(m.get_data_handle());
    for (std::size_t i = 0; i < desc.get_size() / sizeof(float); ++i) {
      data[i] = static_cast<float>(i % 17) * 0.01f - 0.08f;
    }
    return m;
  }

  std::function<void()> forward() {
    return runner(dnnl::convolution_forward(forward_pd),
                  {{DNNL_ARG_SRC, filled(forward_pd.src_desc())},
                   {DNNL_ARG_WEIGHTS, filled(forward_pd.weights_desc())},
                   {DNNL_ARG_DST, filled(forward_pd.dst_desc())}});
  }
  std::function<void()> backward_data() {
    const dnnl::convolution_backward_data::primitive_desc pd(
        {dnnl::algorithm::convolution_direct, x, w, y, strides, pad_begin, pad_end}, engine,
        forward_pd);
    return runner(dnnl::convolution_backward_data(pd),
                  {{DNNL_ARG_DIFF_SRC, filled(pd.diff_src_desc())},
                   {DNNL_ARG_WEIGHTS, filled(pd.weights_desc())},
                   {DNNL_ARG_DIFF_DST, filled(pd.diff_dst_desc())}});
  }
  std::function<void()> backward_weights() {
    const dnnl::convolution_backward_weights::primitive_desc pd(
        {dnnl::algorithm::convolution_direct, x, w, y, strides, pad_begin, pad_end}, engine,
        forward_pd);
    return runner(dnnl::convolution_backward_weights(pd),
                  {{DNNL_ARG_SRC, filled(pd.src_desc())},
                   {DNNL_ARG_DIFF_WEIGHTS, filled(pd.diff_weights_desc())},
                   {DNNL_ARG_DIFF_DST, filled(pd.diff_dst_desc())}});
  }
  std::function<void()> runner(dnnl::primitive primitive,
                               std::unordered_map<int, dnnl::memory> arguments) {
    return [this, primitive, arguments]() {
      primitive.execute(stream, arguments);
      stream.wait();
    };
  }

  dnnl::engine engine;
  mutable dnnl::stream stream;
  md x, w, y;
  dnnl::memory::dims strides, pad_begin, pad_end;
  dnnl::convolution_forward::primitive_desc forward_pd;
};

void compare_conv(const bench::NamedShape& named) {
  const std::string name = named.network + "/" + named.layer;
  const ConvShape& s = named.shape;
  if (!wanted(name)) return;
  const TensorF x = random_tensor(s.N * s.H * s.W * s.C, 1);
  const TensorF w = random_tensor(s.K * s.reduction(), 2);
  const TensorF dy = random_tensor(s.N * s.P() * s.Q() * s.K, 3);
  TensorF y(dy.shape()), dx(x.shape()), dw = TensorF::zeros(w.shape());
  DnnlConv peer(s);
  const double flop = 2.0 * static_cast<double>(s.macs());
  compare(name + " forward", flop,
          {{"intandem", [&] { conv2d_forward(s, x.data(), w.data(), nullptr, y.data()); }},
           {"onednn", peer.forward()}});
  if (s.C > 3) {
    compare(name + " data gradient", flop,
            {{"intandem", [&] { conv2d_backward_data(s, dy.data(), w.data(), dx.data()); }},
             {"onednn", peer.backward_data()}});
  }
  compare(
      name + " weight gradient", flop,
      {{"intandem", [&] { conv2d_backward_weights(s, x.data(), dy.data(), dw.data(), nullptr); }},
       {"onednn", peer.backward_weights()}});
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : thread_count();
  if (argc > 2) repetitions = std::max(1, std::atoi(argv[2]));
  if (argc > 3) filter = argv[3];
  set_thread_count(threads);
  openblas_set_num_threads(threads);
  for (const int64_t n : {512, 768, 1024, 1536, 2048}) compare_gemm(n, n, n, false);
  compare_gemm(1024, 1024, 1024, true);
  compare_gemm(128, 1024, 4096, true);
  for (const auto& shape : bench::read_all_shapes()) compare_conv(shape);
  const nlohmann::json report = {{"isa", std::string(isa_name(active_isa()))},
                                 {"threads", threads},
                                 {"clock", threads == 1 ? "process CPU time" : "wall clock"},
                                 {"repetitions", repetitions},
                                 {"statistic", "median, alternating, warm operands"},
                                 {"openblas", openblas_get_config()},
                                 {"results", results}};
  std::printf("%s\n", report.dump(1).c_str());
  return 0;
}
