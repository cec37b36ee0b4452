// A small teacher with every kind of unit, and random images, shared by quant and distill tests.
#pragma once

#include <cmath>

#include "data/dataset.hpp"
#include "nn/network.hpp"
#include "quant/student.hpp"

namespace intandem::tiny {

/// conv 3×3 pad 1 + pool, residual conv, strided conv, (average pool,) linear, linear.
inline NetworkSpec network(bool with_avg_pool = true) {
  NetworkSpec spec{"tiny", 8, 8, 2, 3, {}};
  UnitSpec conv1;
  conv1.name = "conv1";
  conv1.out = 6;
  conv1.kernel = 3;
  conv1.pad = 1;
  conv1.pool_kernel = conv1.pool_stride = 2;
  UnitSpec conv2 = conv1;
  conv2.name = "conv2";
  conv2.pool_kernel = conv2.pool_stride = 0;
  conv2.add = "conv1";
  UnitSpec conv3 = conv2;
  conv3.name = "conv3";
  conv3.add.clear();
  conv3.out = 8;
  conv3.stride = 2;
  UnitSpec pool;
  pool.name = "pool";
  pool.kind = UnitKind::avg_pool;
  pool.kernel = pool.stride = 2;
  pool.batch_norm = pool.relu = false;
  UnitSpec fc1;
  fc1.name = "fc1";
  fc1.kind = UnitKind::linear;
  fc1.out = 10;
  UnitSpec fc2 = fc1;
  fc2.name = "fc2";
  fc2.out = 3;
  fc2.batch_norm = fc2.relu = false;
  spec.units = {conv1, conv2, conv3};
  if (with_avg_pool) spec.units.push_back(pool);
  spec.units.push_back(fc1);
  spec.units.push_back(fc2);
  return spec;
}

/// Units that read earlier ones, groups, depthwise, a projection shortcut, linear bottlenecks (also
/// pooled, averaged and added to each other) and a global pool.
inline NetworkSpec branched_network() {
  NetworkSpec spec{"branched", 8, 8, 2, 3, {}};
  spec.units = {
      {.name = "stem", .out = 6, .kernel = 3, .pad = 1, .groups = 2},
      {.name = "side", .out = 8, .stride = 2, .relu = false},
      {.name = "a", .out = 8, .kernel = 3, .stride = 2, .pad = 1, .input = "stem", .groups = 2},
      {.name = "dw", .out = 8, .kernel = 3, .pad = 1, .groups = 8},
      {.name = "b", .out = 8, .relu = false, .add = "side"},
      {.name = "c", .out = 8, .kernel = 3, .pad = 1, .relu = false, .add = "b"},
      {.name = "dw2", .out = 8, .kernel = 3, .pad = 1, .relu = false, .groups = 8},
      {.name = "d", .out = 8, .kernel = 3, .pad = 1, .add = "c", .input = "dw2"},
      {.name = "e", .out = 10, .relu = false, .pool_kernel = 2, .pool_stride = 2},
      {.name = "mean", .kind = UnitKind::avg_pool, .kernel = 0, .batch_norm = false, .relu = false},
      {.name = "f", .kind = UnitKind::linear, .out = 9, .relu = false},
      {.name = "fc", .kind = UnitKind::linear, .out = 3, .batch_norm = false, .relu = false}};
  return spec;
}

inline Normalization normalization() { return {{120, 131}, {61.5f, 70.25f}}; }

/// Three classes of blobs whose position and channel depend on the class, plus noise.
inline Dataset images(std::int64_t N, std::uint64_t seed) {
  Dataset data;
  data.name = "blobs";
  data.classes = 3;
  data.class_names = {"a", "b", "c"};
  data.images = TensorU8({N, 8, 8, 2});
  const Rng rng = Rng(seed).stream("blobs");
  for (std::int64_t n = 0; n < N; ++n) {
    const auto label = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(n), 3));
    data.labels.push_back(label);
    for (std::int64_t i = 0; i < 128; ++i) {
      const std::int64_t h = i / 16, w = i / 2 % 8, c = i % 2;
      const double d = std::hypot(static_cast<double>(h) - 2.0 - label * 1.5,
                                  static_cast<double>(w) - 5.0 + label * 1.5);
      const double noise =
          60.0 * static_cast<double>(rng.normal(static_cast<std::uint64_t>(1000 + n * 128 + i)));
      const double v = 110.0 + (c == label % 2 ? 120.0 : 50.0) * std::exp(-d * d / 4.0) + noise;
      data.images[n * 128 + i] = static_cast<std::uint8_t>(std::min(255.0, std::max(0.0, v)));
    }
  }
  return data;
}

/// A teacher with non-trivial batch-norm statistics (as if trained).
inline FloatNetwork teacher(std::uint64_t seed, bool with_avg_pool = true) {
  FloatNetwork net(network(with_avg_pool), Rng(seed));
  for (int k = 0; k < net.unit_count(); ++k) {
    FloatUnit& unit = net.unit(k);
    const Rng rng = Rng(seed).stream("bn").stream(static_cast<std::uint64_t>(k));
    for (std::int64_t c = 0; c < unit.gamma.value.size(); ++c) {
      const auto i = static_cast<std::uint64_t>(c);
      unit.gamma.value[c] = 0.5f + rng.uniform(4 * i);
      unit.beta.value[c] = 0.3f * rng.normal(4 * i + 1);
      unit.bn.running_mean[c] = 0.2f * rng.normal(4 * i + 2);
      unit.bn.running_var[c] = 0.5f + rng.uniform(4 * i + 3);
    }
  }
  return net;
}

/// Sets latents, scales and steps of a student to plausible random values.
inline void randomize(Student& student, std::uint64_t seed) {
  for (int k = 0; k < student.unit_count(); ++k) {
    StudentUnit& unit = student.unit(k);
    const Rng rng = Rng(seed).stream("student").stream(static_cast<std::uint64_t>(k));
    if (unit.quantizer) {
      const auto fan_in = static_cast<float>(unit.weight.value.size() / unit.weight.value.dim(0));
      const float sigma = (k == 0 ? 1.0f / 60.0f : 1.0f) * std::sqrt(2.0f / fan_in);
      for (std::int64_t i = 0; i < unit.weight.value.size(); ++i) {
        unit.weight.value[i] = sigma * rng.normal(static_cast<std::uint64_t>(i));
      }
      for (std::int64_t i = 0; i < unit.bias.value.size(); ++i) {
        unit.bias.value[i] = 0.2f * rng.normal(static_cast<std::uint64_t>(1000000 + i));
      }
      unit.quantizer->fit(unit.weight.value);
      unit.alpha.value[0] = 0.8f + 0.4f * rng.uniform(7);
    }
    unit.out_step.value[0] = 2.0f / static_cast<float>(max_activation_code(unit.activation_bits));
  }
}

}  // namespace intandem::tiny
