#include "apps/trace/layer_text.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "apps/print/figures.hpp"
#include "apps/print/layer_text.hpp"
#include "apps/trace/statistics.hpp"
#include "core/text.hpp"
#include "quant/integer/ops_ref.hpp"

namespace intandem {
namespace {

constexpr std::size_t kPlaceColumns = 10, kTermColumns = 64;
constexpr std::int64_t kFewChannels = 4;  // a row of the window then fits a line
constexpr std::size_t kAllClasses = 20, kTopClasses = 10;

std::string number(std::int64_t value) { return std::to_string(value); }

/// `text`, filled up with spaces on the left or on the right.
std::string right(const std::string& text, std::size_t columns) {
  return std::string(columns - std::min(columns, text.size()), ' ') + text;
}
std::string left(const std::string& text, std::size_t columns) {
  return text + std::string(columns - std::min(columns, text.size()), ' ');
}

std::string place_text(std::int64_t y, std::int64_t x) {
  return "(" + number(y) + ", " + number(x) + ")";
}

/// "a to b".
std::string range_text(std::int64_t low, std::int64_t high) {
  return number(low) + " to " + number(high);
}

std::string zeros_text(double share) { return fixed(100.0 * share, 0) + " % zeros"; }

/// What the layer is, and what its tensors look like.
std::string heading(const IntModel& model, int k, const LayerTensors& tensors) {
  const IntLayer& layer = model.layers[static_cast<std::size_t>(k)];
  const bool pool = layer.kind == IntLayerKind::avg_pool;
  std::string text = printable(layer.name) + ": " + shape_text(layer);
  if (layer.shape.pad > 0) text += ", pad " + number(layer.shape.pad);
  if (layer.pool_kernel > 0) {
    text += ", max-pool " + number(layer.pool_kernel) + "x" + number(layer.pool_kernel) + " /" +
            number(layer.pool_stride);
  }
  text += "; reads " + printable(source_of(model, k).name);
  if (layer.add >= 0) {
    text += ", adds " + printable(model.layers[static_cast<std::size_t>(layer.add)].name);
  }
  const Summary in = summarize(tensors.input);
  text += "\n  input codes " + range_text(0, layer.in_max) + " (" + zeros_text(in.zeros) + ")";
  if (!pool) {
    text += ", weights of " + number(layer.weight_bits) +
            (layer.weight_bits == 1 ? " bit" : " bits") + " (" +
            zeros_text(summarize(layer.weights).zeros) + ")";
  }
  const Summary sums = summarize(tensors.accumulators);
  text += ",\n  accumulators " + range_text(sums.lowest, sums.highest) + " (bound " +
          number(layer.bound) + ")";
  if (!layer.is_last()) {
    text += ", output codes " + range_text(0, layer.max_code) + " (" +
            zeros_text(summarize(tensors.output).zeros) + ")";
  }
  return text + "\n";
}

std::string pool_text(const IntLayer& layer, const LayerTensors& tensors, const Place& output,
                      const Place& at) {
  std::string text = "\n  max-pool: codes of its window (y, x), before the pool\n";
  const std::int64_t Q = layer.shape.Q(), K = layer.shape.K;
  for (std::int64_t r = 0; r < layer.pool_kernel; ++r) {
    text += "   ";
    for (std::int64_t s = 0; s < layer.pool_kernel; ++s) {
      const std::int64_t y = output.y * layer.pool_stride + r, x = output.x * layer.pool_stride + s;
      const int code = tensors.codes[(y * Q + x) * K + output.channel];
      text += " " + left(place_text(y, x) + ":", 10) + right(number(code), 3) + "  ";
    }
    while (text.back() == ' ') text.pop_back();
    text += "\n";
  }
  return text + "  the largest, at " + place_text(at.y, at.x) + ", is the output; it comes from\n";
}

/// Lines of products: place, terms, their subtotal, the sum so far.
class ProductLines {
 public:
  ProductLines(std::int64_t bias) : sum_(bias) { line("bias", "", number(bias)); }
  void begin(const std::string& place) {
    flush();
    place_ = place;
  }
  void term(const std::string& text, std::int64_t value) {
    if (!terms_.empty() && terms_.size() + 2 + text.size() > kTermColumns) flush();
    terms_ += (terms_.empty() ? "" : "  ") + text;
    subtotal_ += value;
  }
  std::string finish() {
    flush();
    return text_;
  }

 private:
  void flush() {
    if (terms_.empty()) return;
    sum_ += subtotal_;
    line(place_, terms_, number(subtotal_));
    terms_.clear();
    subtotal_ = 0;
  }
  void line(const std::string& place, const std::string& terms, const std::string& subtotal) {
    text_ += "    " + left(place, kPlaceColumns) + left(terms, kTermColumns) + right(subtotal, 9) +
             right(number(sum_), 10) + "\n";
  }

