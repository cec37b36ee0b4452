#include "apps/report/report_inputs.hpp"

#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include "apps/run/run_files.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace intandem {
namespace {

/// The value under `key`, or null.
const Json& member(const Json& object, const char* key) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

}  // namespace

std::string directory_name(const std::string& path) {
  std::error_code unknown;
  const std::filesystem::path whole = std::filesystem::absolute(path + "/.", unknown);
  return whole.lexically_normal().parent_path().filename().string();
}

double number_of(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

std::string text_of(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

const Json& array_of(const Json& object, const char* key) {
  static const Json empty = Json::array();
  const Json& value = member(object, key);
  return value.is_array() ? value : empty;
}

const Json& students_of(const ReportInputs& inputs) {
  static const Json empty = Json::object();
  const Json& value = member(inputs.results, "students");
  return value.is_object() ? value : empty;
}

double teacher_top1_of(const ReportInputs& inputs, const Json& student) {
  const double own = number_of(student, "teacher_top1");
  return std::isfinite(own) ? own : number_of(inputs.results, "teacher_top1");
}

std::vector<TeacherRow> teachers_of(const ReportInputs& inputs) {
  std::vector<TeacherRow> rows;
  std::set<std::string> seen;
  const double top1 = number_of(inputs.results, "teacher_top1");
  if (std::isfinite(top1)) {
    const std::string arithmetic = text_of(inputs.results, "teacher_arithmetic");
    rows.push_back({"teacher", top1, number_of(inputs.results, "teacher_top5"),
                    arithmetic.empty() ? "float, batch norm" : arithmetic});
    seen.insert(text_of(inputs.results, "teacher_crc"));
  }
  for (const auto& [name, student] : students_of(inputs).items()) {
    const std::string crc = text_of(student, "teacher_crc");
    if (crc.empty() || !seen.insert(crc).second) continue;
    rows.push_back({"teacher of " + name, number_of(student, "teacher_top1"),
                    number_of(student, "teacher_top5"), "batch norm"});
  }
  return rows;
}

std::string class_name(const ReportInputs& inputs, std::size_t index) {
  const Json& names = array_of(inputs.results, "class_names");
  if (index < names.size() && names[index].is_string()) return names[index].get<std::string>();
  return std::to_string(index);
}

ReportInputs read_report_inputs(const std::string& run) {
  ReportInputs inputs;
  inputs.title = directory_name(run);
  const std::string results = run + "/results.json", config = run + "/config.json";
  const std::string log = run + "/log.jsonl";
  if (!file_exists(results) && !file_exists(log)) {
    throw Error(run, "holds neither results.json nor log.jsonl",
                "give a run directory that a command has written to");
  }
  inputs.results = read_results_file(results);
  inputs.config = read_config_file(config);
  inputs.profile = read_profile_file(run + "/profile.json");
  inputs.log = read_log_file(log);
  for (const auto& [name, student] : students_of(inputs).items()) {
    const std::string samples = run + "/" + name + ".samples.json";
    if (file_exists(samples)) inputs.samples[name] = read_samples_file(samples);
  }
  return inputs;
}

}  // namespace intandem
