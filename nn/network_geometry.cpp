// What flows through the units of a network, worked out from its description; everything a
// description can get wrong is said here.
#include <map>
#include <string>
#include <utility>

#include "nn/network.hpp"
#include "nn/pool_shape.hpp"

namespace intandem {
namespace {

// Far above any network, and low enough that no product of extents below overflows 64 bits.
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 20;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;

[[noreturn]] void reject(const NetworkSpec& spec, const UnitSpec& unit, const std::string& problem,
                         const std::string& remedy) {
  throw Error("network " + spec.name + ", unit " + unit.name, problem, remedy);
}

void check_unit(const NetworkSpec& spec, const UnitSpec& u) {
  const bool weights = u.kind != UnitKind::avg_pool;
  if (weights && u.out <= 0) {
    reject(spec, u, "has " + std::to_string(u.out) + " output channels", "set out to 1 or more");
  }
  const bool whole_image = u.kind == UnitKind::avg_pool && u.kernel == 0;
  if ((u.kernel <= 0 && !whole_image) || u.stride <= 0 || u.pad < 0) {
    reject(spec, u, "kernel and stride must be at least 1 and pad at least 0",
           "correct them; only an avg_pool may have kernel 0, the whole image");
  }
  for (const std::int64_t extent : {u.out, u.kernel, u.stride, u.pad, u.groups}) {
    if (extent > kMaxExtent) {
      reject(spec, u, "has the extent " + std::to_string(extent),
             "use at most " + std::to_string(kMaxExtent));
    }
  }
  if (u.groups < 1 || (u.kind != UnitKind::conv && u.groups != 1)) {
    reject(spec, u, "has " + std::to_string(u.groups) + " groups",
           "only a conv unit has groups, 1 or more");
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
  if (u.pool_kernel > kMaxPoolKernel || u.pool_stride > kMaxExtent) {
    reject(spec, u, "its max-pool window of " + std::to_string(u.pool_kernel) + " is too large",
           "use at most " + std::to_string(kMaxPoolKernel));
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
    reject(spec, u, "needs an image but follows a linear unit",
           "move it before the linear units, or give it another input");
  }
  s.H = in[0];
  s.W = in[1];
  s.C = in[2];
  s.K = u.kind == UnitKind::avg_pool ? s.C : u.out;
  const bool whole_image = u.kind == UnitKind::avg_pool && u.kernel == 0;
  s.R = whole_image ? s.H : u.kernel;
  s.S = whole_image ? s.W : u.kernel;
  s.stride = u.stride;
  s.pad = u.pad;
  s.groups = u.groups;
  if (s.C % s.groups != 0 || s.K % s.groups != 0) {
    reject(spec, u,
           "its " + std::to_string(s.C) + " input and " + std::to_string(s.K) +
               " output channels do not divide into " + std::to_string(s.groups) + " groups",
           "use a number of groups that divides both");
  }
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

// No tensor of the unit has more elements than fit 32 bits.
void check_sizes(const NetworkSpec& spec, const UnitSpec& u, const ConvShape& s) {
  const auto fits = [](std::int64_t a, std::int64_t b, std::int64_t c) {
    return a <= kMaxElements / b && a * b <= kMaxElements / c;
  };
  const std::int64_t C = u.kind == UnitKind::avg_pool ? 1 : s.group_C();
  if (!fits(s.P(), s.Q(), s.K) || !fits(s.R, s.S, C) || !fits(s.R * s.S * C, s.K, 1)) {
    reject(spec, u, "a tensor would have more than 2^31 elements (" + s.str() + ")",
           "use fewer channels or a smaller image");
  }
}

/// Index of the earlier unit called `name`.
int earlier_unit(const NetworkSpec& spec, const UnitSpec& u,
                 const std::map<std::string, int>& index, const std::string& verb,
                 const std::string& name) {
  const auto found = index.find(name);
  if (found == index.end()) {
    reject(spec, u, verb + " '" + name + "', which is no earlier unit", "name an earlier unit");
  }
  return found->second;
}

void check_all_read(const NetworkSpec& spec, const std::vector<UnitGeometry>& all) {
  std::vector<bool> read(all.size(), false);
  for (const UnitGeometry& g : all) {
    for (const int from : {g.from, g.add}) {
      if (from >= 0) read[static_cast<std::size_t>(from)] = true;
    }
  }
  for (std::size_t k = 0; k + 1 < all.size(); ++k) {
    if (!read[k]) {
      reject(spec, spec.units[k], "has an output that no later unit reads",
             "let a later unit take it as input or add it, or remove the unit");
    }
  }
}

}  // namespace

std::vector<UnitGeometry> infer_geometry(const NetworkSpec& spec) {
  const std::string subject = "network " + spec.name;
  for (const std::int64_t extent : {spec.height, spec.width, spec.channels, spec.classes}) {
    if (extent > 0 && extent <= kMaxExtent) continue;
    throw Error(
        subject,
        "height, width, channels and classes must lie in 1 ... " + std::to_string(kMaxExtent),
        "set them");
  }
  if (spec.height * spec.width > kMaxElements / spec.channels) {
    throw Error(subject, "an image would have more than 2^31 values", "use smaller images");
  }
  if (spec.units.empty()) throw Error(subject, "has no units", "add at least one unit");

  std::vector<UnitGeometry> all;
  std::map<std::string, int> index;
  const Shape image{spec.height, spec.width, spec.channels};
  for (const UnitSpec& u : spec.units) {
    if (u.name.empty()) throw Error(subject, "has a unit without a name", "name every unit");
    check_unit(spec, u);
    UnitGeometry g;
    g.from = static_cast<int>(all.size()) - 1;
    if (!u.input.empty()) g.from = earlier_unit(spec, u, index, "reads", u.input);
    g.input = g.from < 0 ? image : all[static_cast<std::size_t>(g.from)].output;
    if (g.from < 0 && u.kind == UnitKind::avg_pool) {
      reject(spec, u, "averages the image, whose normalization needs weights to be folded into",
             "begin with a conv or linear unit");
    }
    g.shape = shape_of(spec, u, g.input);
    check_sizes(spec, u, g.shape);
    g.product =
        u.kind == UnitKind::linear ? Shape{g.shape.K} : Shape{g.shape.P(), g.shape.Q(), g.shape.K};
    if (!u.add.empty()) {
      g.add = earlier_unit(spec, u, index, "adds", u.add);
      const Shape& other = all[static_cast<std::size_t>(g.add)].output;
      if (!(other == g.product)) {
        reject(spec, u, "adds '" + u.add + "' of shape " + other.str() + " to " + g.product.str(),
               "make the shapes equal");
      }
    }
    const auto sign_of = [&](int k) { return k >= 0 && all[static_cast<std::size_t>(k)].has_sign; };
    g.has_sign = !u.relu && (u.kind != UnitKind::avg_pool || sign_of(g.from) || sign_of(g.add));
    g.output = pooled(spec, u, g.product);
    if (!index.emplace(u.name, static_cast<int>(all.size())).second) {
      reject(spec, u, "has the name of an earlier unit", "give every unit its own name");
    }
    all.push_back(g);
  }
  check_all_read(spec, all);
  if (all.back().output.size() != spec.classes) {
    reject(spec, spec.units.back(),
           "ends in " + std::to_string(all.back().output.size()) + " values for " +
               std::to_string(spec.classes) + " classes",
           "let the last unit have one output per class");
  }
  return all;
}

}  // namespace intandem
