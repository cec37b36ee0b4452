// What the parts of the report share: the run's files as read, and the sections made of them.
// Internal to report*.cpp, which all need the whole JSON header.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/json.hpp"

namespace intandem {

/// What the report shows (formats: apps/report/report.hpp). Every part may be empty or lack keys.
struct ReportInputs {
  std::string title;
  Json results = Json::object();
  Json config = Json::object();         ///< config.json
  Json profile = Json::object();        ///< profile.json
  std::vector<Json> log;                ///< lines of log.jsonl
  std::map<std::string, Json> samples;  ///< by student
};

/// The last part of a path, also of "." and "runs/x/".
std::string directory_name(const std::string& path);

ReportInputs read_report_inputs(const std::string& run);

/// The number under `key`, or NaN.
double number_of(const Json& object, const char* key);
/// The text under `key`, or "".
std::string text_of(const Json& object, const char* key);
/// The array under `key`, or an empty one.
const Json& array_of(const Json& object, const char* key);
/// results.students, or an empty object.
const Json& students_of(const ReportInputs& inputs);
/// A teacher whose figures the report shows.
struct TeacherRow {
  std::string name;  ///< "teacher", or "teacher of w4a4" when students have different ones
  double top1 = 0, top5 = 0;
  std::string arithmetic = "batch norm";  ///< "float, batch norm" and the like, where it is known
};
/// The run's own teacher and every other that a student learned from.
std::vector<TeacherRow> teachers_of(const ReportInputs& inputs);
/// Top-1 of the teacher a student learned from; NaN if unknown.
double teacher_top1_of(const ReportInputs& inputs, const Json& student);
/// Name of a class, or its number.
std::string class_name(const ReportInputs& inputs, std::size_t index);

// Sections (report_charts.cpp, report_tables.cpp); empty text when there is nothing to show.
std::string results_section(const ReportInputs& inputs);
std::string teacher_section(const ReportInputs& inputs);
std::string stages_section(const ReportInputs& inputs);
std::string sqnr_section(const ReportInputs& inputs);
std::string confusion_section(const ReportInputs& inputs);
std::string images_section(const ReportInputs& inputs);
std::string layers_section(const ReportInputs& inputs);
std::string profile_section(const ReportInputs& inputs);
std::string provenance_section(const ReportInputs& inputs);

/// The same results as text for a terminal: teacher, untrained baselines, students.
/// (results_table.cpp)
std::string results_table(const ReportInputs& inputs);

}  // namespace intandem
