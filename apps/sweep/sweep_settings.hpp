// From the settings in a sweep file to configurations, flags and names.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/json.hpp"

namespace intandem {

/// Some settings and where they were written.
struct SettingsLayer {
  Json settings;  ///< an object of configuration keys
  std::string source;
};

/// Later layers override earlier ones.
struct ResolvedSettings {
  Json all;       ///< every key that may change figures
  Json chosen;    ///< those of them that differ from the program's defaults
  Json harmless;  ///< other keys that differ from the program's defaults
};
/// Usage errors as apply_config_text, and for keys that the sweep sets itself: name, teacher,
/// init, data_dir and threads.
ResolvedSettings resolve_train(const std::vector<SettingsLayer>& layers);
ResolvedSettings resolve_distill(const std::vector<SettingsLayer>& layers);
/// The same without the settings of training, which `baseline` does not use.
ResolvedSettings resolve_baseline(const std::vector<SettingsLayer>& layers);

/// "--weight-bits 2 --no-flip …" for `train` or for `distill` and `baseline`.
std::vector<std::string> settings_flags(const Json& chosen, bool train);

/// "w2a2"
std::string student_name(const Json& resolved);

/// Ten hexadecimal digits of the 64-bit FNV-1a hash.
std::string hash_text(const std::string& text);

/// Keys of `resolved` that `stored`, the configuration of a run, holds with another value; a key
/// that `stored` lacks came later and is taken to do nothing at its default. "" if there is none,
/// else "lr = 0.01, not 0.02".
std::string settings_difference(const Json& resolved, const Json& chosen, const Json& stored);

}  // namespace intandem
