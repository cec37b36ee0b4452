#include "apps/sweep/sweep_file.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "apps/config.hpp"
#include "apps/shell.hpp"
#include "apps/sweep/sweep_settings.hpp"
#include "apps/tandem_job.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace intandem {
namespace {

constexpr const char* kRemedy = "see docs/sweeps.md for what a sweep file holds";

/// Reads one sweep file; every member function adds a kind of job.
class SweepReader {
 public:
  SweepReader(const std::string& path, const std::string& directory,
              const SweepOverrides& overrides)
      : path_(path), directory_(directory), overrides_(overrides) {}

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
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy) const {
    throw Error(path_, problem, remedy, ExitCode::usage);
  }

  void check_keys(const Json& object, const std::string& where,
                  const std::vector<std::string>& known) const {
    if (!object.is_object()) fail(where + " is not a JSON object", kRemedy);
    for (const auto& [key, value] : object.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      fail("unknown key '" + key + "' in " + where,
           "did you mean '" + closest_name(known, key) + "'?");
    }
  }

  /// The member, or an empty value of its type.
  const Json& member(const Json& object, const char* key, Json::value_t type,
                     const std::string& where) const {
    static const Json no_object = Json::object(), no_array = Json::array();
    const auto found = object.find(key);
    if (found == object.end()) return type == Json::value_t::array ? no_array : no_object;
    if (found->type() != type) {
      fail("'" + std::string(key) + "' of " + where + " has the wrong type",
           std::string("write ") + (type == Json::value_t::array ? "[…]" : "{…}"));
    }
    return *found;
  }

  std::string text(const Json& object, const char* key, const std::string& where,
                   const std::string& absent) const {
    const auto found = object.find(key);
    if (found == object.end()) return absent;
    if (!found->is_string()) {
      fail("'" + std::string(key) + "' of " + where + " is not a text", "write \"…\"");
    }
    return found->get<std::string>();
  }

  /// Names listed in `key`, each among `known`; all of `known` if there is no such key.
  std::vector<std::string> names(const Json& object, const char* key, const std::string& where,
                                 const std::vector<std::string>& known) const {
    if (!object.contains(key)) return known;
    std::vector<std::string> list;
    for (const Json& name : member(object, key, Json::value_t::array, where)) {
      if (!name.is_string())
        fail("'" + std::string(key) + "' of " + where + " lists no names", kRemedy);
      list.push_back(name.get<std::string>());
      if (std::find(known.begin(), known.end(), list.back()) != known.end()) continue;
      fail("'" + list.back() + "' in '" + key + "' of " + where + " is not defined",
           known.empty() ? std::string("define it")
                         : "did you mean '" + closest_name(known, list.back()) + "'?");
    }
    return list;
  }

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
      check_keys(entry, where, {"train", "file"});
      if (!is_file_name(name))
        fail(where + " cannot name a directory", "use letters, digits, - and _");
      if (entry.contains("train") == entry.contains("file")) {
        fail(where + " has not exactly one of 'train' and 'file'", kRemedy);
      }
      const std::string file = given.count(name) > 0 ? given[name] : text(entry, "file", where, "");
      teachers_.push_back(name);
      if (!file.empty()) {
        if (!file_exists(file)) throw Error(file, "no such teacher", "check " + path_);
        teacher_files_[name] = file;
        teacher_ids_[name] = "crc " + file_crc(file);
        continue;
      }
      add_teacher_job(name, member(entry, "train", Json::value_t::object, where), where);
    }
  }

  void add_teacher_job(const std::string& name, const Json& config, const std::string& where) {
    SweepJob job;
    job.kind = SweepKind::teacher;
    job.label = job.teacher = name;
    train_settings_[name] = config;
    std::vector<SettingsLayer> layers = {{config, path_ + ", " + where}};
    if (!overrides_.dataset.empty()) {
      layers.push_back({Json{{"dataset", overrides_.dataset}}, "--dataset"});
    }
    settle(job, resolve_train(layers));
    job.seed = job.resolved.at("seed").get<std::int64_t>();
    const std::string id = hash_text(to_text(job.settings));
    job.directory = "teachers/" + name + "-" + id;
    job.teacher_file = directory_ + "/" + job.directory + "/teacher.safetensors";
    teacher_ids_[name] = "trained " + id;
    teacher_files_[name] = job.teacher_file;
    finish(std::move(job), "train");
    teacher_jobs_[name] = sweep_.jobs.back().number;
  }

  void add_entry(const Json& entry, std::size_t index) {
    std::string where = "job " + std::to_string(index + 1);
    check_keys(entry, where, {"label", "series", "kind", "groups", "teachers", "seeds", "config"});
    SweepJob job;
    job.label = text(entry, "label", where, "");
    if (job.label.empty()) fail(where + " has no label", "give it a \"label\"");
    where = "job '" + job.label + "'";
    job.series = text(entry, "series", where, job.label);
    job.kind = kind_of(text(entry, "kind", where, "distill"), where);
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
    const std::string in_group = path_ + ", group '" + job.group + "'";
    const Json seed = {{"seed", job.seed}};
    const auto teacher_job = teacher_jobs_.find(job.teacher);
    job.depends_on = teacher_job == teacher_jobs_.end() ? 0 : teacher_job->second;
    job.teacher_file = teacher_files_.at(job.teacher);
    std::string command = kind_name(job.kind);
    if (job.kind == SweepKind::train) {
      // The teacher's own recipe, unless the file says otherwise.
      std::vector<SettingsLayer> layers = {
          {train_settings_[job.teacher], path_ + ", teacher '" + job.teacher + "'"},
          {member(file_, "train", Json::value_t::object, "the file"), path_ + ", 'train'"},
          {group, in_group},
          {own, path_ + ", " + where},
          {seed, path_}};
      if (!overrides_.dataset.empty()) {
        layers.push_back({Json{{"dataset", overrides_.dataset}}, "--dataset"});
      }
      settle(job, resolve_train(layers));
      job.name = "train";
    } else {
      const auto resolve = job.kind == SweepKind::baseline ? resolve_baseline : resolve_distill;
      settle(job, resolve({{member(file_, "distill", Json::value_t::object, "the file"),
                            path_ + ", 'distill'"},
                           {group, in_group},
                           {own, path_ + ", " + where},
                           {seed, path_}}));
      job.name = student_name(job.resolved);
    }
    const std::string id = hash_text(command + " of " + teacher_ids_.at(job.teacher) + " with " +
                                     to_text(job.settings));
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

  std::string path_, directory_;
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
