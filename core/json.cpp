#include "core/json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/error.hpp"

namespace intandem {

Json parse_json(const std::string& text, const std::string& source, bool usage_error) {
  const ExitCode code = usage_error ? ExitCode::usage : ExitCode::runtime;
  // The parser itself would silently let the last of two equal keys win.
  std::vector<std::set<std::string>> open_objects;
  const auto watch_keys = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == Json::parse_event_t::object_end) open_objects.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto key = parsed.get<std::string>();
      if (!open_objects.back().insert(key).second) {
        throw Error(source, "key '" + key + "' appears twice", "keep one of them", code);
      }
    }
    return true;
  };
  try {
    return Json::parse(text, watch_keys);
  } catch (const nlohmann::json::parse_error& error) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(error.byte, text.size()));
    const auto line = 1 + std::count(text.begin(), end, '\n');
    throw Error(source, "not valid JSON (line " + std::to_string(line) + ")",
                "check commas, quotes and brackets there", code);
  }
}

Json try_parse_json(const std::string& text) { return Json::parse(text, nullptr, false); }

std::string to_text(const Json& json, int indent) { return json.dump(indent); }

}  // namespace intandem
