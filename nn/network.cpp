// The float network brought to life on a tape.
#include "nn/network.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/parallel.hpp"
#include "core/profile.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kMaxSliceElements = std::int64_t{1} << 24;  // 64 MiB per activation
constexpr std::int64_t kMaxSliceImages = 256;

}  // namespace

FloatNetwork::FloatNetwork(NetworkSpec spec, const Rng& rng)
    : spec_(std::move(spec)), geometry_(infer_geometry(spec_)) {
  for (std::size_t k = 0; k < spec_.units.size(); ++k) {
    const UnitSpec& u = spec_.units[k];
    const ConvShape& s = geometry_[k].shape;
    FloatUnit unit;
    if (u.kind != UnitKind::avg_pool) {
      TensorF w(u.kind == UnitKind::linear ? Shape{s.K, s.C} : Shape{s.K, s.R, s.S, s.group_C()});
      const float std_dev = std::sqrt(2.0f / static_cast<float>(s.reduction()));
      const Rng draw = rng.stream(u.name);
      float* p = w.data();
      parallel_for(w.size(), 1 << 12, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          p[i] = std_dev * draw.normal(static_cast<std::uint64_t>(i));
        }
      });
      unit.weight = Parameter(u.name + "/weight", std::move(w), true);
      const Shape channels{s.K};
      if (u.batch_norm) {
        unit.gamma = Parameter(u.name + "/gamma", TensorF::full(channels, 1.0f), false);
        unit.beta = Parameter(u.name + "/beta", TensorF::zeros(channels), false);
        unit.bn.running_mean = TensorF::zeros(channels);
        unit.bn.running_var = TensorF::full(channels, 1.0f);
      } else {
        unit.bias = Parameter(u.name + "/bias", TensorF::zeros(channels), false);
      }
    }
    units_.push_back(std::move(unit));
  }
}

