#include "apps/sweep/sweep_settings.hpp"

#include <algorithm>
#include <cstdio>

#include "apps/settings/config.hpp"
#include "core/error.hpp"

namespace intandem {
namespace {

constexpr const char* kOwnKeys[] = {"name", "teacher", "init", "data_dir", "threads"};

/// What a student without training has no use for.
constexpr const char* kTrainingKeys[] = {"seed",
                                         "batch",
                                         "images",
                                         "labels",
                                         "mixup",
                                         "window",
                                         "lambda",
                                         "tau",
                                         "inner_weight",
                                         "lr",
                                         "epochs_per_stage",
                                         "evals_per_stage",
                                         "patience",
                                         "random_init",
                                         "stage_input",
                                         "joint_epochs",
                                         "joint_evals",
                                         "joint_lr",
                                         "kd_weight",
                                         "ce_weight",
                                         "checkpoint_seconds",
                                         "fix_alpha"};

bool is_own(const std::string& key) {
  return std::find(std::begin(kOwnKeys), std::end(kOwnKeys), key) != std::end(kOwnKeys);
}

template <class Config>
ResolvedSettings resolve(const std::vector<SettingsLayer>& layers) {
  Config config, fresh;
  const ConfigKeys keys = describe(config);
  const Json defaults = config_to_json(describe(fresh));
  for (const SettingsLayer& layer : layers) {
    if (layer.settings.is_object()) {
      for (const auto& [key, value] : layer.settings.items()) {
        if (!is_own(key)) continue;
        throw Error(layer.source, "key '" + key + "' is set by the sweep itself",
                    "remove it; see docs/sweeps.md", ExitCode::usage);
      }
    }
    if (!layer.settings.is_null()) apply_config_text(keys, to_text(layer.settings), layer.source);
  }
  const Json values = config_to_json(keys);
  ResolvedSettings resolved{Json::object(), Json::object(), Json::object()};
  for (const ConfigKey& key : keys) {
    if (is_own(key.name)) continue;
    const Json& value = values.at(key.name);
    if (key.changes_results) resolved.all[key.name] = value;
    if (value == defaults.at(key.name)) continue;
    (key.changes_results ? resolved.chosen : resolved.harmless)[key.name] = value;
  }
  return resolved;
}

}  // namespace

ResolvedSettings resolve_train(const std::vector<SettingsLayer>& layers) {
  return resolve<TrainConfig>(layers);
}

ResolvedSettings resolve_distill(const std::vector<SettingsLayer>& layers) {
  return resolve<DistillConfig>(layers);
}

ResolvedSettings resolve_baseline(const std::vector<SettingsLayer>& layers) {
  ResolvedSettings settings = resolve_distill(layers);
  for (Json* part : {&settings.all, &settings.chosen, &settings.harmless}) {
    for (const char* key : kTrainingKeys) part->erase(key);
  }
  return settings;
}

std::vector<std::string> settings_flags(const Json& chosen, bool train) {
  TrainConfig train_config;
  DistillConfig distill_config;
  std::vector<std::string> words;
  for (const ConfigKey& key : train ? describe(train_config) : describe(distill_config)) {
    if (!chosen.contains(key.name)) continue;
    const Json& value = chosen.at(key.name);
    if (value.is_boolean()) {
      words.push_back((value.get<bool>() ? "--" : "--no-") + key.flag().substr(2));
      continue;
    }
    words.push_back(key.flag());
    words.push_back(value.is_string() ? value.get<std::string>() : to_text(value));
  }
  return words;
}

std::string student_name(const Json& resolved) {
  return "w" + to_text(resolved.at("weight_bits")) + "a" + to_text(resolved.at("activation_bits"));
}

std::string hash_text(const std::string& text) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  char digits[24];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return std::string(digits + 6, 10);
}

std::string settings_difference(const Json& resolved, const Json& chosen, const Json& stored) {
  for (const auto& [key, value] : resolved.items()) {
    const bool is_new = !stored.contains(key) && !chosen.contains(key);
    if (is_new || (stored.contains(key) && stored.at(key) == value)) continue;
    return key + " = " + to_text(stored.contains(key) ? stored.at(key) : Json()) + ", not " +
           to_text(value);
  }
  return {};
}

}  // namespace intandem
