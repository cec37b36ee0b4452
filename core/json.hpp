// The JSON type of the program and its files. Parser and writer are compiled once, in json.cpp:
// they are most of the heavy header, which only .cpp files include.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace intandem {

/// Keeps keys in the order they were written, so that files read like the documentation.
using Json = nlohmann::ordered_json;

/// Parses the text of `source`. Errors (exit code `usage` or `runtime` as given) name the source,
/// the line and, for a repeated key, the key; a number beyond every double and values nested more
/// than 64 deep are errors too.
Json parse_json(const std::string& text, const std::string& source, bool usage_error);

/// Parses `text`; a value with is_discarded() if parse_json would refuse it, repeated keys aside.
Json try_parse_json(const std::string& text);

/// The text of a value: on one line, or indented by `indent` spaces per level if that is >= 0.
/// Throws nlohmann::json::type_error for strings that are not UTF-8.
std::string to_text(const Json& json, int indent = -1);

}  // namespace intandem
