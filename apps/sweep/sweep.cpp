// `intandem sweep`: the jobs of a sweep file, one after the other, each in a process of its own.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "apps/commands/commands.hpp"
#include "apps/run/shell.hpp"
#include "apps/run/stop_signal.hpp"
#include "apps/sweep/sweep_file.hpp"
#include "apps/sweep/sweep_report.hpp"
#include "apps/sweep/sweep_state.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace intandem {
namespace {

constexpr std::chrono::milliseconds kWaitForTeacher{500};

/// "3,5-7" → {3, 5, 6, 7}; empty: all of 1 … count.
std::set<int> selection(const std::string& text, int count) {
  const auto refuse = [&] {
    throw Error("--only", "cannot be '" + text + "'",
                "give numbers of jobs from 1 to " + std::to_string(count) + ", such as 3,5-7",
                ExitCode::usage);
  };
  const auto number = [&](const std::string& digits) {
    int value = 0;
    const char* end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || value < 1 || value > count) refuse();
    return value;
  };
  std::set<int> chosen;
  std::istringstream parts(text.empty() ? "1-" + std::to_string(count) : text);
  for (std::string part; std::getline(parts, part, ',');) {
    const auto dash = part.find('-');
    const int first = number(part.substr(0, dash));
    const int last = dash == std::string::npos ? first : number(part.substr(dash + 1));
    if (last < first) refuse();
    for (int i = first; i <= last; ++i) chosen.insert(i);
  }
  return chosen;
}

std::string job_title(const SweepJob& job) {
  std::string title = job.label;
  if (job.kind == SweepKind::teacher) return "teacher " + title;
  if (!job.group.empty()) title += ", " + job.group;
  return title + ", teacher " + job.teacher + ", seed " + std::to_string(job.seed);
}

class SweepRunner {
 public:
  SweepRunner(const Sweep& sweep, const SweepOptions& options)
      : sweep_(sweep), options_(options), program_(own_program()) {}

  /// Runs the selected jobs; false if a signal stopped it.
  bool run() {
    for (const int number : selection(options_.only, static_cast<int>(sweep_.jobs.size()))) {
      if (!run_job(job(number))) return false;
    }
    return true;
  }

  const std::vector<std::string>& failed() const { return failed_; }
  int busy() const { return busy_; }

 private:
  const SweepJob& job(int number) const {
    return sweep_.jobs[static_cast<std::size_t>(number - 1)];
  }

  bool run_job(const SweepJob& job) {
    if (job.kind == SweepKind::teacher) return make_teacher(job);
    if (job.depends_on > 0 && !make_teacher(this->job(job.depends_on))) return false;
    if (job.depends_on > 0 && failed_jobs_.count(job.depends_on) > 0) {
      fail(job, "its teacher failed");
      return true;
    }
    const JobLock lock(options_.run + "/" + job.directory);
    if (lock.held()) return work(job);
    ++busy_;
    say(job, "another process works on it");
    return true;
  }

  /// Like any job, but if another process trains this teacher, waits for it.
  bool make_teacher(const SweepJob& job) {
    if (failed_jobs_.count(job.number) > 0 || ready_.count(job.number) > 0) return true;
    if (job.depends_on > 0) {
      if (!make_teacher(this->job(job.depends_on))) return false;
      if (failed_jobs_.count(job.depends_on) > 0) {
        fail(job, "the teacher it starts from failed");
        return true;
      }
    }
    for (bool told = false;; told = true) {
      if (stop_requested()) return false;
      const JobLock lock(options_.run + "/" + job.directory);
      if (lock.held()) return work(job);
      if (!told) say(job, "another process trains it; waiting");
      std::this_thread::sleep_for(kWaitForTeacher);
    }
  }

