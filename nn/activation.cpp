// ReLU, residual addition, dropout, reshaping and scaling on the tape.
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/parallel.hpp"
#include "core/profile.hpp"
#include "nn/ops.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 15;

// out[i] = f(i) in parallel.
template <class F>
TensorF map(const Shape& shape, const F& f) {
  TensorF out(shape);
  float* p = out.data();
  parallel_for(out.size(), kGrain, [&f, p](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) p[i] = f(i);
  });
  return out;
}

double bytes(double tensors, const Var& x) {
  return tensors * static_cast<double>(x->value.size_bytes());
}

}  // namespace

Var relu(Tape& tape, const Var& x) {
  const ProfileScope scope("relu", 0, bytes(2, x));
  const float* xp = x->value.data();
  // NaN passes, so that a diverged network is noticed.
  TensorF y = map(x->value.shape(), [xp](std::int64_t i) { return xp[i] < 0.0f ? 0.0f : xp[i]; });
  return tape.record(std::move(y), {x}, [x](const Node& self) {
    const ProfileScope backward_scope("relu backward", 0, bytes(3, x));
    const float* in = x->value.data();
    const float* dy = self.grad.data();
    accumulate(x, map(x->value.shape(), [in, dy](std::int64_t i) {
                 const float g = dy[i];  // loaded either way, so that the loop has no branch
                 return in[i] > 0.0f ? g : 0.0f;
               }));
  });
}

Var add(Tape& tape, const Var& a, const Var& b) {
  check_same_shape(b->value.shape(), a->value.shape(), "second addend");
  const ProfileScope scope("add", 0, bytes(3, a));
  const float* pa = a->value.data();
  const float* pb = b->value.data();
  TensorF y = map(a->value.shape(), [pa, pb](std::int64_t i) { return pa[i] + pb[i]; });
  return tape.record(std::move(y), {a, b}, [a, b](const Node& self) {
    accumulate(a, self.grad);
    accumulate(b, self.grad);
  });
}

Var dropout(Tape& tape, const Var& x, float p, const Rng& rng, std::int64_t first_image) {
  INTANDEM_CHECK(p >= 0.0f && p < 1.0f, "dropout probability " + std::to_string(p));
  if (p == 0.0f) return x;
  const ProfileScope scope("dropout", 0, bytes(2.25, x));
  // An element is dropped if its 32-bit word is below p·2³². Four elements share one block.
  const auto threshold = static_cast<std::uint32_t>(std::lround(static_cast<double>(p) * 0x1p32));
  const float factor = 1.0f / (1.0f - p);
  const std::int64_t n = x->value.size(), first = first_image * (n / x->value.dim(0));
  TensorU8 keep(x->value.shape());
  std::uint8_t* mask = keep.data();
  const std::int64_t first_block = first / 4, blocks = (first + n + 3) / 4 - first_block;
  parallel_for(blocks, kGrain / 4, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = first_block + begin; block < first_block + end; ++block) {
      const auto words = rng.block(static_cast<std::uint64_t>(block));
      for (std::int64_t i = std::max(first, 4 * block); i < std::min(first + n, 4 * block + 4);
           ++i) {
        mask[i - first] = words[static_cast<std::size_t>(i % 4)] >= threshold;
      }
    }
  });
  const float* xp = x->value.data();
  TensorF y =
      map(x->value.shape(), [=](std::int64_t i) { return mask[i] != 0 ? factor * xp[i] : 0.0f; });
  return tape.record(std::move(y), {x}, [x, keep, factor](const Node& self) {
    const ProfileScope backward_scope("dropout backward", 0, bytes(2.25, x));
    const std::uint8_t* kept = keep.data();
    const float* dy = self.grad.data();
    accumulate(x, map(x->value.shape(),
                      [=](std::int64_t i) { return kept[i] != 0 ? factor * dy[i] : 0.0f; }));
  });
}

Var flatten(Tape& tape, const Var& x) {
  const Shape& in = x->value.shape();
  INTANDEM_CHECK(in.rank() >= 1 && in[0] > 0, "cannot flatten shape " + in.str());
  return tape.record(x->value.reshaped({in[0], in.size() / in[0]}), {x}, [x](const Node& self) {
    accumulate(x, self.grad.reshaped(x->value.shape()));
  });
}

Var scale(Tape& tape, const Var& x, const Var& factor) {
  INTANDEM_CHECK(factor->value.size() == 1, "scale factor of shape " + factor->value.shape().str());
  const float f = factor->value[0];
  const float* xp = x->value.data();
  TensorF y = map(x->value.shape(), [f, xp](std::int64_t i) { return f * xp[i]; });
  return tape.record(std::move(y), {x, factor}, [x, factor, f](const Node& self) {
    const float* in = x->value.data();
    const float* dy = self.grad.data();
    if (x->needs_grad) {
      accumulate(x, map(x->value.shape(), [f, dy](std::int64_t i) { return f * dy[i]; }));
    }
    if (factor->needs_grad) {
      const double sum =
          parallel_sum<double>(x->value.size(), kGrain, [=](std::int64_t begin, std::int64_t end) {
            double part = 0.0;
            for (std::int64_t i = begin; i < end; ++i) part += static_cast<double>(dy[i]) * in[i];
            return part;
          });
      accumulate(factor, TensorF::full(factor->value.shape(), static_cast<float>(sum)));
    }
  });
}

Var weighted_sum(Tape& tape, const std::vector<Var>& x, const std::vector<float>& weight) {
  INTANDEM_CHECK(!x.empty() && x.size() == weight.size(),
                 "weighted sum of " + std::to_string(x.size()) + " values with " +
                     std::to_string(weight.size()) + " weights");
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    INTANDEM_CHECK(x[i]->value.size() == 1,
                   "weighted sum of a tensor " + x[i]->value.shape().str());
    sum += static_cast<double>(weight[i]) * x[i]->value[0];
  }
  return tape.record(TensorF::full({1}, static_cast<float>(sum)), x, [x, weight](const Node& self) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      accumulate(x[i], TensorF::full(x[i]->value.shape(), weight[i] * self.grad[0]));
    }
  });
}

}  // namespace intandem
