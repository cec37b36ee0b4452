#include "nn/sgd.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/container.hpp"
#include "core/parallel.hpp"
#include "core/profile.hpp"
#include "nn/elementwise/kernels.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 15;

double sum_of_squares(const float* p, std::int64_t n) {
  // Several independent sums, added in a fixed order, so that the loop is not one long chain.
  double part[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int j = 0; j < 8; ++j) {
      const double value = p[i + j];
      part[j] += value * value;
    }
  }
  double sum = 0.0;
  for (; i < n; ++i) sum += static_cast<double>(p[i]) * p[i];
  for (const double s : part) sum += s;
  return sum;
}

double sum_of_squares(const TensorF& t) {
  const float* p = t.data();
  return parallel_sum<double>(t.size(), kGrain, [p](std::int64_t begin, std::int64_t end) {
    return sum_of_squares(p + begin, end - begin);
  });
}

double total_bytes(const std::vector<Parameter*>& parameters) {
  double sum = 0.0;
  for (const Parameter* p : parameters) sum += static_cast<double>(p->value.size_bytes());
  return sum;
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
  const ProfileUnit unit("update");
  const ProfileScope scope("zero gradients", 0, total_bytes(parameters_));
  for (Parameter* p : parameters_) {
    float* g = p->grad.data();
    parallel_for(p->grad.size(), kGrain, [g](std::int64_t begin, std::int64_t end) {
      std::fill(g + begin, g + end, 0.0f);
    });
  }
}

double Sgd::step(float lr, const std::vector<float>& lr_scale) {
  return update(lr, lr_scale, false);
}

double Sgd::step_and_zero_grad(float lr, const std::vector<float>& lr_scale) {
  return update(lr, lr_scale, true);
}

double Sgd::update(float lr, const std::vector<float>& lr_scale, bool zero_grad) {
  INTANDEM_CHECK(lr_scale.empty() || lr_scale.size() == parameters_.size(),
                 "learning-rate factors: one per parameter");
  // Five passes: g, and v and w both ways; sixth and seventh: zeros into g, the norm before it.
  const bool clip = options_.clip_norm > 0.0f;
  const ProfileUnit unit("update");
  const ProfileScope scope("step", 0,
                           total_bytes(parameters_) * (5.0 + (zero_grad ? 1 : 0) + (clip ? 1 : 0)));
  float grad_scale = 1.0f;
  double sum = 0.0;
  if (clip) {  // the norm must be known before the first update
    for (const Parameter* p : parameters_) sum += sum_of_squares(p->grad);
    const double norm = std::sqrt(sum);
    if (norm > options_.clip_norm) grad_scale = static_cast<float>(options_.clip_norm / norm);
  }
  const ElementwiseKernels& kernels = elementwise_kernels();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& p = *parameters_[i];
    check_same_shape(p.grad.shape(), velocity_[i].shape(), p.name.c_str());
    const SgdCoefficients k{lr_scale.empty() ? lr : lr * lr_scale[i], options_.momentum,
                            p.decay ? options_.weight_decay : 0.0f, grad_scale, options_.nesterov};
    float* g = p.grad.data();
    float* v = velocity_[i].data();
    float* w = p.value.data();
    // Without clipping the norm is for the caller alone and taken while the gradient is in the
    // cache; zeros are written there, too.
    const double squares =
        parallel_sum<double>(p.value.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
          const double part = clip ? 0.0 : sum_of_squares(g + begin, end - begin);
          kernels.sgd(end - begin, k, g + begin, v + begin, w + begin);
          if (zero_grad) std::fill(g + begin, g + end, 0.0f);
          return part;
        });
    if (!clip) sum += squares;
  }
  return std::sqrt(sum);
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
