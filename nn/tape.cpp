#include "nn/tape.hpp"

#include <algorithm>
#include <utility>

#include "core/parallel.hpp"
#include "core/profile.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 15;  // elements per chunk: 128 KiB of each operand

void add_into(TensorF& sum, const TensorF& a, const TensorF& b) {
  float* s = sum.data();
  const float* pa = a.data();
  const float* pb = b.data();
  parallel_for(sum.size(), kGrain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) s[i] = pa[i] + pb[i];
  });
}

}  // namespace

void accumulate(const Var& v, TensorF g) {
  if (!v->needs_grad) return;
  check_same_shape(g.shape(), v->value.shape(), "gradient");
  if (v->grad.empty()) {
    // Another node may hold the same buffer (add() hands its gradient to both operands), so the
    // first contribution is only borrowed; the second one goes to fresh storage.
    v->grad = std::move(g);
    v->owns_grad = false;
  } else if (v->owns_grad) {
    add_into(v->grad, v->grad, g);
  } else {
    TensorF sum(v->grad.shape());
    add_into(sum, v->grad, g);
    v->grad = std::move(sum);
    v->owns_grad = true;
  }
}

TensorF& gradient_storage(const Var& v) {
  INTANDEM_CHECK(v->needs_grad, "a constant has no gradient");
  if (v->grad.empty()) {
    v->grad = TensorF::zeros(v->value.shape());
  } else if (!v->owns_grad) {
    v->grad = v->grad.clone();
  }
  v->owns_grad = true;
  return v->grad;
}

TensorF spent_storage(const Var& v) {
  // A result with a closure is held by the tape; the second holder is the operation itself.
  const bool recorded = static_cast<bool>(v->backward);
  if (recorded && v.use_count() == 2 && v->value.is_sole_owner()) return v->value;
  return TensorF(v->value.shape());
}

Var Tape::constant(TensorF value) {
  auto node = std::make_shared<Node>();
  node->value = std::move(value);
  return node;
}

Var Tape::input(TensorF value) {
  Var node = constant(std::move(value));
  node->needs_grad = true;
  return node;
}

Var Tape::parameter(Parameter& p) {
  if (p.grad.empty()) p.grad = TensorF::zeros(p.value.shape());
  check_same_shape(p.grad.shape(), p.value.shape(), p.name.c_str());
  // The node's gradient *is* the parameter's: kernels add to it without a copy in between, and a
  // parameter used twice collects both contributions.
  Var node = input(p.value);
  node->parameter = &p;
  node->grad = p.grad;
  node->owns_grad = true;
  return node;
}

Var Tape::record(TensorF value, const std::vector<Var>& inputs,
                 std::function<void(const Node& self)> backward) {
  INTANDEM_CHECK(!finished_, "this tape has been walked back; record on a new one");
  const bool needs_grad =
      std::any_of(inputs.begin(), inputs.end(), [](const Var& v) { return v && v->needs_grad; });
  Var node = constant(std::move(value));
  if (needs_grad) {
    node->needs_grad = true;
    node->backward = std::move(backward);
    node->profile_unit = current_profile_unit();
    for (const Var& v : inputs) {
      if (!v || v->parameter == nullptr) continue;
      const auto is_it = [&](const FirstUse& use) { return use.parameter == v->parameter; };
      if (std::any_of(first_uses_.begin(), first_uses_.end(), is_it)) continue;
      first_uses_.push_back({nodes_.size(), v->parameter});
    }
    nodes_.push_back(node);
  }
  return node;
}

void Tape::backward(const Var& loss, const std::function<void(Parameter&)>& on_gradient) {
  INTANDEM_CHECK(!finished_, "backward() may be called once per tape");
  INTANDEM_CHECK(loss->value.size() == 1,
                 "the loss must have one element, it has shape " + loss->value.shape().str());
  INTANDEM_CHECK(loss->needs_grad, "the loss depends on no input and no parameter");
  finished_ = true;
  accumulate(loss, TensorF::full(loss->value.shape(), 1.0f));
  while (!nodes_.empty()) {
    const Var node = std::move(nodes_.back());
    nodes_.pop_back();
    if (!node->grad.empty()) {
      const ProfileUnit unit(node->profile_unit);
      node->backward(*node);
    }
    node->backward = nullptr;  // drops the values the operation saved
    node->grad = {};
    for (; !first_uses_.empty() && first_uses_.back().node == nodes_.size();
         first_uses_.pop_back()) {
      if (on_gradient) on_gradient(*first_uses_.back().parameter);
    }
  }
}

}  // namespace intandem
