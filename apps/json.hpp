// The JSON type of the command-line program; the heavy header stays in the .cpp files.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace intandem {

/// Keeps keys in the order they were written, so that files read like the documentation.
using Json = nlohmann::ordered_json;

/// Parses the text of `source`. Errors (exit code `usage` or `runtime` as given) name the source,
/// the line and, for a repeated key, the key.
Json parse_json(const std::string& text, const std::string& source, bool usage_error);

}  // namespace intandem
