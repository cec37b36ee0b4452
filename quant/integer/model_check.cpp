// What a valid integer model is. A model file is input like any other: whatever it holds, it is
// either refused here with the name of the layer or safe to run.
#include <cstdlib>
#include <string>

#include "core/error.hpp"
#include "quant/integer/model.hpp"

namespace intandem {
namespace {

// Far above any network, and low enough that no product of extents below overflows 64 bits.
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 24;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;

/// One layer's checks; every message names the layer, the value found and the way out.
class LayerCheck {
 public:
  LayerCheck(const IntModel& model, std::size_t index, const std::string& source)
      : model_(model), layer_(model.layers[index]), index_(index) {
    subject_ = source + ": layer " + std::to_string(index) + " (" + layer_.name + ")";
  }

  void run() const {
    check_geometry();
    check_input();
    check_pool();
    check_tensors();
    check_codes();
    check_output();
    check_add();
    check_bound();
  }

 private:
  void require(bool condition, const std::string& problem, const char* remedy = kExport) const {
    if (!condition) throw Error(subject_, problem, remedy);
  }

  static std::string number(std::int64_t value) { return std::to_string(value); }

  void check_geometry() const {
    const ConvShape& s = layer_.shape;
    for (const std::int64_t extent : {s.H, s.W, s.C, s.K, s.R, s.S, s.stride}) {
      require(extent >= 1 && extent <= kMaxExtent,
              "extent " + number(extent) + " outside 1 … " + number(kMaxExtent));
    }
    require(s.N == 1, "shape has N = " + number(s.N) + ", expected 1");
    require(s.pad >= 0 && s.pad <= kMaxExtent, "padding " + number(s.pad) + " out of range");
    require(s.R <= s.H + 2 * s.pad && s.S <= s.W + 2 * s.pad,
            "kernel larger than the padded input: " + s.str());
    require(s.groups >= 1 && s.C % s.groups == 0 && s.K % s.groups == 0,
            number(s.groups) + " groups do not divide the channels: " + s.str());
    require(s.groups == 1 || layer_.kind == IntLayerKind::conv, "only a convolution has groups");
    switch (layer_.kind) {
      case IntLayerKind::conv:
        break;
      case IntLayerKind::linear:
        require(s.is_linear() && s.stride == 1, "a linear layer has H = W = R = S = stride = 1");
        break;
      case IntLayerKind::avg_pool:
        require(s.K == s.C && s.pad == 0, "an average pool has K = C and no padding");
        break;
      default:
        require(false, "unknown kind " + number(static_cast<int>(layer_.kind)));
    }
    const auto fits = [](std::int64_t a, std::int64_t b, std::int64_t c) {
      return a <= kMaxElements / b && a * b <= kMaxElements / c;
    };
    // The padded image is one, too: a stride as large would hide it from the others.
    require(fits(s.H + 2 * s.pad, s.W + 2 * s.pad, s.C) && fits(s.P(), s.Q(), s.K) &&
                fits(s.R, s.S, s.group_C()) && fits(s.reduction(), s.K, 1),
            "more than 2^31 elements in a tensor: " + s.str());
  }

  void check_input() const {
    require(layer_.in_max >= 1 && layer_.in_max <= 255,
            "largest input code " + number(layer_.in_max) + " outside 1 … 255");
    const ConvShape& s = layer_.shape;
    require(layer_.input >= -1 && layer_.input < static_cast<int>(index_),
            "reads layer " + number(layer_.input) + ", which is not an earlier one");
    if (index_ == 0) {
      require(layer_.in_max == 255,
              "the first layer reads pixels, so its largest input code is "
              "255, not " +
                  number(layer_.in_max));
      const bool as_image = s.H == model_.height && s.W == model_.width && s.C == model_.channels;
      const bool flat = layer_.kind == IntLayerKind::linear && fits_image(s.C);
      require(as_image || flat, "reads " + s.str() + ", but images are " + number(model_.height) +
                                    "x" + number(model_.width) + "x" + number(model_.channels));
      return;
    }
    const int input = model_.input_of(static_cast<int>(index_));
    const IntLayer& before = model_.layers[static_cast<std::size_t>(input)];
    require(!before.is_last(), "reads layer '" + before.name +
                                   "', which ends the network (its largest output code is 0)");
    require(layer_.in_max == before.max_code, "largest input code " + number(layer_.in_max) +
                                                  " differs from the " + number(before.max_code) +
                                                  " of layer '" + before.name + "'");
    const bool same = s.H == before.pooled_P() && s.W == before.pooled_Q() && s.C == before.shape.K;
    const bool flat = layer_.kind == IntLayerKind::linear && s.C == before.output_size();
    require(same || flat, "reads " + s.str() + ", but layer '" + before.name + "' gives " +
                              number(before.pooled_P()) + "x" + number(before.pooled_Q()) + "x" +
                              number(before.shape.K));
  }

