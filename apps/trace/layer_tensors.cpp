#include "apps/trace/layer_tensors.hpp"

#include "core/error.hpp"
#include "quant/integer/engine.hpp"
#include "quant/integer/ops_ref.hpp"

namespace intandem {
namespace {

/// Accumulators, codes and output of a layer whose input and shortcut are there.
void compute(const IntLayer& layer, LayerTensors& t) {
  const ConvShape& s = layer.shape;
  const Shape outputs{s.P(), s.Q(), s.K};
  t.accumulators = TensorS32(outputs);
  if (layer.kind == IntLayerKind::avg_pool) {
    sum_window_ref(s, t.input.data(), layer.bias.empty() ? nullptr : layer.bias.data(),
                   t.accumulators.data());
  } else {
    accumulate_ref(s, t.input.data(), layer.weights.data(), layer.bias.data(),
                   layer.pad_code.data(), t.accumulators.data());
  }
  if (layer.is_last()) return;

  t.codes = TensorU8(outputs);
  const std::int64_t rows = s.P() * s.Q();
  const bool per_channel = layer.scale.size() > 1;
  if (layer.add < 0) {
    requantize_ref(t.accumulators.data(), rows, s.K, layer.scale.data(), per_channel,
                   layer.max_code, layer.zero_point, t.codes.data());
  } else {
    requantize_add_ref(t.accumulators.data(), t.shortcut.data(), rows, s.K, layer.scale.data(),
                       layer.add_m.data(), per_channel, layer.max_code, layer.add_zero,
                       layer.zero_point, t.codes.data());
  }
  t.output = t.codes;
  if (layer.pool_kernel > 0) {
    t.output = TensorU8({layer.pooled_P(), layer.pooled_Q(), s.K});
    max_pool_ref(t.codes.data(), 1, s.P(), s.Q(), s.K, layer.pool_kernel, layer.pool_stride,
                 t.output.data());
  }
}

[[noreturn]] void differs(const IntLayer& layer, std::int64_t element, std::int64_t loops,
                          std::int64_t engine) {
  throw Error("layer " + layer.name,
              "element " + std::to_string(element) + " is " + std::to_string(loops) +
                  " by the plain loops and " + std::to_string(engine) + " by the engine",
              "please report it with the model and the image", ExitCode::mismatch);
}

}  // namespace

std::vector<LayerTensors> trace_tensors(const IntModel& model, const TensorU8& image) {
  const Shape expected{model.height, model.width, model.channels};
  check_same_shape(image.shape(), expected, "image");
  std::vector<LayerTensors> tensors;
  for (int k = 0; k < static_cast<int>(model.layers.size()); ++k) {
    const IntLayer& layer = model.layers[static_cast<std::size_t>(k)];
    const int input = model.input_of(k);
    LayerTensors t;
    t.input = (input < 0 ? image : tensors[static_cast<std::size_t>(input)].output)
                  .reshaped({layer.shape.H, layer.shape.W, layer.shape.C});
    if (layer.add >= 0) t.shortcut = tensors[static_cast<std::size_t>(layer.add)].output;
    compute(layer, t);
    tensors.push_back(std::move(t));
  }
  return tensors;
}

EngineCheck check_with_engine(const IntModel& model, const TensorU8& image,
                              const std::vector<LayerTensors>& tensors,
                              const std::string& algorithm) {
  Engine engine(model, 1, algorithm);
  const int count = static_cast<int>(model.layers.size());
  engine.run_prefix(image.data(), 1, count);
  EngineCheck equal;
  for (int k = 0; k < count; ++k) {
    const IntLayer& layer = model.layers[static_cast<std::size_t>(k)];
    const LayerTensors& t = tensors[static_cast<std::size_t>(k)];
    for (std::int64_t i = 0; i < layer.output_size(); ++i) {
      const std::int64_t loops = layer.is_last() ? t.accumulators[i] : t.output[i];
      const std::int64_t engines = layer.is_last() ? engine.accumulators()[i] : engine.codes(k)[i];
      if (loops != engines) differs(layer, i, loops, engines);
    }
    (layer.is_last() ? equal.logits : equal.codes) += layer.output_size();
  }
  return equal;
}

LayerSource source_of(const IntModel& model, int k) {
  const int input = model.input_of(k);
  if (input < 0) return {"the image", model.height, model.width, model.channels};
  const IntLayer& from = model.layers[static_cast<std::size_t>(input)];
  return {from.name, from.pooled_P(), from.pooled_Q(), from.shape.K};
}

}  // namespace intandem
