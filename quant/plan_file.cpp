#include "quant/plan_file.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/json.hpp"
#include "core/text.hpp"

namespace intandem {
namespace {

constexpr const char* kFormat = "intandem-plan";
constexpr int kVersion = 1;
constexpr const char* kRemedy = "delete it, or give a file of `--plan FILE`";

/// Reads members of one kind and names the file and the key if they are not of it.
class Members {
 public:
  Members(const Json& object, const std::string& path) : object_(object), path_(path) {
    if (!object.is_object()) fail("is not a plan");
  }
  const Json& at(const std::string& key) const {
    if (!object_.contains(key)) fail("has no \"" + key + "\"");
    return object_.at(key);
  }
  std::string text(const std::string& key) const {
    if (!at(key).is_string()) fail("\"" + key + "\" is not a text");
    return at(key).get<std::string>();
  }
  std::int64_t number(const std::string& key) const {
    if (!at(key).is_number_integer()) fail("\"" + key + "\" is not a whole number");
    return at(key).get<std::int64_t>();
  }
  [[noreturn]] void fail(const std::string& problem) const { throw Error(path_, problem, kRemedy); }

 private:
  const Json& object_;
  const std::string& path_;
};

PlannedLayer read_layer(const Json& json, const std::string& path) {
  const Members members(json, path);
  PlannedLayer layer;
  layer.algorithm = members.text("algorithm");
  if (!is_algorithm(layer.algorithm)) {
    members.fail("names the unknown algorithm '" + printable(layer.algorithm) + "'");
  }
  const Members times(members.at("time_ns"), path);
  for (const auto& [name, ns] : members.at("time_ns").items())
    layer.time_ns[name] = times.number(name);
  return layer;
}

/// "AMD EPYC (family 26, …)" → "amd-epyc-family-26-…".
std::string file_name_part(const std::string& text) {
  std::string part;
  for (const char c : text) {
    const bool keeps = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (keeps) part += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (!keeps && !part.empty() && part.back() != '-') part += '-';
  }
  while (!part.empty() && part.back() == '-') part.pop_back();
  return part;
}

/// What of two machines differs, for a message.
std::string difference(const PlanMachine& a, const PlanMachine& b) {
  if (a.cpu != b.cpu) return "CPU '" + printable(a.cpu) + "', this is '" + b.cpu + "'";
  if (a.instruction_set != b.instruction_set) {
    return "instruction set " + printable(a.instruction_set) + ", this is " + b.instruction_set;
  }
  if (a.threads != b.threads) {
    return std::to_string(a.threads) + " threads, these are " + std::to_string(b.threads);
  }
  if (a.batch != b.batch) {
    return "batches of " + std::to_string(a.batch) + ", these are of " + std::to_string(b.batch);
  }
  return "version " + printable(a.commit) + " of intandem, this is " + b.commit;
}

}  // namespace

Plan load_plan(const std::string& path) {
  const Json json = parse_json(read_file(path, kRemedy), path, false);
  const Members members(json, path);
  if (members.text("format") != kFormat) members.fail("is not a plan");
  if (members.number("version") != kVersion) members.fail("is a plan of another version");
  Plan plan;
  plan.machine = {members.text("cpu"), members.text("instruction_set"), members.text("commit"),
                  members.number("threads"), members.number("batch")};
  const Json& layers = members.at("layers");
  const Members must_be_object(layers, path);
  for (const auto& [key, layer] : layers.items()) plan.layers[key] = read_layer(layer, path);
  return plan;
}

void save_plan(const std::string& path, const Plan& plan) {
  Json json = {{"format", kFormat},
               {"version", kVersion},
               {"cpu", plan.machine.cpu},
               {"instruction_set", plan.machine.instruction_set},
               {"commit", plan.machine.commit},
               {"threads", plan.machine.threads},
               {"batch", plan.machine.batch},
               {"layers", Json::object()}};
  for (const auto& [key, layer] : plan.layers) {
    json["layers"][key] = {{"algorithm", layer.algorithm}, {"time_ns", layer.time_ns}};
  }
  write_file_atomic(path, to_text(json, 1) + "\n");
}

std::string cached_plan_path(const PlanMachine& machine) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::string directory;
  if (cache != nullptr && *cache != '\0') {
    directory = cache;
  } else if (home != nullptr && *home != '\0') {
    directory = std::string(home) + "/.cache";
  } else {
    return {};
  }
  return directory + "/intandem/plan-" + file_name_part(machine.cpu) + "-" +
         machine.instruction_set + "-t" + std::to_string(machine.threads) + "-b" +
         std::to_string(machine.batch) + ".json";
}

PlanSource::PlanSource(const std::string& option, std::int64_t batch) {
  const PlanMachine here = this_machine(batch);
  plan_.machine = here;
  kept_.machine = here;
  measures_ = option != "estimate";
  if (!measures_) return;
  is_cache_ = option == "measure";
  path_ = is_cache_ ? cached_plan_path(here) : option;
  if (path_.empty() || !file_exists(path_)) return;
  try {
    Plan plan = load_plan(path_);
    // Other kernels have other times, but a plan that was shipped is still one of this machine.
    if (!is_cache_) plan.machine.commit = here.commit;
    if (plan.machine != here && is_cache_) return;  // of an earlier version, or of a namesake
    if (plan.machine != here) {
      throw Error(path_, "is a plan of another machine: " + difference(plan.machine, here),
                  "give another file, or --plan measure");
    }
    plan_ = plan;
    kept_ = std::move(plan);
  } catch (const Error& error) {
    if (!is_cache_) throw;
    std::fprintf(stderr, "intandem: note: %s (measured again)\n", error.what());
  }
}

EngineOptions PlanSource::options(const std::string& algorithm) {
  return {algorithm, measures_ ? &plan_ : nullptr};
}

void PlanSource::keep() {
  const auto same = [](const auto& a, const auto& b) {
    return a.first == b.first && a.second.algorithm == b.second.algorithm;
  };
  if (!measures_ || path_.empty() ||
      std::equal(plan_.layers.begin(), plan_.layers.end(), kept_.layers.begin(), kept_.layers.end(),
                 same)) {
    return;
  }
  try {
    if (is_cache_) make_directory(std::filesystem::path(path_).parent_path().string());
    save_plan(path_, plan_);
    kept_ = plan_;
  } catch (const Error& error) {
    if (!is_cache_) throw;
    std::fprintf(stderr, "intandem: note: the plan is not kept: %s\n", error.what());
  }
}

}  // namespace intandem