  bool fits_image(std::int64_t C) const {
    return model_.height >= 1 && model_.width >= 1 && model_.channels >= 1 &&
           model_.height <= kMaxExtent && model_.width <= kMaxExtent &&
           model_.channels <= kMaxElements / (model_.height * model_.width) &&
           C == model_.height * model_.width * model_.channels;
  }

  void check_pool() const {
    const std::int64_t kernel = layer_.pool_kernel, stride = layer_.pool_stride;
    if (kernel == 0) {
      require(stride == 0, "pool stride " + number(stride) + " without a pool");
      return;
    }
    require(kernel >= 1 && kernel <= layer_.shape.P() && kernel <= layer_.shape.Q(),
            "pool window " + number(kernel) + " does not fit the output of " + layer_.shape.str());
    require(stride >= 1 && stride <= kMaxExtent, "pool stride " + number(stride) + " out of range");
    require(!layer_.is_last(), "the last layer gives raw accumulators and cannot be pooled");
  }

  void require_shape(const char* what, const Shape& found, const Shape& wanted) const {
    require(found == wanted,
            std::string(what) + " have shape " + found.str() + ", expected " + wanted.str());
  }

  void check_tensors() const {
    const ConvShape& s = layer_.shape;
    if (layer_.kind == IntLayerKind::avg_pool) {
      require(layer_.weights.empty(), "an average pool has no weights");
      if (!layer_.bias.empty()) require_shape("biases", layer_.bias.shape(), Shape{s.K});
      return;
    }
    const bool matrix = layer_.kind == IntLayerKind::linear && layer_.weights.rank() == 2;
    require_shape("weights", layer_.weights.shape(),
                  matrix ? Shape{s.K, s.C} : Shape{s.K, s.R, s.S, s.group_C()});
    require_shape("biases", layer_.bias.shape(), Shape{s.K});
    require(!layer_.weights.empty() && !layer_.bias.empty(), "weights or biases are missing");
    if (s.pad > 0 || !layer_.pad_code.empty()) {
      require_shape("padding codes", layer_.pad_code.shape(), Shape{s.C});
      require(!layer_.pad_code.empty(), "padding codes are missing");
    }
    for (const std::uint8_t code : layer_.pad_code) {
      require(code <= layer_.in_max, "padding code " + number(code) +
                                         " above the largest input code " + number(layer_.in_max));
    }
  }

  // Codes of W bits are −2^(W−1) … 2^(W−1)−1, or the 2^W odd numbers of magnitude below 2^W
  // (DoReFa, and ±1 for one bit).
  void check_codes() const {
    const std::int32_t W = layer_.weight_bits;
    require(W >= 1 && W <= 8, "weights of " + number(W) + " bits; 1 to 8 are possible");
    const std::int32_t half = 1 << (W - 1);
    bool in_range = W > 1, odd = W < 8;
    std::int32_t outside = 0, even = 0;
    for (const std::int8_t q : layer_.weights) {
      if (q < -half || q >= half) in_range = false, outside = q;
      if (q % 2 == 0 || std::abs(q) >= 2 * half) odd = false, even = q;
    }
    if (in_range || odd) return;
    require(false, "weight code " + number(W > 1 ? outside : even) + " is no code of " + number(W) +
                       " bits");
  }

