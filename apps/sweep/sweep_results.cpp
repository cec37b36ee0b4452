#include "apps/sweep/sweep_results.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/report/report_inputs.hpp"
#include "apps/run/run_dir.hpp"
#include "apps/run/run_files.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace intandem {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const Json& object_of(const Json& object, const std::string& key) {
  static const Json empty = Json::object();
  if (!object.is_object()) return empty;
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : empty;
}

/// Reads the plan and collects the jobs into rows.
class Collector {
 public:
  explicit Collector(const std::string& directory) : directory_(directory) {}

  SweepResults collect() {
    const std::string path = directory_ + "/" + kSweepPlan;
    if (!file_exists(path)) {
      throw Error(directory_, "holds no sweep", "give the directory of an 'intandem sweep'");
    }
    const Json plan = read_plan_file(path);
    results_.title = text_of(plan, "title");
    for (const Json& job : array_of(plan, "jobs")) {
      const std::string kind = text_of(job, "kind"), label = text_of(job, "label");
      if (label.empty() || text_of(job, "directory").empty()) {
        throw Error(path, "holds a job without a label or directory", "run the sweep again");
      }
      ++results_.jobs;
      if (kind == "teacher") {
        add_teacher(job);
      } else if (kind == "baseline") {
        add_student(job, ", per channel", "folded_per_channel_", "baseline_seconds");
        add_student(job, ", per layer", "folded_per_layer_", "baseline_seconds");
      } else if (kind == "distill") {
        add_student(job, "", "student_", "seconds");
      } else {
        add_contender(job);
      }
      results_.done += last_done_ ? 1 : 0;
    }
    for (SweepRow& row : results_.rows) {
      if (row.in_integers) continue;
      for (const double top1 : row.top1.values) {
        row.to_teacher.add(top1 - teacher_of(row.teacher).top1);
      }
    }
    return std::move(results_);
  }

 private:
  SweepTeacher& teacher_of(const std::string& name) {
    for (SweepTeacher& teacher : results_.teachers) {
      if (teacher.name == name) return teacher;
    }
    results_.teachers.push_back({name, "", "", kNan, kNan, kNan, 0, "", ""});
    return results_.teachers.back();
  }

  void add_teacher(const Json& job) {
    const std::string run = directory_ + "/" + text_of(job, "directory");
    SweepTeacher& teacher = teacher_of(text_of(job, "label"));
    teacher.command = text_of(job, "command");
    const Json entry = object_of(read_config_file(run + "/config.json"), "train");
    teacher.commit = text_of(entry, "commit");
    last_done_ = entry.contains("finished");
    if (!last_done_) return;
    const Json results = read_results(run);
    teacher.seconds = number_of(results, "teacher_seconds");
    fill(teacher, results);
  }

  static void fill(SweepTeacher& teacher, const Json& results) {
    teacher.network = text_of(results, "network");
    teacher.dataset = text_of(results, "dataset");
    teacher.top1 = number_of(results, "teacher_top1");
    teacher.top5 = number_of(results, "teacher_top5");
    const double images = number_of(results, "images");
    teacher.images = std::isfinite(images) ? std::llround(images) : 0;
  }

  SweepRow& row_of(const Json& job, const std::string& suffix) {
    const std::string teacher = text_of(job, "teacher"), group = text_of(job, "group");
    const std::string label = text_of(job, "label") + suffix;
    if (std::find(results_.groups.begin(), results_.groups.end(), group) == results_.groups.end()) {
      results_.groups.push_back(group);
    }
    for (SweepRow& row : results_.rows) {
      if (row.teacher == teacher && row.group == group && row.label == label) return row;
    }
    SweepRow row;
    row.teacher = teacher;
    row.group = group;
    row.label = label;
    row.series = text_of(job, "series") + suffix;
    row.command = text_of(job, "command");
    results_.rows.push_back(row);
    return results_.rows.back();
  }

  /// The entry of config.json if the job is done; the row then knows its seed and commit.
  Json finished_entry(const Json& job, const std::string& key, SweepRow& row) {
    ++row.wanted;
    const Json entry = object_of(
        read_config_file(directory_ + "/" + text_of(job, "directory") + "/config.json"), key);
    last_done_ = entry.contains("finished");
    if (!last_done_) return Json();
    row.seeds.push_back(std::llround(std::max(0.0, number_of(job, "seed"))));
    row.commits.insert(text_of(entry, "commit"));
    return entry;
  }

  void add_student(const Json& job, const std::string& suffix, const std::string& prefix,
                   const char* seconds) {
    teacher_of(text_of(job, "teacher"));
    SweepRow& row = row_of(job, suffix);
    const std::string key = text_of(job, "kind") + "-" + text_of(job, "name");
    if (finished_entry(job, key, row).is_null()) return;
    const Json results = read_results(directory_ + "/" + text_of(job, "directory"));
    const Json& student = object_of(object_of(results, "students"), text_of(job, "name"));
    const double top1 = number_of(student, (prefix + "top1").c_str());
    row.top1.add(top1);
    row.top5.add(number_of(student, (prefix + "top5").c_str()));
    row.to_teacher.add(top1 - number_of(student, "teacher_top1"));
    row.agreement.add(number_of(student, (prefix + "agreement").c_str()));
    row.held_out_loss.add(suffix.empty() ? number_of(student, "held_out_loss") : kNan);
    row.passes.add(suffix.empty() ? number_of(student, "passes") : 0.0);
    row.seconds.add(number_of(student, seconds));
    if (const double threads = number_of(student, "threads"); std::isfinite(threads)) {
      row.threads.insert(std::llround(threads));
    }
    if (const double mismatches = number_of(student, "mismatches"); std::isfinite(mismatches)) {
      row.mismatches += std::llround(mismatches);
      ++row.verified;
    }
    SweepTeacher& teacher = teacher_of(text_of(job, "teacher"));
    if (!std::isfinite(teacher.top1)) fill(teacher, results);
  }

  /// Quantized training with batch norm: a run of `train`.
  void add_contender(const Json& job) {
    SweepRow& row = row_of(job, "");
    row.in_integers = false;
    const Json entry = finished_entry(job, "train", row);
    if (entry.is_null()) return;
    const Json results = read_results(directory_ + "/" + text_of(job, "directory"));
    const double top1 = number_of(results, "teacher_top1");
    row.top1.add(top1);
    row.top5.add(number_of(results, "teacher_top5"));
    row.agreement.add(number_of(results, "agreement"));
    row.passes.add(number_of(object_of(entry, "config"), "epochs"));
    row.seconds.add(number_of(results, "teacher_seconds"));
  }

  std::string directory_;
  SweepResults results_;
  bool last_done_ = false;
};

}  // namespace

void Samples::add(double value) {
  if (std::isfinite(value)) values.push_back(value);
}

double Samples::mean() const {
  if (values.empty()) return kNan;
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double Samples::deviation() const {
  if (values.size() < 2) return kNan;
  const double middle = mean();
  double sum = 0;
  for (const double value : values) sum += (value - middle) * (value - middle);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

SweepResults read_sweep_results(const std::string& directory) {
  return Collector(directory).collect();
}

}  // namespace intandem
