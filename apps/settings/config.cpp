#include "apps/settings/config.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.hpp"
#include "core/file.hpp"

namespace intandem {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
// clang 14 does not deduce the arguments of an aggregate by itself.
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

/// 0.1 → "0.1", 8 → "8": shortest text that reads back as the same number.
std::string number(double x) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, x).ptr;
  return {text, end};
}

std::string range_text(double low, double high) {
  // Bounds that only say "not absurdly large" are noise in a message.
  if (high >= 1e9) return " of at least " + number(low);
  return " from " + number(low) + " to " + number(high);
}

/// Levenshtein distance, to guess which key was meant.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::vector<std::string> names_of(const ConfigKeys& keys) {
  std::vector<std::string> names;
  for (const ConfigKey& key : keys) names.push_back(key.name);
  return names;
}

const ConfigKey* find_key(const ConfigKeys& keys, const std::string& name) {
  for (const ConfigKey& key : keys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

/// Sets the key; false if the type or the range is wrong.
bool assign(const ConfigKey& key, const Json& value) {
  const auto in_range = [&](double x) { return x >= key.lowest && x <= key.highest; };
  return std::visit(Overloaded{
                        [&](std::int64_t* target) {
                          // Unsigned numbers above 2^63 would turn negative, so test as double.
                          if (!value.is_number_integer() || !in_range(value.get<double>())) {
                            return false;
                          }
                          *target = value.get<std::int64_t>();
                          return true;
                        },
                        [&](double* target) {
                          if (!value.is_number() || !in_range(value.get<double>())) return false;
                          *target = value.get<double>();
                          return true;
                        },
                        [&](bool* target) {
                          if (!value.is_boolean()) return false;
                          *target = value.get<bool>();
                          return true;
                        },
                        [&](std::string* target) {
                          if (!value.is_string()) return false;
                          const auto& text = value.get_ref<const std::string&>();
                          const auto& choices = key.choices;
                          const bool other =
                              !key.or_suffix.empty() && text.ends_with(key.or_suffix);
                          if (!choices.empty() && !other &&
                              std::find(choices.begin(), choices.end(), text) == choices.end()) {
                            return false;
                          }
                          *target = text;
                          return true;
                        },
                    },
                    key.value);
}

Json value_of(const ConfigKey& key) {
  return std::visit([](const auto* value) { return Json(*value); }, key.value);
}

/// The whole text as a number; anything else stays a string, which no numeric key accepts.
Json parse_flag_text(const ConfigKey& key, const std::string& text) {
  const char* end = text.data() + text.size();
  if (std::holds_alternative<std::int64_t*>(key.value)) {
    std::int64_t x = 0;
    const auto result = std::from_chars(text.data(), end, x);
    if (result.ec == std::errc() && result.ptr == end) return Json(x);
  } else if (std::holds_alternative<double*>(key.value)) {
    double x = 0;
    const auto result = std::from_chars(text.data(), end, x);
    if (result.ec == std::errc() && result.ptr == end && std::isfinite(x)) return Json(x);
  } else if (std::holds_alternative<bool*>(key.value)) {
    if (text == "true") return Json(true);
    if (text == "false") return Json(false);
  }
  return Json(text);
}

}  // namespace

std::string closest_name(const std::vector<std::string>& candidates, const std::string& name) {
  return *std::min_element(candidates.begin(), candidates.end(),
                           [&](const std::string& a, const std::string& b) {
                             return edit_distance(a, name) < edit_distance(b, name);
                           });
}

std::string ConfigKey::flag() const {
  std::string text = "--" + name;
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

std::string ConfigKey::allowed() const {
  return std::visit(Overloaded{
                        [&](std::int64_t*) { return "an integer" + range_text(lowest, highest); },
                        [&](double*) { return "a number" + range_text(lowest, highest); },
                        [&](bool*) { return std::string("true or false"); },
                        [&](std::string*) {
                          if (choices.empty()) return std::string("a text");
                          std::string list = choices.size() == 1 ? "" : "one of ";
                          for (std::size_t i = 0; i < choices.size(); ++i) {
                            list += (i > 0 ? ", " : "") + choices[i];
                          }
                          if (!or_suffix.empty()) list += " or a file NAME" + or_suffix;
                          return list;
                        },
                    },
                    value);
}

void apply_config_text(const ConfigKeys& keys, const std::string& text, const std::string& source) {
  const Json file = parse_json(text, source, true);
  if (!file.is_object()) {
    throw Error(source, "a configuration is a JSON object", "write {\"key\": value, …}",
                ExitCode::usage);
  }
  for (const auto& [name, value] : file.items()) {
    const ConfigKey* key = find_key(keys, name);
    if (key == nullptr) {
      throw Error(source, "unknown key '" + name + "'",
                  "did you mean '" + closest_name(names_of(keys), name) + "'?", ExitCode::usage);
    }
    if (!assign(*key, value)) {
      throw Error(source, "key '" + name + "' cannot be " + to_text(value), "use " + key->allowed(),
                  ExitCode::usage);
    }
  }
}

void apply_config_file(const ConfigKeys& keys, const std::string& path) {
  if (!file_exists(path)) {
    throw Error(path, "no such configuration file", "check the path given to --config",
                ExitCode::usage);
  }
  apply_config_text(keys, read_file(path, "check the path given to --config"), path);
}

void apply_flag(const ConfigKeys& keys, const std::string& name, const std::string& text) {
  const ConfigKey* key = find_key(keys, name);
  INTANDEM_CHECK(key != nullptr, "no configuration key " + name);
  if (text.empty() && key->is_path) {
    throw Error(key->flag(), "cannot be empty", "give a path, or leave the flag out",
                ExitCode::usage);
  }
  if (!assign(*key, parse_flag_text(*key, text))) {
    throw Error(key->flag(), "cannot be '" + text + "'", "use " + key->allowed(), ExitCode::usage);
  }
}

Json config_to_json(const ConfigKeys& keys) {
  Json json = Json::object();
  for (const ConfigKey& key : keys) json[key.name] = value_of(key);
  return json;
}

std::string results_text(const ConfigKeys& keys) {
  Json json = Json::object();
  for (const ConfigKey& key : keys) {
    if (key.changes_results) json[key.name] = value_of(key);
  }
  return to_text(json);
}

void check_same_config(const ConfigKeys& keys, const Json& stored, const std::string& source) {
  for (const ConfigKey& key : keys) {
    if (!key.changes_results) continue;
    const Json now = value_of(key);
    const Json then = stored.contains(key.name) ? stored.at(key.name) : Json();
    if (now == then) continue;
    throw Error(source,
                "was written with " + key.name + " = " + to_text(then) + ", not " + to_text(now),
                "resume with the same configuration, or use --overwrite", ExitCode::usage);
  }
}

}  // namespace intandem
