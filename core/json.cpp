#include "core/json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/error.hpp"

namespace intandem {
namespace {

/// Deeper values than any file of the program has; writing one out again takes a call per level.
constexpr int kMaxDepth = 64;

}  // namespace

Json parse_json(const std::string& text, const std::string& source, bool usage_error) {
  const ExitCode code = usage_error ? ExitCode::usage : ExitCode::runtime;
  // The parser itself would silently let the last of two equal keys win.
  std::vector<std::set<std::string>> open_objects;
  const auto watch_keys = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth) {
      throw Error(source, "its values are nested more than " + std::to_string(kMaxDepth) + " deep",
                  "flatten them", code);
    }
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
  } catch (const nlohmann::json::out_of_range&) {
    throw Error(source, "holds a number that no double can hold", "correct that number", code);
  }
}

Json try_parse_json(const std::string& text) {
  bool shallow = true;
  const auto watch_depth = [&](int depth, Json::parse_event_t, Json&) {
    return shallow = shallow && depth <= kMaxDepth;
  };
  Json json = Json::parse(text, watch_depth, false);
  return shallow ? json : Json(Json::value_t::discarded);
}

std::string to_text(const Json& json, int indent) { return json.dump(indent); }

}  // namespace intandem
