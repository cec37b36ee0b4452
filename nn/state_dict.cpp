#include "nn/state_dict.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "core/container.hpp"
#include "core/text.hpp"
#include "nn/channels_last.hpp"

namespace intandem {
namespace {

constexpr const char* kRule = "docs/exchange.md says how tensors of a unit are called";

/// "conv1" → "bn1": the last "conv" replaced; nothing if there is none.
std::optional<std::string> conv_as_bn(std::string name) {
  const std::size_t at = name.rfind("conv");
  if (at == std::string::npos) return std::nullopt;
  return name.replace(at, 4, "bn");
}

/// "features.0" → "features.1": a last part that is a number, raised by one.
std::optional<std::string> next_number(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  const std::string last = name.substr(dot + 1);
  if (dot == std::string::npos || last.empty() || last.size() > 6 ||
      last.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  return name.substr(0, dot + 1) + std::to_string(std::stoi(last) + 1);
}

class StateDict {
 public:
  StateDict(const Container& file, const NetworkSpec& spec) : file_(file), net_(spec, Rng(0)) {}

  FloatNetwork load() {
    for (int k = 0; k < net_.unit_count(); ++k) load_unit(k);
    for (const std::string& name : file_.tensor_names()) {
      if (used_.count(name) != 0 || name.ends_with("num_batches_tracked")) continue;
      fail("tensor '" + printable(name) + "' belongs to no unit of " + net_.spec().name, kRule);
    }
    return std::move(net_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy) const {
    throw Error(file_.path(), problem, remedy);
  }

  /// The first of `prefixes` with a tensor PREFIX.what.
  std::string find(const std::string& unit, const std::vector<std::string>& prefixes,
                   const std::string& what) const {
    std::string tried;
    for (const std::string& prefix : prefixes) {
      if (file_.has_tensor(prefix + what)) return prefix;
      tried += (tried.empty() ? "" : ", ") + prefix + what;
    }
    fail("holds nothing for unit " + unit + " (tried " + printable(tried) + ")", kRule);
  }

  TensorF take(const std::string& name, const Shape& shape) {
    used_.insert(name);
    const TensorF values = file_.tensor<float>(name, shape).clone();
    check_magnitudes(file_, name, values);
    return values;
  }

  TensorF take_weight(const std::string& name, int k) {
    const UnitGeometry& geometry = net_.geometry()[static_cast<std::size_t>(k)];
    const ConvShape& s = geometry.shape;
    TensorF result(net_.unit(k).weight.value.shape());
    std::vector<float> ordered;
    if (net_.spec().units[static_cast<std::size_t>(k)].kind == UnitKind::linear) {
      const TensorF found = take(name, {s.K, s.C});
      const Shape& from = geometry.input;
      const bool image = from.rank() == 3;
      ordered = flattened_channels_last(
          s.K, image ? from[2] : s.C, image ? from[0] : 1, image ? from[1] : 1,
          [&](std::int64_t row, std::int64_t i) { return found[row * s.C + i]; });
    } else {
      const TensorF found = take(name, {s.K, s.group_C(), s.R, s.S});
      ordered = channels_last({found.begin(), found.end()}, s.K, s.group_C(), s.R, s.S);
    }
    std::copy(ordered.begin(), ordered.end(), result.begin());
    return result;
  }

  void load_unit(int k) {
    const UnitSpec& u = net_.spec().units[static_cast<std::size_t>(k)];
    if (u.kind == UnitKind::avg_pool) return;
    FloatUnit& unit = net_.unit(k);
    const Shape channels{u.out};
    const std::string product =
        find(u.name, {u.name, u.name + ".conv", u.name + ".linear", u.name + ".fc", u.name + ".0"},
             ".weight");
    unit.weight.value = take_weight(product + ".weight", k);
    TensorF bias = TensorF::zeros(channels);
    if (file_.has_tensor(product + ".bias")) bias = take(product + ".bias", channels);
    if (!u.batch_norm) {
      unit.bias.value = bias;
      return;
    }
    std::vector<std::string> prefixes = {u.name + ".bn", u.name + ".norm", u.name + ".batch_norm",
                                         u.name + ".1"};
    if (const auto name = conv_as_bn(product)) prefixes.push_back(*name);
    if (const auto name = next_number(product)) prefixes.push_back(*name);
    const std::string norm = find(u.name, prefixes, ".running_var");
    unit.gamma.value = take(norm + ".weight", channels);
    unit.beta.value = take(norm + ".bias", channels);
    unit.bn.running_mean = take(norm + ".running_mean", channels);
    unit.bn.running_var = take(norm + ".running_var", channels);
    for (std::int64_t c = 0; c < u.out; ++c) {
      unit.bn.running_mean[c] -= bias[c];
      if (unit.bn.running_var[c] >= 0.0f) continue;
      fail("tensor '" + printable(norm) + ".running_var' holds a negative variance (element " +
               std::to_string(c) + ")",
           "train or export again");
    }
  }

  const Container& file_;
  FloatNetwork net_;
  std::set<std::string> used_;
};

}  // namespace

FloatNetwork load_state_dict(const Container& file, const NetworkSpec& spec) {
  return StateDict(file, spec).load();
}

}  // namespace intandem
