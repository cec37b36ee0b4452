#include "apps/sweep/sweep_file.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "apps/commands/tandem_job.hpp"
#include "apps/run/shell.hpp"
#include "apps/settings/config.hpp"
#include "apps/sweep/sweep_json.hpp"
#include "apps/sweep/sweep_settings.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace intandem {
namespace {

/// Reads one sweep file; every member function adds a kind of job.
class SweepReader : private SweepJson {
 public:
  SweepReader(const std::string& path, const std::string& directory,
              const SweepOverrides& overrides)
      : SweepJson(path), directory_(directory), overrides_(overrides) {}

  Sweep read() {
    if (!file_exists(path_)) {
      throw Error(path_, "no such sweep file", "check the path", ExitCode::usage);
    }
    file_ = parse_json(read_file(path_, "check its permissions"), path_, true);
    check_keys(file_, "the file",
               {"title", "data_dir", "teachers", "seeds", "distill", "train", "groups", "jobs"});
    sweep_.title = text(file_, "title", "the file", "");
    if (sweep_.title.empty()) fail("the file has no title", "give it a \"title\"");
    data_dir_ =
        overrides_.data_dir.empty() ? text(file_, "data_dir", "the file", "") : overrides_.data_dir;
    add_teachers();
    const Json& jobs = member(file_, "jobs", Json::value_t::array, "the file");
    if (jobs.empty()) fail("it lists no jobs", kRemedy);
    for (std::size_t i = 0; i < jobs.size(); ++i) add_entry(jobs[i], i);
    return std::move(sweep_);
  }

 private:
  std::vector<std::int64_t> seeds(const Json& object, const std::string& where) const {
    const Json& list =
        member(object.contains("seeds") ? object : file_, "seeds", Json::value_t::array, where);
    std::vector<std::int64_t> seeds;
    for (const Json& seed : list) {
      if (!seed.is_number_unsigned() || seed.get<std::uint64_t>() > 1000000000) {
        fail("'seeds' of " + where + " are not whole numbers from 0 to 1000000000", kRemedy);
      }
      seeds.push_back(seed.get<std::int64_t>());
    }
    return seeds.empty() ? std::vector<std::int64_t>{1} : seeds;
  }

  void add_teachers() {
    const Json& teachers = member(file_, "teachers", Json::value_t::object, "the file");
    if (teachers.empty()) fail("it names no teachers", kRemedy);
    std::map<std::string, std::string> given;
    for (const std::string& pair : overrides_.teachers) {
      const auto equals = pair.find('=');
      const std::string name = pair.substr(0, equals);
      if (equals == std::string::npos || !teachers.contains(name)) {
        throw Error("--teacher", "'" + pair + "' is not NAME=FILE with a teacher of " + path_,
                    "name one of its teachers", ExitCode::usage);
      }
      given[name] = pair.substr(equals + 1);
    }
    for (const auto& [name, entry] : teachers.items()) {
      const std::string where = "teacher '" + name + "'";
      check_keys(entry, where, {"train", "file", "from"});
      if (!is_file_name(name))
        fail(where + " cannot name a directory", "use letters, digits, - and _");
      if (entry.contains("train") == entry.contains("file")) {
        fail(where + " has not exactly one of 'train' and 'file'", kRemedy);
      }
      const std::string file = given.count(name) > 0 ? given[name] : text(entry, "file", where, "");
      train_settings_[name] = member(entry, "train", Json::value_t::object, where);
      const std::string from = text(entry, "from", where, "");
      if (!from.empty() && std::find(teachers_.begin(), teachers_.end(), from) == teachers_.end()) {
        fail(where + " starts from '" + from + "', which is not defined before it",
             "name a teacher further up");
      }
      teachers_.push_back(name);
      if (file.empty()) {
        add_teacher_job(name, from, where);
        continue;
      }
      if (!file_exists(file)) throw Error(file, "no such teacher", "check " + path_);
      teacher_files_[name] = file;
      teacher_ids_[name] = "crc " + file_crc(file);
    }
  }