  void check_output() const {
    require(layer_.max_code >= 0 && layer_.max_code <= 255,
            "largest output code " + number(layer_.max_code) + " outside 0 … 255");
    if (layer_.is_last()) {
      require(index_ + 1 == model_.layers.size(),
              "largest output code 0 marks the last layer, but another one follows");
      require(
          layer_.scale.empty() && layer_.add < 0 && layer_.add_m.empty() && layer_.zero_point == 0,
          "the last layer gives raw accumulators and takes neither multiplier, shortcut nor "
          "zero point");
      return;
    }
    require(layer_.zero_point >= 0 && layer_.zero_point <= layer_.max_code,
            "zero point " + number(layer_.zero_point) + " outside 0 … " + number(layer_.max_code));
    const auto channels = static_cast<std::size_t>(layer_.shape.K);
    require(layer_.scale.size() == 1 || layer_.scale.size() == channels,
            number(static_cast<std::int64_t>(layer_.scale.size())) +
                " multipliers; one or one per output channel are possible");
    for (const Multiplier& scale : layer_.scale) {
      require(scale.m >= 1 && scale.m < (1 << kMaxMultiplierBits),
              "multiplier m = " + number(scale.m) + " outside 1 … 32767", kRescale);
      require(scale.n >= kMinShift && scale.n <= kMaxShift,
              "shift n = " + number(scale.n) + " outside 1 … 46", kRescale);
    }
  }

  void check_add() const {
    if (layer_.add < 0) {
      require(layer_.add == -1 && layer_.add_m.empty() && layer_.add_zero == 0,
              "shortcut multipliers or zero point without a shortcut");
      return;
    }
    require(static_cast<std::size_t>(layer_.add) < index_,
            "shortcut from layer " + number(layer_.add) + ", which is not an earlier one");
    const IntLayer& from = model_.layers[static_cast<std::size_t>(layer_.add)];
    const ConvShape& s = layer_.shape;
    require(from.pooled_P() == s.P() && from.pooled_Q() == s.Q() && from.shape.K == s.K,
            "shortcut of layer '" + from.name + "' is " + number(from.pooled_P()) + "x" +
                number(from.pooled_Q()) + "x" + number(from.shape.K) + ", this layer gives " +
                number(s.P()) + "x" + number(s.Q()) + "x" + number(s.K));
    require(layer_.add_zero == from.zero_point,
            "zero point " + number(layer_.add_zero) + " of its shortcut differs from the " +
                number(from.zero_point) + " of layer '" + from.name + "'");
    require(layer_.add_m.size() == layer_.scale.size(),
            number(static_cast<std::int64_t>(layer_.add_m.size())) + " shortcut multipliers for " +
                number(static_cast<std::int64_t>(layer_.scale.size())) + " multipliers");
    for (const std::int32_t m : layer_.add_m) {
      require(m >= 0, "shortcut multiplier " + number(m) + " is negative", kRescale);
    }
  }

  void check_bound() const {
    IntLayer measured = layer_;
    measure_bounds(measured);
    require(measured.bound < (std::int64_t{1} << 31),
            "accumulators may reach " + number(measured.bound) + ", beyond 2^31 - 1",
            "use fewer bits for its weights or its input");
    require(measured.bound == layer_.bound && measured.zero_channels == layer_.zero_channels,
            "states the bound " + number(layer_.bound) + " and " + number(layer_.zero_channels) +
                " zero channels, but its codes give " + number(measured.bound) + " and " +
                number(measured.zero_channels));
  }

  static constexpr const char* kExport = "the model is damaged; export it again";
  static constexpr const char* kRescale = "calibrate the scales of this layer again";

  const IntModel& model_;
  const IntLayer& layer_;
  std::size_t index_;
  std::string subject_;
};

}  // namespace

void check_layers(const IntModel& model, const std::string& source) {
  for (std::size_t k = 0; k < model.layers.size(); ++k) LayerCheck(model, k, source).run();
}

void check_model(const IntModel& model, const std::string& source) {
  const char* remedy = "the model is damaged; export it again";
  if (model.layers.empty()) throw Error(source, "the model has no layers", remedy);
  check_layers(model, source);
  const IntLayer& last = model.layers.back();
  const std::string subject = source + ": layer '" + last.name + "'";
  if (!last.is_last()) {
    throw Error(subject, "the last layer gives codes instead of raw accumulators", remedy);
  }
  if (last.output_size() != model.classes) {
    throw Error(subject,
                "the last layer gives " + std::to_string(last.output_size()) + " numbers for " +
                    std::to_string(model.classes) + " classes",
                remedy);
  }
}

}  // namespace intandem
