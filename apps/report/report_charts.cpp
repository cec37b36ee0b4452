// The sections of the report that are charts.
#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/print/figures.hpp"
#include "apps/report/report_inputs.hpp"
#include "apps/report/svg_chart.hpp"

namespace intandem {
namespace {

/// The lines of one phase, of one student if given.
std::vector<const Json*> select(const ReportInputs& inputs, const std::string& phase,
                                const std::string& student = {}) {
  std::vector<const Json*> lines;
  for (const Json& line : inputs.log) {
    if (text_of(line, "phase") != phase) continue;
    if (student.empty() || text_of(line, "student") == student) lines.push_back(&line);
  }
  return lines;
}

ChartSeries series_of(const std::string& name, const std::vector<const Json*>& lines,
                      const char* x_key, const char* y_key) {
  ChartSeries series;
  series.name = name;
  for (const Json* line : lines) {
    series.x.push_back(number_of(*line, x_key));
    series.y.push_back(number_of(*line, y_key));
  }
  return series;
}

std::string section(const std::string& heading, const std::string& text,
                    const std::string& figures) {
  return "<section><h2>" + heading + "</h2>\n<p>" + text + "</p>\n<div class=\"figures\">" +
         figures + "</div></section>\n";
}

double best_held_out(const ReportInputs& inputs) {
  double last = std::numeric_limits<double>::quiet_NaN();
  for (const Json* line : select(inputs, "teacher")) last = number_of(*line, "held_out_top1");
  return last;
}

/// Held-out loss of every evaluation of one student, stages side by side, each in units of the loss
/// before its first training step: losses of different layers have no common scale.
std::string held_out_chart(const ReportInputs& inputs, const std::string& student) {
  ChartSpec chart;
  chart.title = student + ": what training adds to the closed-form start";
  chart.x_label = "evaluation";
  chart.y_label = "held-out loss, start = 1";
  chart.whole_x = true;
  chart.series.resize(1);
  chart.series[0].name = student;
  std::string unit;
  double position = 0, start = 1;
  for (const char* phase : {"stage", "joint"}) {
    for (const Json* line : select(inputs, phase, student)) {
      const std::string now = text_of(*line, "unit");
      if (now != unit) {
        // The gap shows that losses of different stages are not one curve.
        if (!unit.empty()) {
          chart.series[0].x.push_back(position);
          chart.series[0].y.push_back(std::numeric_limits<double>::quiet_NaN());
        }
        chart.dividers.push_back({position, now});
        unit = now;
        start = number_of(*line, "held_out_loss");
      }
      chart.series[0].x.push_back(position);
      chart.series[0].y.push_back(number_of(*line, "held_out_loss") / start);
      position += 1;
    }
  }
  return line_chart(chart);
}

/// Names of a network's units, from the first student that has them.
std::vector<std::string> unit_names(const ReportInputs& inputs) {
  std::vector<std::string> names;
  for (const auto& [name, student] : students_of(inputs).items()) {
    for (const Json& layer : array_of(student, "layers")) names.push_back(text_of(layer, "name"));
    if (!names.empty()) break;
  }
  return names;
}

/// One series per student from an array with one value per unit.
std::vector<ChartSeries> series_per_student(const ReportInputs& inputs, const char* key) {
  std::vector<ChartSeries> all;
  for (const auto& [name, student] : students_of(inputs).items()) {
    ChartSeries series;
    series.name = name;
    for (const Json& value : array_of(student, key)) {
      series.x.push_back(static_cast<double>(series.x.size()));
      series.y.push_back(value.is_number() ? value.get<double>()
                                           : std::numeric_limits<double>::quiet_NaN());
    }
    if (!series.x.empty()) all.push_back(std::move(series));
  }
  return all;
}

}  // namespace

std::string teacher_section(const ReportInputs& inputs) {
  const auto lines = select(inputs, "teacher");
  if (lines.empty()) return {};
  ChartSpec loss, accuracy;
  loss.title = "Training loss";
  loss.x_label = "epoch";
  loss.y_label = "cross-entropy";
  loss.from_zero = true;
  loss.whole_x = accuracy.whole_x = true;
  loss.series = {series_of("training", lines, "epoch", "loss")};
  accuracy.title = "Accuracy";
  accuracy.x_label = "epoch";
  accuracy.y_label = "top-1, %";
  accuracy.series = {series_of("held-out images", lines, "epoch", "held_out_top1"),
                     series_of("training batches (augmented)", lines, "epoch", "train_top1")};
  return section("Teacher", "The network with batch normalization that the students imitate.",
                 line_chart(loss) + line_chart(accuracy));
}

std::string stages_section(const ReportInputs& inputs) {
  ChartSpec accuracy;
  accuracy.title = "Hybrid accuracy on held-out images after each stage";
  accuracy.x_label = "layers replaced so far";
  accuracy.y_label = "top-1, %";
  accuracy.series = series_per_student(inputs, "stage_hybrid_top1");
  accuracy.categories = unit_names(inputs);
  for (const ChartSeries& series : accuracy.series) {
    if (series.x.size() == accuracy.categories.size() + 1) accuracy.categories.push_back("joint");
  }
  if (const double teacher = best_held_out(inputs); std::isfinite(teacher)) {
    accuracy.reference = teacher;
    accuracy.reference_label = "teacher " + fixed(teacher, 2) + " %";
  }
  std::string figures;
  if (!accuracy.series.empty()) figures += line_chart(accuracy);
  std::vector<std::string> students;
  for (const Json& line : inputs.log) {
    const std::string name = text_of(line, "student");
    if (!name.empty() && std::find(students.begin(), students.end(), name) == students.end()) {
      students.push_back(name);
    }
  }
  for (const std::string& student : students) figures += held_out_chart(inputs, student);
  if (figures.empty()) return {};
  return section("Stages",
                 "Layer by layer, the teacher's layer is replaced by the student's integers; the "
                 "hybrid is the integer prefix followed by the rest of the teacher.",
                 figures);
}

std::string sqnr_section(const ReportInputs& inputs) {
  ChartSpec chart;
  chart.title = "Signal to quantization noise per layer";
  chart.x_label = "layer";
  chart.y_label = "SQNR, dB";
  chart.series = series_per_student(inputs, "sqnr_db");
  chart.categories = unit_names(inputs);
  if (chart.series.empty()) return {};
  return section("How close the student stays",
                 "10&middot;log<sub>10</sub> of the teacher's output energy over the energy of the "
                 "difference to the student's dequantized output, on held-out images; the last "
                 "layer's logits included. Higher is closer.",
                 line_chart(chart));
}

}  // namespace intandem
