#include "apps/report_json.hpp"

#include <limits>
#include <nlohmann/json.hpp>

namespace intandem {
namespace {

/// The value under `key`, or null.
const Json& member(const Json& object, const char* key) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

}  // namespace

double number_of(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

std::string text_of(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

const Json& array_of(const Json& object, const char* key) {
  static const Json empty = Json::array();
  const Json& value = member(object, key);
  return value.is_array() ? value : empty;
}

const Json& students_of(const ReportInputs& inputs) {
  static const Json empty = Json::object();
  const Json& value = member(inputs.results, "students");
  return value.is_object() ? value : empty;
}

std::string class_name(const ReportInputs& inputs, std::size_t index) {
  const Json& names = array_of(inputs.results, "class_names");
  if (index < names.size() && names[index].is_string()) return names[index].get<std::string>();
  return std::to_string(index);
}

}  // namespace intandem
