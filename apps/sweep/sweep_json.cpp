#include "apps/sweep/sweep_json.hpp"

#include <algorithm>

#include "apps/settings/config.hpp"
#include "core/error.hpp"

namespace intandem {

void SweepJson::fail(const std::string& problem, const std::string& remedy) const {
  throw Error(path_, problem, remedy, ExitCode::usage);
}

void SweepJson::check_keys(const Json& object, const std::string& where,
                           const std::vector<std::string>& known) const {
  if (!object.is_object()) fail(where + " is not a JSON object", kRemedy);
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    fail("unknown key '" + key + "' in " + where,
         "did you mean '" + closest_name(known, key) + "'?");
  }
}

const Json& SweepJson::member(const Json& object, const char* key, Json::value_t type,
                              const std::string& where) const {
  static const Json no_object = Json::object(), no_array = Json::array();
  const auto found = object.find(key);
  if (found == object.end()) return type == Json::value_t::array ? no_array : no_object;
  if (found->type() != type) {
    fail("'" + std::string(key) + "' of " + where + " has the wrong type",
         std::string("write ") + (type == Json::value_t::array ? "[…]" : "{…}"));
  }
  return *found;
}

std::string SweepJson::text(const Json& object, const char* key, const std::string& where,
                            const std::string& absent) const {
  const auto found = object.find(key);
  if (found == object.end()) return absent;
  if (!found->is_string()) {
    fail("'" + std::string(key) + "' of " + where + " is not a text", "write \"…\"");
  }
  return found->get<std::string>();
}

std::vector<std::string> SweepJson::names(const Json& object, const char* key,
                                          const std::string& where,
                                          const std::vector<std::string>& known) const {
  if (!object.contains(key)) return known;
  std::vector<std::string> list;
  for (const Json& name : member(object, key, Json::value_t::array, where)) {
    if (!name.is_string())
      fail("'" + std::string(key) + "' of " + where + " lists no names", kRemedy);
    list.push_back(name.get<std::string>());
    if (std::find(known.begin(), known.end(), list.back()) != known.end()) continue;
    fail("'" + list.back() + "' in '" + key + "' of " + where + " is not defined",
         known.empty() ? std::string("define it")
                       : "did you mean '" + closest_name(known, list.back()) + "'?");
  }
  return list;
}

}  // namespace intandem