  /// Brings one job to its end; false if a signal stopped it. Faults are remembered.
  bool work(const SweepJob& job) {
    try {
      JobState state = job_state(options_.run, job);
      if (state == JobState::done) {
        say(job, "done before");
        ready_.insert(job.number);
        return true;
      }
      if (state != JobState::unverified) {
        std::vector<std::string> words = job.arguments;
        if (state == JobState::unfinished) words.push_back("--resume");
        if (!run_words(job, words)) return !stopped_;
      }
      if (!job.verify.empty() && !run_words(job, job.verify)) return !stopped_;
      ready_.insert(job.number);
    } catch (const Error& error) {
      fail(job, error.what());
    }
    return true;
  }

  bool run_words(const SweepJob& job, std::vector<std::string> words) {
    if (stop_requested()) {
      stopped_ = true;
      return false;
    }
    if (options_.quiet) words.push_back("--quiet");
    words.insert(words.begin(), options_.program);
    say(job, shell_line(words));
    std::fflush(stdout);
    const int code = run_child(program_, words);
    if (code == 0) return true;
    stopped_ = code == static_cast<int>(ExitCode::interrupted) || stop_requested();
    if (!stopped_) {
      fail(job, code > 128 ? words[1] + " was ended by signal " + std::to_string(code - 128)
                           : words[1] + " ended with exit code " + std::to_string(code));
    }
    return false;
  }

  void say(const SweepJob& job, const std::string& text) const {
    if (options_.quiet) return;
    std::fprintf(stderr, "[%d/%zu] %s: %s\n", job.number, sweep_.jobs.size(),
                 job_title(job).c_str(), text.c_str());
  }

  void fail(const SweepJob& job, const std::string& reason) {
    failed_jobs_.insert(job.number);
    failed_.push_back("job " + std::to_string(job.number) + " (" + job_title(job) + "): " + reason);
    std::fprintf(stderr, "intandem: note: %s; going on with the others\n", failed_.back().c_str());
  }

  const Sweep& sweep_;
  const SweepOptions& options_;
  std::string program_;
  std::vector<std::string> failed_;
  std::set<int> failed_jobs_, ready_;
  int busy_ = 0;
  bool stopped_ = false;
};

void list_jobs(const Sweep& sweep, const std::string& program) {
  for (const SweepJob& job : sweep.jobs) {
    std::vector<std::string> words = job.arguments;
    words.insert(words.begin(), program);
    std::printf("# %d: %s\n%s\n", job.number, job_title(job).c_str(), shell_line(words).c_str());
    if (job.verify.empty()) continue;
    words = job.verify;
    words.insert(words.begin(), program);
    std::printf("%s\n", shell_line(words).c_str());
  }
}

}  // namespace

ExitCode sweep_command(SweepOptions options) {
  if (options.run.empty()) {
    options.run = "runs/" + std::filesystem::path(options.file).stem().string();
  }
  const Sweep sweep = read_sweep(options.file, options.run, options.overrides);
  if (options.list) {
    list_jobs(sweep, options.program);
    return ExitCode::ok;
  }
  selection(options.only, static_cast<int>(sweep.jobs.size()));  // a wrong one changes nothing
  make_directory(options.run);
  watch_stop_signals();
  write_file_atomic(options.run + "/" + kSweepPlan,
                    to_text(sweep_to_json(sweep, options.program), 1) + "\n");
  SweepRunner runner(sweep, options);
  if (!runner.run()) {
    std::fprintf(stderr, "stopped; the same command goes on\n");
    return ExitCode::interrupted;
  }
  const std::string table = write_sweep_report(options.run);
  std::printf("%s\nreport: %s/report.html, %s/report.md\n", table.c_str(), options.run.c_str(),
              options.run.c_str());
  if (runner.busy() > 0) {
    std::printf("%d jobs are in the hands of other processes; run again when they are done\n",
                runner.busy());
  }
  if (runner.failed().empty()) return ExitCode::ok;
  std::string list;
  for (const std::string& reason : runner.failed()) list += (list.empty() ? "" : "; ") + reason;
  throw Error(options.file, std::to_string(runner.failed().size()) + " jobs failed: " + list,
              "mend that and run the sweep again; what is done is kept");
}

}  // namespace intandem
