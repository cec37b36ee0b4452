// The JSON files of a run as they are read back: the one place where they are checked. Whatever
// passes has the types that apps/report/report.hpp documents; keys it does not know are let
// through.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/json.hpp"

namespace intandem {

/// Each returns an empty object if there is no such file. Errors name file and key: not JSON, not
/// an object, a value of the wrong type, a number out of range.
Json read_results_file(const std::string& path);
Json read_config_file(const std::string& path);   ///< config.json: per job an entry
Json read_profile_file(const std::string& path);  ///< profile.json
Json read_samples_file(const std::string& path);  ///< NAME.samples.json
Json read_plan_file(const std::string& path);     ///< sweep.json

/// The lines of log.jsonl; none if there is no such file. The last line may be cut short, as that
/// of a run that is being written; any other that is no JSON object is an error.
std::vector<Json> read_log_file(const std::string& path);

/// The number under `key` of `object`, a part of the file `path`; Error if it is missing.
double required_number(const Json& object, const char* key, const std::string& path);
/// The same for an object.
const Json& required_object(const Json& object, const char* key, const std::string& path);

}  // namespace intandem