  void add_teacher_job(const std::string& name, const std::string& from, const std::string& where) {
    SweepJob job;
    job.kind = SweepKind::teacher;
    job.label = job.teacher = name;
    std::vector<SettingsLayer> layers = {{train_settings_[name], path_ + ", " + where}};
    if (!overrides_.dataset.empty()) {
      layers.push_back({Json{{"dataset", overrides_.dataset}}, "--dataset"});
    }
    settle(job, resolve_train(layers));
    job.seed = job.resolved.at("seed").get<std::int64_t>();
    std::string what = to_text(job.settings);
    if (!from.empty()) {
      start_from(job, from);
      what += " from " + teacher_ids_.at(from);
    }
    const std::string id = hash_text(what);
    job.directory = "teachers/" + name + "-" + id;
    job.teacher_file = directory_ + "/" + job.directory + "/teacher.safetensors";
    teacher_ids_[name] = "trained " + id;
    teacher_files_[name] = job.teacher_file;
    finish(std::move(job), "train");
    teacher_jobs_[name] = sweep_.jobs.back().number;
  }

  void start_from(SweepJob& job, const std::string& teacher) const {
    const auto made = teacher_jobs_.find(teacher);
    job.depends_on = made == teacher_jobs_.end() ? 0 : made->second;
    job.init = teacher_files_.at(teacher);
  }

  void add_entry(const Json& entry, std::size_t index) {
    std::string where = "job " + std::to_string(index + 1);
    check_keys(entry, where,
               {"label", "series", "kind", "start", "groups", "teachers", "seeds", "config"});
    SweepJob job;
    job.label = text(entry, "label", where, "");
    if (job.label.empty()) fail(where + " has no label", "give it a \"label\"");
    where = "job '" + job.label + "'";
    job.series = text(entry, "series", where, job.label);
    job.kind = kind_of(text(entry, "kind", where, "distill"), where);
    const std::string start = text(entry, "start", where, "teacher");
    if ((start != "teacher" && start != "random") ||
        (entry.contains("start") && job.kind != SweepKind::train)) {
      fail("'start' of " + where + " does not fit",
           "use teacher or random, with kind train; others have the key random_init");
    }
    if (job.kind == SweepKind::train) job.init = start;
    const Json& groups = member(file_, "groups", Json::value_t::object, "the file");
    std::vector<std::string> known;
    for (const auto& [name, settings] : groups.items()) known.push_back(name);
    std::vector<std::string> wanted = names(entry, "groups", where, known);
    if (groups.empty()) wanted = {""};
    std::vector<std::int64_t> wanted_seeds = seeds(entry, where);
    // Nothing about an untrained student is random.
    if (job.kind == SweepKind::baseline) wanted_seeds.resize(1);
    for (const std::string& teacher : names(entry, "teachers", where, teachers_)) {
      for (const std::string& group : wanted) {
        for (const std::int64_t seed : wanted_seeds) {
          job.teacher = teacher;
          job.group = group;
          job.seed = seed;
          const Json none = Json::object();
          add_job(job, group.empty() ? none : groups.at(group),
                  member(entry, "config", Json::value_t::object, where), where);
        }
      }
    }
  }

  SweepKind kind_of(const std::string& name, const std::string& where) const {
    for (const SweepKind kind : {SweepKind::distill, SweepKind::baseline, SweepKind::train}) {
      if (kind_name(kind) == name) return kind;
    }
    fail("'" + name + "' is no kind of " + where, "use distill, baseline or train");
  }

