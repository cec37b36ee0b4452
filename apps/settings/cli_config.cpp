#include "apps/settings/cli_config.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/file.hpp"

namespace intandem {
namespace {

std::string default_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : to_text(value);
}

}  // namespace

void ConfigFlags::add_to(CLI::App& command, const ConfigKeys& keys) {
  command
      .add_option("--config", file_,
                  "JSON file with any of the keys below (weight-bits is \"weight_bits\"); "
                  "flags override it")
      ->type_name("FILE");
  const Json defaults = config_to_json(keys);
  for (const ConfigKey& key : keys) {
    const std::string name = key.name;
    if (std::holds_alternative<bool*>(key.value)) {
      const bool on = defaults[name].get<bool>();
      const std::string bare = key.flag().substr(2);
      // The form that changes nothing by default is accepted but kept out of the help.
      for (const bool value : {true, false}) {
        command
            .add_flag_function((value ? "--" : "--no-") + bare,
                               [this, name, value](std::int64_t) {
                                 typed_.emplace_back(name, value ? "true" : "false");
                               },
                               (value ? "" : "not: ") + key.help)
            ->group(value == on ? "" : "Configuration");
      }
      continue;
    }
    command
        .add_option_function<std::string>(
            key.flag(), [this, name](const std::string& text) { typed_.emplace_back(name, text); },
            key.help + " (" + key.allowed() + ")")
        ->type_name("")
        ->default_str(default_text(defaults[name]))
        ->take_last()
        ->group("Configuration");
  }
}

void ConfigFlags::apply(const ConfigKeys& keys) const {
  if (!file_.empty()) apply_config_file(keys, file_);
  for (const auto& [name, text] : typed_) apply_flag(keys, name, text);
}

bool ConfigFlags::has_any(const std::vector<std::string>& names) const {
  Json file = Json::object();
  if (!file_.empty() && file_exists(file_)) {
    file = try_parse_json(read_file(file_, "check the path given to --config"));
  }
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const auto is_it = [&](const auto& typed) { return typed.first == name; };
    return std::any_of(typed_.begin(), typed_.end(), is_it) ||
           (file.is_object() && file.contains(name));
  });
}

void refuse_empty(CLI::Option& option) {
  option.check([](const std::string& text) {
    return text.empty() ? std::string("it cannot be empty") : std::string();
  });
}

void add_job_options(CLI::App& command, JobOptions& job) {
  refuse_empty(*command.add_option("--run", job.run, "run directory, created if needed")
                    ->type_name("DIR")
                    ->required());
  CLI::Option* resume = command.add_flag(
      "--resume", job.resume, "go on from the last checkpoint of this job; its flags are known");
  command
      .add_flag("--overwrite", job.overwrite,
                "start again although the run directory holds this job; its results are lost")
      ->excludes(resume);
  refuse_empty(*command
                    .add_option("--trace-comm", job.trace,
                                "write what each thread did when, and how much communication "
                                "lay within backward passes (ui.perfetto.dev)")
                    ->type_name("FILE"));
  command.add_flag("--other-data", job.other_data,
                   "go on although the images are not those of the teacher or checkpoint");
}

}  // namespace intandem
