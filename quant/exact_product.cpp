// Integer products by float kernels, exactly (Q11), and the simulated student as integers.
#include <algorithm>
#include <cstdlib>

#include "core/parallel.hpp"
#include "nn/conv2d_kernels.hpp"
#include "quant/fake_quant.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kFloatExact = std::int64_t{1} << 24;
constexpr std::int64_t kGrain = 1 << 14;

/// max over k of Σ |w|·x_max, a bound on every partial sum in any order.
std::int64_t partial_sum_bound(const TensorF& weights, std::int32_t x_max) {
  const std::int64_t K = weights.dim(0);
  const std::int64_t per_channel = weights.size() / K;
  std::int64_t bound = 0;
  for (std::int64_t k = 0; k < K; ++k) {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < per_channel; ++i) {
      sum += std::abs(static_cast<std::int32_t>(weights[k * per_channel + i]));
    }
    bound = std::max(bound, sum * x_max);
  }
  return bound;
}

/// w = Σ_i digit_i·2^(bits·i): all digits but the highest in 0 … 2^bits − 1, the highest signed.
std::vector<TensorF> digits_of(const TensorS8& weights, int bits) {
  const int count = (8 + bits - 1) / bits;
  std::vector<TensorF> digits;
  for (int d = 0; d < count; ++d) {
    TensorF digit(weights.shape());
    for (std::int64_t i = 0; i < weights.size(); ++i) {
      const std::int32_t shifted = weights[i] >> (bits * d);
      digit[i] = static_cast<float>(d + 1 == count ? shifted : shifted & ((1 << bits) - 1));
    }
    digits.push_back(std::move(digit));
  }
  return digits;
}

}  // namespace

TensorS32 exact_product(const ConvShape& shape, const TensorF& x, std::int32_t x_max,
                        const TensorS8& weights) {
  for (const int bits : {8, 4, 2, 1}) {
    const std::vector<TensorF> digits = digits_of(weights, bits);
    if (std::any_of(digits.begin(), digits.end(), [&](const TensorF& digit) {
          return partial_sum_bound(digit, x_max) >= kFloatExact;
        })) {
      continue;
    }
    TensorS32 sums({shape.N, shape.P(), shape.Q(), shape.K});
    TensorF part(sums.shape());
    for (std::size_t d = 0; d < digits.size(); ++d) {
      conv2d_forward(shape, x.data(), digits[d].data(), nullptr, part.data());
      // Modulo 2³²: the sum fits (Q7 bounds it), the partial sums of the digits need not.
      const std::uint32_t weight = 1u << (static_cast<std::size_t>(bits) * d);
      parallel_for(sums.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const auto value =
              weight * static_cast<std::uint32_t>(static_cast<std::int32_t>(part[i]));
          const auto sum = d == 0 ? 0u : static_cast<std::uint32_t>(sums[i]);
          sums[i] = static_cast<std::int32_t>(sum + value);
        }
      });
    }
    return sums;
  }
  fail_check(__FILE__, __LINE__, "no exact float split for " + shape.str());
}

TensorF centered_pixels(const TensorU8& images, const Normalization& normalization) {
  TensorF x(images.shape());
  const auto C = static_cast<std::int64_t>(normalization.zero_point.size());
  INTANDEM_CHECK(images.dim(3) == C, "images of shape " + images.shape().str() + " for " +
                                         std::to_string(C) + " channels");
  parallel_for(x.size() / C, kGrain / C, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t c = 0; c < C; ++c) {
        x[i * C + c] = static_cast<float>(std::int32_t{images[i * C + c]} -
                                          normalization.zero_point[static_cast<std::size_t>(c)]);
      }
    }
  });
  return x;
}

TensorF codes_to_float(const std::uint8_t* codes, const Shape& shape) {
  TensorF x(shape);
  parallel_for(x.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) x[i] = static_cast<float>(codes[i]);
  });
  return x;
}

SimulatedOutputs simulate_student(Student& student, const TensorU8& images) {
  SimulatedOutputs outputs;
  std::vector<Var> codes;
  Tape tape;
  Var x = tape.constant(centered_pixels(images, student.normalization()));
  for (int k = 0; k < student.unit_count(); ++k) {
    const Var step = tape.constant(TensorF::full({1}, static_cast<float>(student.in_step(k))));
    const int add = student.geometry()[static_cast<std::size_t>(k)].add;
    Var shortcut, shortcut_step;
    if (add >= 0) {
      shortcut = codes[static_cast<std::size_t>(add)];
      shortcut_step = tape.constant(student.unit(add).out_step.value);
    }
    const SimulatedUnit unit =
        simulate_unit(tape, student, k, x, step, shortcut, shortcut_step, SimulationMode{});
    if (student.is_last(k)) {
      outputs.accumulators = unit.accumulators;
      break;
    }
    x = unit.codes;
    codes.push_back(x);
    TensorU8 bytes(x->value.shape());
    std::copy(x->value.begin(), x->value.end(), bytes.begin());
    outputs.codes.push_back(std::move(bytes));
  }
  return outputs;
}

}  // namespace intandem
