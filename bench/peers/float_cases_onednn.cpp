#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "bench/peers/float_cases.hpp"

namespace intandem::bench {
namespace {

using Desc = dnnl::memory::desc;

Desc any_layout(dnnl::memory::dims dims) {
  return Desc(dims, dnnl::memory::data_type::f32, dnnl::memory::format_tag::any);
}

struct DnnlConvolution {
  explicit DnnlConvolution(const ConvShape& s)
      : engine(dnnl::engine::kind::cpu, 0),
        stream(engine),
        x(any_layout({s.N, s.C, s.H, s.W})),
        w(any_layout({s.K, s.C, s.R, s.S})),
        y(any_layout({s.N, s.K, s.P(), s.Q()})),
        strides{s.stride, s.stride},
        pad_begin{s.pad, s.pad},
        pad_end{(s.P() - 1) * s.stride + s.R - s.H - s.pad,
                (s.Q() - 1) * s.stride + s.S - s.W - s.pad},
        forward_pd({dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, x, w, y,
                    strides, pad_begin, pad_end},
                   engine) {}

  dnnl::memory filled(const Desc& desc) const {
    dnnl::memory m(desc, engine);
    auto* data = static_cast<float*>(m.get_data_handle());
    for (std::size_t i = 0; i < desc.get_size() / sizeof(float); ++i) {
      data[i] = static_cast<float>(i % 17) * 0.01f - 0.08f;
    }
    return m;
  }

  void prepare(FloatPass pass) {
    if (pass == FloatPass::forward) {
      primitive = dnnl::convolution_forward(forward_pd);
      arguments = {{DNNL_ARG_SRC, filled(forward_pd.src_desc())},
                   {DNNL_ARG_WEIGHTS, filled(forward_pd.weights_desc())},
                   {DNNL_ARG_DST, filled(forward_pd.dst_desc())}};
    } else if (pass == FloatPass::data_gradient) {
      const dnnl::convolution_backward_data::primitive_desc pd(
          {dnnl::algorithm::convolution_direct, x, w, y, strides, pad_begin, pad_end}, engine,
          forward_pd);
      primitive = dnnl::convolution_backward_data(pd);
      arguments = {{DNNL_ARG_DIFF_SRC, filled(pd.diff_src_desc())},
                   {DNNL_ARG_WEIGHTS, filled(pd.weights_desc())},
                   {DNNL_ARG_DIFF_DST, filled(pd.diff_dst_desc())}};
    } else {
      const dnnl::convolution_backward_weights::primitive_desc pd(
          {dnnl::algorithm::convolution_direct, x, w, y, strides, pad_begin, pad_end}, engine,
          forward_pd);
      primitive = dnnl::convolution_backward_weights(pd);
      arguments = {{DNNL_ARG_SRC, filled(pd.src_desc())},
                   {DNNL_ARG_DIFF_WEIGHTS, filled(pd.diff_weights_desc())},
                   {DNNL_ARG_DIFF_DST, filled(pd.diff_dst_desc())}};
    }
  }

  void run() {
    primitive.execute(stream, arguments);
    stream.wait();
  }

  dnnl::engine engine;
  dnnl::stream stream;
  Desc x, w, y;
  dnnl::memory::dims strides, pad_begin, pad_end;
  dnnl::convolution_forward::primitive_desc forward_pd;
  dnnl::primitive primitive;
  std::unordered_map<int, dnnl::memory> arguments;
};

}  // namespace

std::function<void()> prepare_onednn_convolution(const FloatCase& c) {
  const auto convolution = std::make_shared<DnnlConvolution>(c.shape);
  convolution->prepare(c.pass);
  return [convolution] { convolution->run(); };
}

}  // namespace intandem::bench