  std::int64_t sum_, subtotal_ = 0;
  std::string place_, terms_, text_;
};

std::string term_text(const Product& product, bool pool) {
  return pool ? number(product.code) : number(product.weight) + "*" + number(product.code);
}

/// The accumulator at a place before max-pool, product by product.
std::string products_text(const IntModel& model, int k, const LayerTensors& tensors,
                          const Place& at, bool zeros) {
  const IntLayer& layer = model.layers[static_cast<std::size_t>(k)];
  const bool pool = layer.kind == IntLayerKind::avg_pool;
  const std::vector<Product> products = window_products(model, k, tensors, at);
  const LayerSource source = source_of(model, k);
  const bool by_row = pool || std::min(layer.shape.group_C(), source.C) <= kFewChannels;
  const auto is_zero = [](const Product& p) { return p.value() == 0; };
  const auto left_out = zeros ? 0 : std::count_if(products.begin(), products.end(), is_zero);

  std::string text = "  accumulator of pixel " + place_text(at.y, at.x) + ", channel " +
                     number(at.channel) + (pool ? ": bias + codes" : ": bias + weight*code");
  text += !by_row         ? " at pixel (y, x), channel c of "
          : source.C == 1 ? " at row y, column x of "
                          : " at row y, column x, channel c of ";
  text += printable(source.name);
  if (left_out > 0) {
    text += ";\n  " + number(left_out) + " of " +
            number(static_cast<std::int64_t>(products.size())) +
            " products have a factor 0 and are left out";
  }
  text += "\n    " + left("", kPlaceColumns + kTermColumns) + right("subtotal", 9) +
          right("sum", 10) + "\n";

  ProductLines lines(layer.bias.empty() ? 0 : layer.bias[at.channel]);
  Place line_of{-1 - layer.shape.pad, 0, 0};
  for (const Product& product : products) {
    if (!zeros && is_zero(product)) continue;
    const Place& in = product.input;
    if (in.y != line_of.y || (!by_row && in.x != line_of.x)) {
      lines.begin(by_row ? "y " + number(in.y) : place_text(in.y, in.x));
      line_of = in;
    }
    const std::string column = by_row ? "x" + number(in.x) : std::string();
    const std::string channel = by_row && source.C == 1 ? std::string() : "c" + number(in.channel);
    lines.term(column + channel + " " + term_text(product, pool), product.value());
  }
  return text + lines.finish();
}

/// "label … value  remark" lines of a calculation.
std::string step_text(const std::string& label, std::int64_t value,
                      const std::string& remark = {}) {
  return "    " + left(label, 28) + " =" + right(number(value), 20) +
         (remark.empty() ? "" : "   " + remark) + "\n";
}

std::string requantize_text(const IntModel& model, int k, const LayerTensors& tensors,
                            const Place& at) {
  const IntLayer& layer = model.layers[static_cast<std::size_t>(k)];
  const std::int64_t element = (at.y * layer.shape.Q() + at.x) * layer.shape.K + at.channel;
  const std::int64_t acc = tensors.accumulators[element];
  const Multiplier scale = layer.channel_scale(at.channel);
  std::string text = "  code: m = " + number(scale.m) + ", n = " + number(scale.n);
  std::int64_t sum = acc * scale.m;
  std::string steps = step_text(number(acc) + " * m", sum);
  if (layer.add >= 0) {
    const IntLayer& from = model.layers[static_cast<std::size_t>(layer.add)];
    const std::int64_t m2 =
        layer.add_m[layer.add_m.size() == 1 ? 0 : static_cast<std::size_t>(at.channel)];
    const std::int64_t code = tensors.shortcut[element];
    sum += (code - layer.add_zero) * m2;
    text += ", m2 = " + number(m2) + "; " + printable(from.name) + " has code " + number(code) +
            " there";
    if (layer.add_zero != 0) text += ", zero point " + number(layer.add_zero);
    const std::string factor = layer.add_zero == 0
                                   ? number(code)
                                   : "(" + number(code) + " - " + number(layer.add_zero) + ")";
    steps += step_text("+ " + factor + " * m2", sum);
  }
  sum += std::int64_t{1} << (scale.n - 1);
  const std::int64_t shifted = sum >> scale.n, divisor = std::int64_t{1} << scale.n;
  steps += step_text("+ 2^" + number(scale.n - 1), sum);
  steps += step_text(">> " + number(scale.n), shifted,
                     "since " + number(sum) + " = " + number(shifted) + " * " + number(divisor) +
                         " + " + number(sum - shifted * divisor));
  if (layer.zero_point != 0) {
    steps += step_text("+ zero point " + number(layer.zero_point), shifted + layer.zero_point);
  }
  return text + "\n" + steps +
         step_text("limited to " + range_text(0, layer.max_code), tensors.codes[element]);
}

}  // namespace

std::string layer_trace_text(const IntModel& model, int k, const LayerTensors& tensors,
                             const Place& output, bool zeros) {
  const IntLayer& layer = model.layers[static_cast<std::size_t>(k)];
  const Place at = before_pool(layer, tensors, output);
  std::string text = heading(model, k, tensors);
  text += "  traced: output pixel " + place_text(output.y, output.x) + ", channel " +
          number(output.channel) + "\n";
  if (layer.pool_kernel > 0) text += pool_text(layer, tensors, output, at);
  text += "\n" + products_text(model, k, tensors, at, zeros);
  if (!layer.is_last()) text += "\n" + requantize_text(model, k, tensors, at);
  return text;
}

std::string logits_text(const LayerTensors& last, const std::vector<std::string>& class_names) {
  const TensorS32& logits = last.accumulators;
  const auto best = static_cast<std::size_t>(argmax_ref(logits.data(), logits.size()));
  std::vector<std::size_t> order(static_cast<std::size_t>(logits.size()));
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::string text = "logits, the accumulators of the last layer";
  if (order.size() > kAllClasses) {
    // Stable: the lowest index wins ties, as in argmax.
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return logits[static_cast<std::int64_t>(a)] > logits[static_cast<std::int64_t>(b)];
    });
    order.resize(kTopClasses);
    text += " (the ten largest)";
  }
  text += "\n";
  for (const std::size_t k : order) {
    text += "    " + right(std::to_string(k), 4) + "  " + left(printable(class_names[k]), 24) +
            right(number(logits[static_cast<std::int64_t>(k)]), 12) +
            (k == best ? "  largest" : "") + "\n";
  }
  return text + "class " + std::to_string(best) + ": " + printable(class_names[best]) + "\n";
}

}  // namespace intandem
