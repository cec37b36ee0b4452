// Networks as data (geometry) and the float network brought to life on a tape.
#include "nn/network.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "core/parallel.hpp"
#include "core/profile.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kMaxSliceElements = std::int64_t{1} << 24;  // 64 MiB per activation
constexpr std::int64_t kMaxSliceImages = 256;

[[noreturn]] void reject(const NetworkSpec& spec, const UnitSpec& unit, const std::string& problem,
                         const std::string& remedy) {
  throw Error("network " + spec.name + ", unit " + unit.name, problem, remedy);
}

void check_unit(const NetworkSpec& spec, const UnitSpec& u) {
  const bool weights = u.kind != UnitKind::avg_pool;
  if (weights && u.out <= 0) {
    reject(spec, u, "has " + std::to_string(u.out) + " output channels", "set out to 1 or more");
  }
  if (u.kernel <= 0 || u.stride <= 0 || u.pad < 0) {
    reject(spec, u, "kernel and stride must be at least 1 and pad at least 0", "correct them");
  }
  if (u.kind == UnitKind::linear && (u.kernel != 1 || u.stride != 1 || u.pad != 0)) {
    reject(spec, u, "a linear unit has no kernel, stride or pad", "remove them");
  }
  if (u.kind == UnitKind::avg_pool && (u.pad != 0 || u.batch_norm || u.out != 0)) {
    reject(spec, u, "an avg_pool unit has no pad, no batch_norm and no out",
           "set batch_norm to false and remove the others");
  }
  if (u.pool_kernel < 0 || u.pool_stride < 0 || (u.pool_kernel > 0) != (u.pool_stride > 0)) {
    reject(spec, u, "pool_kernel and pool_stride must both be set or both be 0", "correct them");
  }
  if (!(u.dropout >= 0.0f && u.dropout < 1.0f)) {
    reject(spec, u, "dropout " + std::to_string(u.dropout) + " is not in [0, 1)", "correct it");
  }
}

ConvShape shape_of(const NetworkSpec& spec, const UnitSpec& u, const Shape& in) {
  ConvShape s;
  if (u.kind == UnitKind::linear) {
    s.C = in.size();
    s.K = u.out;
    return s;
  }
  if (in.rank() != 3) {
    reject(spec, u, "needs an image but follows a linear unit", "move it before the linear units");
  }
  s.H = in[0];
  s.W = in[1];
  s.C = in[2];
  s.K = u.kind == UnitKind::avg_pool ? s.C : u.out;
  s.R = s.S = u.kernel;
  s.stride = u.stride;
  s.pad = u.pad;
  if (u.kernel > s.H + 2 * s.pad || u.kernel > s.W + 2 * s.pad) {
    reject(spec, u,
           "its " + std::to_string(u.kernel) + "x" + std::to_string(u.kernel) +
               " kernel does not fit the padded input " + in.str(),
           "use a smaller kernel or stride");
  }
  return s;
}

Shape pooled(const NetworkSpec& spec, const UnitSpec& u, const Shape& product) {
  if (u.pool_kernel == 0) return product;
  if (product.rank() != 3 || u.pool_kernel > product[0] || u.pool_kernel > product[1]) {
    reject(
        spec, u,
        "its pooling window of " + std::to_string(u.pool_kernel) + " does not fit " + product.str(),
        "use a smaller window");
  }
  return {(product[0] - u.pool_kernel) / u.pool_stride + 1,
          (product[1] - u.pool_kernel) / u.pool_stride + 1, product[2]};
}

}  // namespace

std::vector<UnitGeometry> infer_geometry(const NetworkSpec& spec) {
  const std::string subject = "network " + spec.name;
  if (spec.height <= 0 || spec.width <= 0 || spec.channels <= 0 || spec.classes <= 0) {
    throw Error(subject, "height, width, channels and classes must be at least 1", "set them");
  }
  if (spec.units.empty()) throw Error(subject, "has no units", "add at least one unit");

  std::vector<UnitGeometry> all;
  std::map<std::string, int> index;
  Shape flowing{spec.height, spec.width, spec.channels};
  for (const UnitSpec& u : spec.units) {
    if (u.name.empty()) throw Error(subject, "has a unit without a name", "name every unit");
    check_unit(spec, u);
    UnitGeometry g;
    g.input = flowing;
    g.shape = shape_of(spec, u, flowing);
    g.product =
        u.kind == UnitKind::linear ? Shape{g.shape.K} : Shape{g.shape.P(), g.shape.Q(), g.shape.K};
    if (!u.add.empty()) {
      const auto found = index.find(u.add);
      if (found == index.end()) {
        reject(spec, u, "adds '" + u.add + "', which is no earlier unit", "name an earlier unit");
      }
      g.add = found->second;
      const Shape& other = all[static_cast<std::size_t>(g.add)].output;
      if (!(other == g.product)) {
        reject(spec, u, "adds '" + u.add + "' of shape " + other.str() + " to " + g.product.str(),
               "make the shapes equal");
      }
    }
    g.output = pooled(spec, u, g.product);
    flowing = g.output;
    if (!index.emplace(u.name, static_cast<int>(all.size())).second) {
      reject(spec, u, "has the name of an earlier unit", "give every unit its own name");
    }
    all.push_back(g);
  }
  if (flowing.size() != spec.classes) {
    reject(spec, spec.units.back(),
           "ends in " + std::to_string(flowing.size()) + " values for " +
               std::to_string(spec.classes) + " classes",
           "let the last unit have one output per class");
  }
  return all;
}

