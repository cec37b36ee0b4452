#include "nn/sgd.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/container.hpp"
#include "core/parallel.hpp"
#include "nn/elementwise_kernels.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 15;

double sum_of_squares(const TensorF& t) {
  const float* p = t.data();
  return parallel_sum<double>(t.size(), kGrain, [p](std::int64_t begin, std::int64_t end) {
    // Several independent sums, added in a fixed order, so that the loop is not one long chain.
    double part[8] = {};
    std::int64_t i = begin;
    for (; i + 8 <= end; i += 8) {
      for (int j = 0; j < 8; ++j) {
        const double value = p[i + j];
        part[j] += value * value;
      }
    }
    double sum = 0.0;
    for (; i < end; ++i) sum += static_cast<double>(p[i]) * p[i];
    for (const double s : part) sum += s;
    return sum;
  });
}

std::string momentum_name(const std::string& prefix, const Parameter& p) {
  return prefix + "/" + p.name + "/momentum";
}

}  // namespace

Sgd::Sgd(std::vector<Parameter*> parameters, SgdOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const Parameter* p : parameters_) velocity_.push_back(TensorF::zeros(p->value.shape()));
}

void Sgd::zero_grad() {
  for (Parameter* p : parameters_) {
    float* g = p->grad.data();
    parallel_for(p->grad.size(), kGrain, [g](std::int64_t begin, std::int64_t end) {
      std::fill(g + begin, g + end, 0.0f);
    });
  }
}

double Sgd::step(float lr, const std::vector<float>& lr_scale) {
  INTANDEM_CHECK(lr_scale.empty() || lr_scale.size() == parameters_.size(),
                 "learning-rate factors: one per parameter");
  double sum = 0.0;
  for (const Parameter* p : parameters_) sum += sum_of_squares(p->grad);
  const double norm = std::sqrt(sum);
  float grad_scale = 1.0f;
  if (options_.clip_norm > 0.0f && norm > options_.clip_norm) {
    grad_scale = static_cast<float>(options_.clip_norm / norm);
  }
  const ElementwiseKernels& kernels = elementwise_kernels();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& p = *parameters_[i];
    check_same_shape(p.grad.shape(), velocity_[i].shape(), p.name.c_str());
    const SgdCoefficients k{lr_scale.empty() ? lr : lr * lr_scale[i], options_.momentum,
                            p.decay ? options_.weight_decay : 0.0f, grad_scale, options_.nesterov};
    const float* g = p.grad.data();
    float* v = velocity_[i].data();
    float* w = p.value.data();
    parallel_for(p.value.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      kernels.sgd(end - begin, k, g + begin, v + begin, w + begin);
    });
  }
  return norm;
}

void Sgd::store(Container& file, const std::string& prefix) const {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    // A copy: the container shares buffers and the next step would change them.
    file.put(momentum_name(prefix, *parameters_[i]), velocity_[i].clone());
  }
}

void Sgd::load(const Container& file, const std::string& prefix) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    velocity_[i] =
        file.tensor<float>(momentum_name(prefix, *parameters_[i]), velocity_[i].shape()).clone();
  }
}

ScheduleKind schedule_from_name(const std::string& name) {
  if (name == "constant") return ScheduleKind::constant;
  if (name == "cosine") return ScheduleKind::cosine;
  if (name == "step") return ScheduleKind::step;
  throw Error("learning-rate schedule", "unknown name '" + name + "'",
              "use constant, cosine or step", ExitCode::usage);
}

double LearningRate::at(std::int64_t step) const {
  if (step < warmup_steps) {
    return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  }
  switch (kind) {
    case ScheduleKind::constant:
      return peak;
    case ScheduleKind::step:
      return step_every <= 0 ? peak
                             : peak * std::pow(step_factor, static_cast<double>(step / step_every));
    case ScheduleKind::cosine:
      break;
  }
  const std::int64_t length = std::max<std::int64_t>(1, total_steps - warmup_steps);
  const double progress =
      std::min(1.0, static_cast<double>(step - warmup_steps) / static_cast<double>(length));
  const double fraction = 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  return peak * (final_fraction + (1.0 - final_fraction) * fraction);
}

}  // namespace intandem
