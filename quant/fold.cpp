#include "quant/fold.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace intandem {

FoldedUnit fold_batch_norm(const FloatNetwork& net, int at, const Normalization* input) {
  const FloatUnit& unit = net.unit(at);
  const UnitSpec& spec = net.spec().units[static_cast<std::size_t>(at)];
  INTANDEM_CHECK(spec.kind != UnitKind::avg_pool, "unit " + spec.name + " has no weights to fold");
  const std::int64_t K = unit.weight.value.dim(0);
  const std::int64_t per_channel = unit.weight.value.size() / K;
  FoldedUnit folded{net.product_weight(at).clone(), TensorF::zeros({K})};
  for (std::int64_t k = 0; k < K; ++k) {
    double gain = 1.0;
    double bias = 0.0;
    if (spec.batch_norm) {
      gain = static_cast<double>(unit.gamma.value[k]) /
             std::sqrt(static_cast<double>(unit.bn.running_var[k]) +
                       static_cast<double>(unit.bn.epsilon));
      bias = static_cast<double>(unit.beta.value[k]) -
             gain * static_cast<double>(unit.bn.running_mean[k]);
    } else if (!unit.bias.value.empty()) {
      bias = static_cast<double>(unit.bias.value[k]);
    }
    folded.bias[k] = static_cast<float>(bias);
    float* row = folded.weight.data() + k * per_channel;
    for (std::int64_t i = 0; i < per_channel; ++i) {
      row[i] = static_cast<float>(static_cast<double>(row[i]) * gain);
    }
  }
  if (input != nullptr) {
    const auto C = static_cast<std::int64_t>(input->std_dev.size());
    // Channels of a filter: those of its group, or, of a linear unit, every pixel's.
    const std::int64_t in_filter = folded.weight.rank() == 4 ? folded.weight.dim(3) : C;
    INTANDEM_CHECK(per_channel % in_filter == 0 && C % in_filter == 0,
                   "unit " + spec.name + " does not take " + std::to_string(C) + " input channels");
    const std::int64_t filters = K / (C / in_filter);  // of a group
    for (std::int64_t i = 0; i < folded.weight.size(); ++i) {
      const std::int64_t c = i / per_channel / filters * in_filter + i % in_filter;
      folded.bias[i / per_channel] +=
          folded.weight[i] * input->offset_of(static_cast<std::size_t>(c));
      folded.weight[i] /= input->std_dev[static_cast<std::size_t>(c)];
    }
  }
  const auto finite = [](const TensorF& t) {
    return std::all_of(t.begin(), t.end(), [](float v) { return std::isfinite(v); });
  };
  if (!finite(folded.weight) || !finite(folded.bias)) {
    throw Error("layer " + spec.name, "batch norm cannot be folded: its numbers overflow",
                "check gamma and variance of that layer, or train the teacher again");
  }
  return folded;
}

}  // namespace intandem
