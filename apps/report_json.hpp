// Reading run files that may lack anything.
#pragma once

#include <string>

#include "apps/json.hpp"
#include "apps/report.hpp"

namespace intandem {

/// The number under `key`, or NaN.
double number_of(const Json& object, const char* key);
/// The text under `key`, or "".
std::string text_of(const Json& object, const char* key);
/// The array under `key`, or an empty one.
const Json& array_of(const Json& object, const char* key);
/// results.students, or an empty object.
const Json& students_of(const ReportInputs& inputs);
/// Names of the classes, or their numbers.
std::string class_name(const ReportInputs& inputs, std::size_t index);

}  // namespace intandem
