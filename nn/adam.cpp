#include "nn/adam.hpp"

#include <cmath>

#include "core/container.hpp"
#include "core/parallel.hpp"

namespace intandem {

Adam::Adam(std::vector<Parameter*> parameters) : parameters_(std::move(parameters)) {
  for (const Parameter* p : parameters_) {
    m_.push_back(TensorF::zeros(p->value.shape()));
    v_.push_back(TensorF::zeros(p->value.shape()));
  }
}

void Adam::zero_grad() {
  for (Parameter* p : parameters_) p->zero_grad();
}

void Adam::step(float lr, const std::vector<float>& rates) {
  INTANDEM_CHECK(rates.size() == parameters_.size(), "one rate per parameter");
  ++steps_;
  const auto t = static_cast<double>(steps_);
  const auto m_scale = static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(kBeta1), t)));
  const auto v_scale = static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(kBeta2), t)));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const float rate = lr * rates[i];
    float* w = parameters_[i]->value.data();
    const float* g = parameters_[i]->grad.data();
    float* m = m_[i].data();
    float* v = v_[i].data();
    parallel_for(m_[i].size(), 1 << 14, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t j = begin; j < end; ++j) {
        m[j] = kBeta1 * m[j] + (1.0f - kBeta1) * g[j];
        v[j] = kBeta2 * v[j] + (1.0f - kBeta2) * g[j] * g[j];
        w[j] -= rate * (m[j] * m_scale) / (std::sqrt(v[j] * v_scale) + kEpsilon);
      }
    });
  }
}

void Adam::store(Container& file, const std::string& prefix) const {
  file.set(prefix + "/steps", std::to_string(steps_));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string name = prefix + "/" + parameters_[i]->name;
    file.put(name + "/m", m_[i].clone());
    file.put(name + "/v", v_[i].clone());
  }
}

void Adam::load(const Container& file, const std::string& prefix) {
  steps_ = file.get_int(prefix + "/steps");
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string name = prefix + "/" + parameters_[i]->name;
    m_[i] = file.tensor<float>(name + "/m", m_[i].shape()).clone();
    v_[i] = file.tensor<float>(name + "/v", v_[i].shape()).clone();
  }
}

}  // namespace intandem
