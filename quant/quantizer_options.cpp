#include "quant/quantizer_options.hpp"

#include <charconv>
#include <cmath>
#include <map>
#include <sstream>

#include "core/container.hpp"
#include "core/error.hpp"

namespace intandem {
namespace {

/// "a/b" → a and b; b is empty without a slash.
std::pair<std::string, std::string> halves(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return {text, ""};
  return {text.substr(0, slash), text.substr(slash + 1)};
}

/// 1 … 8, or 0 for anything else.
int bits_from_text(const std::string& text) {
  return text.size() == 1 && text[0] >= '1' && text[0] <= '8' ? text[0] - '0' : 0;
}

/// One item of `overrides`; quantizers that it does not name stay empty.
std::pair<std::string, UnitQuantizers> parse_override(const std::string& item) {
  const auto equals = item.find('=');
  const auto colon = item.find(':', equals == std::string::npos ? 0 : equals);
  UnitQuantizers unit;
  if (equals != std::string::npos) {
    const auto length = colon == std::string::npos ? colon : colon - equals - 1;
    const auto [weights, activations] = halves(item.substr(equals + 1, length));
    unit.weight_bits = bits_from_text(weights);
    unit.activation_bits = bits_from_text(activations);
  }
  bool complete = unit.weight_bits > 0 && unit.activation_bits > 0 && equals > 0;
  if (colon != std::string::npos) {
    std::tie(unit.weight_quantizer, unit.activation_quantizer) = halves(item.substr(colon + 1));
    complete = complete && !unit.weight_quantizer.empty() && !unit.activation_quantizer.empty();
  }
  if (!complete) {
    throw Error("overrides", "cannot read '" + item + "'",
                "write name=W/A with W and A from 1 to 8, comma separated, e.g. conv3=2/4 or "
                "conv3=2/4:dorefa/pact",
                ExitCode::usage);
  }
  return {item.substr(0, equals), unit};
}

std::map<std::string, UnitQuantizers> parse_overrides(const std::string& text) {
  std::map<std::string, UnitQuantizers> result;
  std::istringstream items(text);
  for (std::string item; std::getline(items, item, ',');) {
    const auto entry = parse_override(item);
    if (!result.insert(entry).second) {
      throw Error("overrides", "'" + entry.first + "' is there twice", "keep one of them",
                  ExitCode::usage);
    }
  }
  return result;
}

std::string shortest(double x) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, x).ptr};
}

}  // namespace

std::vector<UnitQuantizers> resolve_quantizers(const NetworkSpec& spec,
                                               const QuantizerOptions& options) {
  auto overrides = parse_overrides(options.overrides);
  std::vector<UnitQuantizers> units;
  for (std::size_t k = 0; k < spec.units.size(); ++k) {
    const bool edge = k == 0 || k + 1 == spec.units.size();
    UnitQuantizers unit{edge ? options.first_last_weight_bits : options.weight_bits,
                        options.activation_bits, options.weight_quantizer,
                        options.activation_quantizer};
    if (const auto found = overrides.find(spec.units[k].name); found != overrides.end()) {
      unit.weight_bits = found->second.weight_bits;
      unit.activation_bits = found->second.activation_bits;
      if (!found->second.weight_quantizer.empty()) {
        unit.weight_quantizer = found->second.weight_quantizer;
        unit.activation_quantizer = found->second.activation_quantizer;
      }
      overrides.erase(found);
    }
    make_weight_quantizer(unit, options, "");  // throws for names and bits that do not exist
    make_activation_quantizer(unit, options);
    units.push_back(std::move(unit));
  }
  if (!overrides.empty()) {
    throw Error("overrides",
                "network " + spec.name + " has no unit '" + overrides.begin()->first + "'",
                "name one of its units", ExitCode::usage);
  }
  return units;
}

void store_quantizer_options(const QuantizerOptions& options, Container& file) {
  file.set("weight_quantizer", options.weight_quantizer);
  file.set("activation_quantizer", options.activation_quantizer);
  file.set("weight_bits", std::to_string(options.weight_bits));
  file.set("activation_bits", std::to_string(options.activation_bits));
  file.set("first_last_weight_bits", std::to_string(options.first_last_weight_bits));
  file.set("full_range", options.full_range ? "1" : "0");
  file.set("uniform_method", options.uniform_method);
  file.set("activation_range", shortest(options.activation_range));
  file.set("overrides", options.overrides);
}

QuantizerOptions load_quantizer_options(const Container& file) {
  QuantizerOptions options;
  const bool both = !file.has("weight_quantizer");  // written before they could differ
  options.weight_quantizer = file.get(both ? "quantizer" : "weight_quantizer");
  options.activation_quantizer = both ? "lsq" : file.get("activation_quantizer");
  options.weight_bits = static_cast<int>(file.get_int("weight_bits"));
  options.activation_bits = static_cast<int>(file.get_int("activation_bits"));
  options.first_last_weight_bits = static_cast<int>(file.get_int("first_last_weight_bits"));
  options.full_range = file.get_int("full_range") != 0;
  options.overrides = file.get("overrides");
  if (both) return options;
  options.uniform_method = file.get("uniform_method");
  const std::string& range = file.get("activation_range");
  const char* end = range.data() + range.size();
  if (std::from_chars(range.data(), end, options.activation_range).ptr != end ||
      !(options.activation_range > 0.0) || !std::isfinite(options.activation_range)) {
    throw Error(file.path(), "impossible activation range '" + range + "'",
                "the file was not written by intandem; make it again");
  }
  return options;
}

}  // namespace intandem