  void add_job(SweepJob job, const Json& group, const Json& own, const std::string& where) {
    const auto made = teacher_jobs_.find(job.teacher);
    job.depends_on = made == teacher_jobs_.end() ? 0 : made->second;
    job.teacher_file = teacher_files_.at(job.teacher);
    const std::string command = kind_name(job.kind);
    std::string what = command;
    std::vector<SettingsLayer> layers = {{group, path_ + ", group '" + job.group + "'"},
                                         {own, path_ + ", " + where},
                                         {Json{{"seed", job.seed}}, path_}};
    const Json& common = member(file_, job.kind == SweepKind::train ? "train" : "distill",
                                Json::value_t::object, "the file");
    layers.insert(
        layers.begin(),
        {common, path_ + ", '" + (job.kind == SweepKind::train ? "train" : "distill") + "'"});
    if (job.kind == SweepKind::train) {
      // The teacher's own recipe, unless the file says otherwise.
      layers.insert(layers.begin(),
                    {train_settings_[job.teacher], path_ + ", teacher '" + job.teacher + "'"});
      if (!overrides_.dataset.empty()) {
        layers.push_back({Json{{"dataset", overrides_.dataset}}, "--dataset"});
      }
      settle(job, resolve_train(layers));
      job.name = "train";
      if (job.init == "random") what += " from random weights";
      job.init = job.init == "random" ? "" : job.teacher_file;
    } else {
      settle(job,
             job.kind == SweepKind::baseline ? resolve_baseline(layers) : resolve_distill(layers));
      job.name = student_name(job.resolved);
    }
    const std::string id =
        hash_text(what + " of " + teacher_ids_.at(job.teacher) + " with " + to_text(job.settings));
    job.directory = "jobs/" + command + "-" + job.name + "-s" + std::to_string(job.seed) + "-" + id;
    const auto same = std::find_if(sweep_.jobs.begin(), sweep_.jobs.end(), [&](const SweepJob& j) {
      return j.directory == job.directory && j.label == job.label && j.group == job.group;
    });
    if (same != sweep_.jobs.end()) fail(where + " is listed twice", "remove one, or a seed of it");
    finish(std::move(job), command);
  }

  /// Numbers the job and writes down its commands.
  void finish(SweepJob job, const std::string& command) {
    job.number = static_cast<int>(sweep_.jobs.size()) + 1;
    const std::string run = directory_ + "/" + job.directory;
    job.arguments = {command, "--run", run};
    const bool student = command != "train";
    if (student) append(job.arguments, {"--teacher", job.teacher_file, "--name", job.name});
    if (!job.init.empty()) append(job.arguments, {"--init", job.init});
    append(job.arguments, settings_flags(job.settings, !student));
    append(job.arguments, settings_flags(job.harmless, !student));
    std::vector<std::string> common;
    if (!data_dir_.empty()) append(common, {"--data-dir", data_dir_});
    if (overrides_.threads > 0) append(common, {"--threads", std::to_string(overrides_.threads)});
    append(job.arguments, common);
    if (job.kind == SweepKind::distill) {
      job.verify = {"verify", "--run", run, "--name", job.name};
      append(job.verify, common);
    }
    sweep_.jobs.push_back(std::move(job));
  }

  static void append(std::vector<std::string>& words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
  }

  static void settle(SweepJob& job, ResolvedSettings settings) {
    job.settings = std::move(settings.chosen);
    job.harmless = std::move(settings.harmless);
    job.resolved = std::move(settings.all);
  }

  static bool is_file_name(const std::string& name) {
    return !name.empty() && name.find_first_not_of(
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-") == std::string::npos;
  }

  std::string directory_;
  const SweepOverrides& overrides_;
  Json file_;
  std::string data_dir_;
  Sweep sweep_;
  std::vector<std::string> teachers_;
  std::map<std::string, std::string> teacher_files_, teacher_ids_;
  std::map<std::string, int> teacher_jobs_;
  std::map<std::string, Json> train_settings_;
};

}  // namespace

std::string kind_name(SweepKind kind) {
  switch (kind) {
    case SweepKind::teacher:
      return "teacher";
    case SweepKind::distill:
      return "distill";
    case SweepKind::baseline:
      return "baseline";
    case SweepKind::train:
      break;
  }
  return "train";
}

Sweep read_sweep(const std::string& path, const std::string& directory,
                 const SweepOverrides& overrides) {
  return SweepReader(path, directory, overrides).read();
}

Json sweep_to_json(const Sweep& sweep, const std::string& program) {
  Json jobs = Json::array();
  for (const SweepJob& job : sweep.jobs) {
    std::vector<std::string> words = job.arguments;
    words.insert(words.begin(), program);
    jobs.push_back({{"number", job.number},
                    {"kind", kind_name(job.kind)},
                    {"label", job.label},
                    {"series", job.series},
                    {"group", job.group},
                    {"teacher", job.teacher},
                    {"teacher_file", job.teacher_file},
                    {"seed", job.seed},
                    {"name", job.name},
                    {"directory", job.directory},
                    {"settings", job.settings},
                    {"command", shell_line(words)}});
  }
  return {{"title", sweep.title}, {"jobs", jobs}};
}

}  // namespace intandem
