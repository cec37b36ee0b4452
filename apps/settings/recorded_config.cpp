#include "apps/settings/recorded_config.hpp"

#include "apps/run/run_files.hpp"
#include "core/error.hpp"

namespace intandem {

void apply_recorded_config(const ConfigKeys& keys, const std::string& run, const std::string& job) {
  const std::string path = run + "/config.json";
  const Json record = read_config_file(path);
  if (!record.contains(job)) return;
  apply_config_text(keys, to_text(required_object(record.at(job), "config", path)), path);
}

std::string job_to_resume(const std::string& run, const std::string& prefix) {
  std::vector<std::string> unfinished, finished;
  const Json record = read_config_file(run + "/config.json");
  for (const auto& [job, entry] : record.items()) {
    if (job.rfind(prefix, 0) != 0) continue;
    (entry.contains("finished") ? finished : unfinished).push_back(job.substr(prefix.size()));
  }
  if (unfinished.size() > 1) {
    std::string names;
    for (const std::string& name : unfinished) names += (names.empty() ? "" : ", ") + name;
    throw Error(run, "holds several unfinished students: " + names, "say which with --name",
                ExitCode::usage);
  }
  if (unfinished.size() == 1) return unfinished.front();
  return finished.size() == 1 ? finished.front() : std::string();
}

}  // namespace intandem
