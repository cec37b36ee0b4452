// The plots of a sweep.
#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/print/figures.hpp"
#include "apps/sweep/sweep_report.hpp"

namespace intandem {
namespace {

constexpr double kLowest = 10;  // points below the teacher that a plot still shows

/// Whether a plot shows the row.
bool is_shown(const SweepRow& row) {
  return std::isfinite(row.top1.mean()) && !(row.to_teacher.mean() < -kLowest);
}

ChartSeries& series_of(ChartSpec& chart, const std::string& name) {
  for (ChartSeries& series : chart.series) {
    if (series.name == name) return series;
  }
  chart.series.push_back({name, {}, {}});
  return chart.series.back();
}

ChartSpec chart_of(const SweepTeacher& teacher, const std::string& title) {
  ChartSpec chart;
  chart.title = title;
  chart.y_label = "test top-1 %";
  if (std::isfinite(teacher.top1)) {
    chart.reference = teacher.top1;
    chart.reference_label = "teacher " + fixed(teacher.top1, 2) + " %";
  }
  return chart;
}

/// Per series and group the row with the most passes; no point while a row of theirs is not done,
/// as that may be the one and series of unequal passes are no comparison.
ChartSpec bits_chart(const SweepResults& sweep, const SweepTeacher& teacher) {
  ChartSpec chart = chart_of(teacher, teacher.name + ": accuracy against bits");
  chart.x_label = "bits of weights and activations";
  chart.categories = sweep.groups;
  for (const SweepRow& row : sweep.rows) {
    if (row.teacher != teacher.name || !is_shown(row)) continue;
    ChartSeries& series = series_of(chart, row.series);
    if (series.x.empty()) {
      for (std::size_t i = 0; i < sweep.groups.size(); ++i) {
        series.x.push_back(static_cast<double>(i));
        series.y.push_back(std::numeric_limits<double>::quiet_NaN());
      }
    }
    const bool has_more =
        std::any_of(sweep.rows.begin(), sweep.rows.end(), [&](const SweepRow& other) {
          return other.teacher == row.teacher && other.group == row.group &&
                 other.series == row.series &&
                 (!std::isfinite(other.top1.mean()) ||
                  (is_shown(other) && other.passes.mean() > row.passes.mean()));
        });
    const auto at = std::find(sweep.groups.begin(), sweep.groups.end(), row.group);
    if (!has_more) series.y[static_cast<std::size_t>(at - sweep.groups.begin())] = row.top1.mean();
  }
  return chart;
}

ChartSpec passes_chart(const SweepResults& sweep, const SweepTeacher& teacher,
                       const std::string& group) {
  ChartSpec chart = chart_of(
      teacher, teacher.name + (group.empty() ? "" : ", " + group) + ": accuracy against passes");
  chart.x_label = "passes over the training images";
  std::vector<const SweepRow*> rows;
  for (const SweepRow& row : sweep.rows) {
    if (row.teacher == teacher.name && row.group == group && is_shown(row) &&
        row.passes.mean() > 0) {
      rows.push_back(&row);
    }
  }
  // Series keep the order of the file, their points that of the axis.
  for (const SweepRow* row : rows) series_of(chart, row->series);
  std::stable_sort(rows.begin(), rows.end(), [](const SweepRow* a, const SweepRow* b) {
    return a->passes.mean() < b->passes.mean();
  });
  for (const SweepRow* row : rows) {
    ChartSeries& series = series_of(chart, row->series);
    series.x.push_back(row->passes.mean());
    series.y.push_back(row->top1.mean());
  }
  return chart;
}

/// Whether a series has a course to show: points that lie more than rounding of steps apart.
bool has_course(const ChartSpec& chart) {
  constexpr double kSamePasses = 0.05;
  return !chart.categories.empty() ||
         std::any_of(chart.series.begin(), chart.series.end(), [](const ChartSeries& series) {
           return !series.x.empty() && series.x.back() - series.x.front() > kSamePasses;
         });
}

}  // namespace

std::vector<ChartSpec> sweep_charts(const SweepResults& sweep) {
  std::vector<ChartSpec> charts;
  for (const SweepTeacher& teacher : sweep.teachers) {
    std::vector<ChartSpec> own;
    if (sweep.groups.size() > 1) own.push_back(bits_chart(sweep, teacher));
    for (const std::string& group : sweep.groups) {
      own.push_back(passes_chart(sweep, teacher, group));
    }
    for (ChartSpec& chart : own) {
      if (!chart.series.empty() && has_course(chart)) charts.push_back(std::move(chart));
    }
  }
  return charts;
}

}  // namespace intandem