std::vector<Parameter*> FloatNetwork::parameters() {
  std::vector<Parameter*> all;
  for (FloatUnit& unit : units_) {
    for (Parameter* p : {&unit.weight, &unit.bias, &unit.gamma, &unit.beta}) {
      if (!p->value.empty()) all.push_back(p);
    }
  }
  if (hook_) {
    const std::vector<Parameter*> more = hook_->parameters();
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

void FloatNetwork::set_shards(Communicator& shards, bool synchronized) {
  for (FloatUnit& u : units_) u.bn.shards = synchronized ? &shards : nullptr;
  if (hook_) hook_->set_shards(&shards);
}

TensorF FloatNetwork::product_weight(int k) const {
  const TensorF& weight = unit(k).weight.value;
  return hook_ ? hook_->weight_values(k, weight) : weight;
}

Var FloatNetwork::normalized_product(Tape& tape, int k, const Var& input, const Mode& mode,
                                     bool fused) {
  const auto at = static_cast<std::size_t>(k);
  const UnitSpec& u = spec_.units[at];
  FloatUnit& unit = units_[at];
  if (u.kind == UnitKind::avg_pool) {
    return u.kernel == 0 ? global_avg_pool(tape, input) : avg_pool(tape, input, u.kernel, u.stride);
  }
  const auto bring = [&](Parameter& p) {
    return mode.train_parameters ? tape.parameter(p) : tape.constant(p.value);
  };
  const Var w =
      hook_ ? hook_->weight(tape, k, unit.weight, mode.train_parameters) : bring(unit.weight);
  const Var b = u.batch_norm ? nullptr : bring(unit.bias);
  const Var y = u.kind == UnitKind::linear ? linear(tape, input, w, b)
                                           : conv2d(tape, input, w, b, u.stride, u.pad, u.groups);
  if (!u.batch_norm) return y;
  const Var gamma = bring(unit.gamma), beta = bring(unit.beta);
  if (fused && u.pool_kernel > 0) {
    return batch_norm_pool(tape, y, gamma, beta, unit.bn, mode.training, true, u.pool_kernel,
                           u.pool_stride);
  }
  return batch_norm(tape, y, gamma, beta, unit.bn, mode.training, fused);
}

const Var& FloatNetwork::output_of(int source, int k, const std::vector<Var>& values) const {
  const auto at = static_cast<std::size_t>(k), from = static_cast<std::size_t>(source);
  INTANDEM_CHECK(source >= 0 && from < values.size() && values[from],
                 "unit " + spec_.units[at].name + " needs " +
                     (source < 0 ? "the image" : "the output of unit " + spec_.units[from].name));
  return values[from];
}

Var FloatNetwork::preactivation(Tape& tape, int k, const Var& input, const std::vector<Var>& values,
                                const Mode& mode) {
  const Var z = normalized_product(tape, k, input, mode, false);
  const int from = geometry_[static_cast<std::size_t>(k)].add;
  if (from < 0) return z;
  return add(tape, z, output_of(from, k, values));
}

bool FloatNetwork::is_fusible(int k) const {
  const UnitSpec& u = spec_.units[static_cast<std::size_t>(k)];
  return u.relu && u.batch_norm && u.add.empty() && !(hook_ && hook_->changes_output(k));
}

Var FloatNetwork::drop(Tape& tape, int k, const Var& y, const Mode& mode) const {
  const UnitSpec& u = spec_.units[static_cast<std::size_t>(k)];
  if (!mode.training || u.dropout == 0.0f) return y;
  return dropout(tape, y, u.dropout, mode.rng.stream(u.name), mode.first_image);
}

Var FloatNetwork::finish(Tape& tape, int k, const Var& z, const Mode& mode) const {
  const UnitSpec& u = spec_.units[static_cast<std::size_t>(k)];
  Var y = u.relu ? relu(tape, z) : z;
  if (hook_) y = hook_->output(tape, k, y, mode.training, mode.train_parameters);
  if (u.pool_kernel > 0) y = max_pool(tape, y, u.pool_kernel, u.pool_stride);
  return drop(tape, k, y, mode);
}

Var FloatNetwork::forward(Tape& tape, int first, int last, const Var& input,
                          std::vector<Var>& values, const Mode& mode) {
  INTANDEM_CHECK(first >= 0 && first < last && last <= unit_count(),
                 "units " + std::to_string(first) + " to " + std::to_string(last));
  values.resize(static_cast<std::size_t>(unit_count()));
  Var y;
  for (int k = first; k < last; ++k) {
    const ProfileUnit unit(spec_.units[static_cast<std::size_t>(k)].name);
    const int from = geometry_[static_cast<std::size_t>(k)].from;
    const bool given = k == first && (from < 0 || !values[static_cast<std::size_t>(from)]);
    const Var x = given ? input : output_of(from, k, values);
    y = is_fusible(k) ? drop(tape, k, normalized_product(tape, k, x, mode, true), mode)
                      : finish(tape, k, preactivation(tape, k, x, values, mode), mode);
    values[static_cast<std::size_t>(k)] = y;
  }
  return y;
}

TensorF FloatNetwork::predict(const TensorF& x) {
  const std::int64_t N = x.dim(0);
  const std::int64_t image = spec_.height * spec_.width * spec_.channels;
  check_same_shape(x.shape(), {N, spec_.height, spec_.width, spec_.channels}, "network input");
  std::int64_t largest = image;
  for (const UnitGeometry& g : geometry_) largest = std::max(largest, g.product.size());
  const std::int64_t slice =
      std::clamp(kMaxSliceElements / largest, std::int64_t{1}, kMaxSliceImages);
  TensorF logits({N, spec_.classes});
  for (std::int64_t begin = 0; begin < N; begin += slice) {
    const std::int64_t count = std::min(slice, N - begin);
    TensorF part(x.shape().with_outer(count));
    std::copy_n(x.data() + begin * image, count * image, part.data());
    Tape tape;
    std::vector<Var> values;
    const Var out = forward(tape, 0, unit_count(), tape.constant(std::move(part)), values, Mode{});
    std::copy_n(out->value.data(), count * spec_.classes, logits.data() + begin * spec_.classes);
  }
  return logits;
}

}  // namespace intandem