FloatNetwork::FloatNetwork(NetworkSpec spec, const Rng& rng)
    : spec_(std::move(spec)), geometry_(infer_geometry(spec_)) {
  for (std::size_t k = 0; k < spec_.units.size(); ++k) {
    const UnitSpec& u = spec_.units[k];
    const ConvShape& s = geometry_[k].shape;
    FloatUnit unit;
    if (u.kind != UnitKind::avg_pool) {
      TensorF w(u.kind == UnitKind::linear ? Shape{s.K, s.C} : Shape{s.K, s.R, s.S, s.C});
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

TensorF FloatNetwork::product_weight(int k) const {
  const TensorF& weight = unit(k).weight.value;
  return hook_ ? hook_->weight_values(k, weight) : weight;
}

Var FloatNetwork::normalized_product(Tape& tape, int k, const Var& input, const Mode& mode,
                                     bool fused) {
  const auto at = static_cast<std::size_t>(k);
  const UnitSpec& u = spec_.units[at];
  FloatUnit& unit = units_[at];
  if (u.kind == UnitKind::avg_pool) return avg_pool(tape, input, u.kernel, u.stride);
  const auto bring = [&](Parameter& p) {
    return mode.train_parameters ? tape.parameter(p) : tape.constant(p.value);
  };
  const Var w =
      hook_ ? hook_->weight(tape, k, unit.weight, mode.train_parameters) : bring(unit.weight);
  const Var b = u.batch_norm ? nullptr : bring(unit.bias);
  const Var y = u.kind == UnitKind::linear ? linear(tape, input, w, b)
                                           : conv2d(tape, input, w, b, u.stride, u.pad);
  if (!u.batch_norm) return y;
  const Var gamma = bring(unit.gamma), beta = bring(unit.beta);
  if (fused && u.pool_kernel > 0) {
    return batch_norm_pool(tape, y, gamma, beta, unit.bn, mode.training, true, u.pool_kernel,
                           u.pool_stride);
  }
  return batch_norm(tape, y, gamma, beta, unit.bn, mode.training, fused);
}

Var FloatNetwork::preactivation(Tape& tape, int k, const Var& input, const std::vector<Var>& values,
                                const Mode& mode) {
  const Var z = normalized_product(tape, k, input, mode, false);
  const int from = geometry_[static_cast<std::size_t>(k)].add;
  if (from < 0) return z;
  const auto source = static_cast<std::size_t>(from);
  INTANDEM_CHECK(source < values.size() && values[source],
                 "unit " + spec_.units[static_cast<std::size_t>(k)].name +
                     " needs the output of unit " + spec_.units[source].name);
  return add(tape, z, values[source]);
}

bool FloatNetwork::is_fusible(int k) const {
  const UnitSpec& u = spec_.units[static_cast<std::size_t>(k)];
  return u.relu && u.batch_norm && u.add.empty() && !(hook_ && hook_->changes_output(k));
}

Var FloatNetwork::drop(Tape& tape, int k, const Var& y, const Mode& mode) const {
  const UnitSpec& u = spec_.units[static_cast<std::size_t>(k)];
  if (!mode.training || u.dropout == 0.0f) return y;
  return dropout(tape, y, u.dropout, mode.rng.stream(u.name));
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
  Var x = input;
  for (int k = first; k < last; ++k) {
    const ProfileUnit unit(spec_.units[static_cast<std::size_t>(k)].name);
    x = is_fusible(k) ? drop(tape, k, normalized_product(tape, k, x, mode, true), mode)
                      : finish(tape, k, preactivation(tape, k, x, values, mode), mode);
    values[static_cast<std::size_t>(k)] = x;
  }
  return x;
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
