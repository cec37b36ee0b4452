#include "apps/sweep/sweep_state.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "apps/commands/tandem_job.hpp"
#include "apps/report/report_inputs.hpp"
#include "apps/run/run_dir.hpp"
#include "apps/run/run_files.hpp"
#include "apps/sweep/sweep_settings.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace intandem {
namespace {

std::string job_key(const SweepJob& job) {
  if (job.kind == SweepKind::teacher || job.kind == SweepKind::train) return "train";
  return kind_name(job.kind) + "-" + job.name;
}

[[noreturn]] void refuse(const std::string& run, const std::string& made_with) {
  throw Error(run, "was made with " + made_with,
              "remove that directory to run the job again, or use another --run");
}

}  // namespace

JobState job_state(const std::string& sweep_directory, const SweepJob& job) {
  const std::string run = sweep_directory + "/" + job.directory;
  const std::string config_path = run + "/config.json";
  if (!file_exists(config_path)) return JobState::absent;
  const Json config = read_config_file(config_path);
  const std::string key = job_key(job);
  if (!config.contains(key)) return JobState::absent;
  const Json& entry = config.at(key);
  if (!entry.contains("config")) {
    throw Error(config_path, "does not describe '" + key + "'", "remove its directory");
  }
  const std::string difference =
      settings_difference(job.resolved, job.settings, entry.at("config"));
  if (!difference.empty()) refuse(run, difference);
  if (!entry.contains("finished")) return JobState::unfinished;
  const bool makes_teacher = job.kind == SweepKind::teacher || job.kind == SweepKind::train;
  if (makes_teacher) {
    if (file_exists(run + "/teacher.safetensors")) return JobState::done;
    throw Error(run, "has lost its teacher.safetensors", "remove that directory to train it again");
  }
  const Json results = read_results(run);
  const auto students = results.find("students");
  if (students == results.end() || !students->contains(job.name)) {
    throw Error(run, "has lost its results", "remove that directory to run the job again");
  }
  const Json& student = students->at(job.name);
  if (text_of(student, "teacher_crc") != file_crc(job.teacher_file)) {
    refuse(run, "another teacher than " + job.teacher_file);
  }
  if (job.verify.empty() || student.contains("mismatches")) return JobState::done;
  return JobState::unverified;
}

JobLock::JobLock(const std::string& directory) {
  make_directory(directory);
  const std::string path = directory + "/.sweep.lock";
  descriptor_ = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    throw Error(path, std::string("cannot be opened: ") + std::strerror(errno),
                "give a writable directory with --run");
  }
  held_ = ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno == ENOLCK || errno == EOPNOTSUPP;
}

JobLock::~JobLock() { ::close(descriptor_); }

}  // namespace intandem
