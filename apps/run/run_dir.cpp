#include "apps/run/run_dir.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/run/processes.hpp"
#include "apps/run/run_files.hpp"
#include "core/error.hpp"
#include "core/version.hpp"

namespace intandem {
namespace {

void write_object(const std::string& path, const Json& json) {
  write_file_atomic(path, to_text(json, 2) + "\n");
}

void remove_file(const std::string& path) {
  if (std::remove(path.c_str()) != 0 && errno != ENOENT) {
    throw Error(path, std::string("cannot be removed: ") + std::strerror(errno),
                "check the permissions of the directory");
  }
}

/// The log without the lines of `job` after the first `keep_lines`, which becomes the number of
/// those that are missing.
std::string trimmed_log(const std::string& path, const std::string& job, std::int64_t& keep_lines) {
  std::string kept;
  if (!file_exists(path)) return kept;
  std::istringstream lines(read_file(path, "check its permissions"));
  std::string line;
  while (std::getline(lines, line)) {
    const Json json = try_parse_json(line);
    // A line that does not parse was cut short by a crash; it belongs to nobody and is dropped.
    if (!json.is_object() || !json.contains("job")) continue;
    if (json.at("job") == job) {
      if (keep_lines <= 0) continue;
      --keep_lines;
    }
    kept += line + "\n";
  }
  return kept;
}

Container load_checkpoint(const std::string& path) {
  try {
    return Container::load(path, "checkpoint");
  } catch (const Error& error) {
    const std::string text = error.what();
    const std::string problem = text.substr(0, text.rfind("; "));
    throw Error(path,
                problem.rfind(path + ": ", 0) == 0 ? problem.substr(path.size() + 2) : problem,
                "restore it, or delete it and run again with --resume: this job then starts from "
                "its beginning");
  }
}

}  // namespace

Json read_results(const std::string& run) { return read_results_file(run + "/results.json"); }

void merge_results(const std::string& run, const Json& patch) {
  Json results = read_results(run);
  results.merge_patch(patch);
  write_object(run + "/results.json", results);
}

void merge_student(const std::string& run, const std::string& name, const Json& figures) {
  Json patch = {{"students", {{name, figures}}}};
  const Json results = read_results(run);
  const std::string headline = results.value("headline", name);
  if (headline == name) {
    patch["headline"] = name;
    for (const auto& [key, value] : figures.items()) {
      // The teacher's figures there are of the run's own teacher, not of the student's.
      const bool of_teacher = key.rfind("teacher", 0) == 0 || key == "images" || key == "seed";
      if (!value.is_structured() && !of_teacher) patch[key] = value;
    }
  }
  merge_results(run, patch);
}

double recorded_seconds(const Container& checkpoint) {
  const double seconds = checkpoint.tensor<double>("seconds", Shape{1})[0];
  if (seconds >= 0.0 && seconds < 1e12) return seconds;
  throw Error(checkpoint.path(), "tensor 'seconds' holds " + std::to_string(seconds),
              "delete the checkpoint and run again with --resume");
}

RunDir::RunDir(const JobOptions& options, const std::string& job)
    : directory_(options.run), job_(job), command_line_(options.command_line) {
  if (is_first_process()) {
    make_directory(directory_);
    lock_ = std::make_unique<DirectoryLock>(directory_);
    remove_abandoned_temporaries(directory_);
  }
  const Json config = read_config_file(path("config.json"));
  // Both make the run's teacher, and with it all that rests on it.
  const std::string rival = job_ == "train" ? "import" : job_ == "import" ? "train" : "";
  if (!options.overwrite && !rival.empty() && config.contains(rival)) {
    throw Error(directory_, "already holds a teacher, of the job '" + rival + "'",
                "use --overwrite to lose it and its students, or another --run directory",
                ExitCode::usage);
  }
  if (!config.contains(job_)) return;
  const bool was_finished = config.at(job_).contains("finished");
  if (options.resume) {
    resuming_ = true;
    finished_ = was_finished;
    // Killed between the mark and the removal in finish().
    if (finished_ && is_first_process()) remove_file(checkpoint_path());
  } else if (!options.overwrite) {
    const std::string state = was_finished ? "a finished" : "an unfinished";
    const std::string go_on = was_finished ? "" : "--resume to go on, ";
    throw Error(directory_, "already holds " + state + " job '" + job_ + "'",
                "use " + go_on + "--overwrite to start again, or another --run directory",
                ExitCode::usage);
  }
}

std::string RunDir::path(const std::string& file) const { return directory_ + "/" + file; }

bool RunDir::already_finished(const ConfigKeys& keys) const {
  if (!finished_) return false;
  // Keys that this version has and that one had not cannot have been asked for.
  const std::string config_path = path("config.json");
  Json then = config_to_json(keys);
  then.update(required_object(read_config_file(config_path).at(job_), "config", config_path));
  check_same_config(keys, then, config_path + ": the finished job '" + job_ + "'");
  return true;
}

std::optional<Container> RunDir::open_checkpoint(const ConfigKeys& keys) const {
  if (!resuming_ || !file_exists(checkpoint_path())) return std::nullopt;
  Container file = load_checkpoint(checkpoint_path());
  check_same_config(keys, parse_json(file.get("config"), file.path(), false), file.path());
  return file;
}

void RunDir::stamp(Container& checkpoint, const ConfigKeys& keys) {
  log_->sync();
  checkpoint.set("config", to_text(config_to_json(keys)));
  checkpoint.set("log_lines", std::to_string(lines_));
}

void RunDir::forget(const std::string& job) {
  // The config entry goes first: after a crash in between, the job counts as never begun.
  Json config = read_config_file(path("config.json"));
  config.erase(job);
  write_object(path("config.json"), config);
  remove_file(path(job + ".checkpoint"));
  const std::string log_path = path("log.jsonl");
  std::int64_t keep_lines = 0;
  if (file_exists(log_path)) write_file_atomic(log_path, trimmed_log(log_path, job, keep_lines));
}

void RunDir::begin(const ConfigKeys& keys, bool starts_run) {
  std::string started = now_utc();
  if (resuming_) {
    const Json config = read_config_file(path("config.json"));
    started = config.at(job_).value("started", started);
  } else {
    forget(job_);
    if (starts_run) {
      const Json config = read_config_file(path("config.json"));
      for (const auto& [job, entry] : config.items()) forget(job);
      write_object(path("results.json"), Json::object());
    }
  }
  Json config = read_config_file(path("config.json"));
  config[job_] = {{"command", command_line_},
                  {"version", intandem_version()},
                  {"commit", intandem_commit()},
                  {"started", started},
                  {"config", config_to_json(keys)}};
  write_object(path("config.json"), config);
}

void RunDir::open_log(const Container* checkpoint) {
  const std::int64_t keep_lines = checkpoint == nullptr ? 0 : checkpoint->get_int("log_lines");
  const std::string log_path = path("log.jsonl");
  std::int64_t missing = keep_lines;
  const std::string kept = trimmed_log(log_path, job_, missing);
  if (missing > 0) {
    print_note(log_path + ": " + std::to_string(missing) + " of the " + std::to_string(keep_lines) +
               " lines this job had written are gone; the report will lack them");
  }
  write_file_atomic(log_path, kept);
  log_ = std::make_unique<LineLog>(log_path, static_cast<std::int64_t>(kept.size()));
  lines_ = keep_lines - missing;
}

void RunDir::log(const Json& fields) {
  INTANDEM_CHECK(log_ != nullptr, "the log is not open");
  Json line = {{"job", job_}};
  line.update(fields);
  log_->append(to_text(line));
  ++lines_;
}

void RunDir::finish() {
  Json config = read_config_file(path("config.json"));
  config[job_]["finished"] = now_utc();
  write_object(path("config.json"), config);
  remove_file(checkpoint_path());
}

}  // namespace intandem
