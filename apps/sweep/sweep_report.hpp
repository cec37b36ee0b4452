// The report of one or more sweeps: tables and plots as a page, as Markdown and for a terminal.
// Nothing in it is typed by hand; every row has its command, seeds and commit.
#pragma once

#include <string>
#include <vector>

#include "apps/report/svg_chart.hpp"
#include "apps/sweep/sweep_results.hpp"

namespace intandem {

/// Whether a directory is that of a sweep.
bool is_sweep(const std::string& directory);

/// Writes an HTML page and a Markdown page about the sweeps, the latter with its plots as
/// <its name without .md>-1.svg, -2.svg, …. Returns the tables for a terminal.
std::string write_sweep_report(const std::vector<std::string>& directories,
                               const std::string& html_path, const std::string& markdown_path);
/// report.html and report.md in the sweep's own directory.
std::string write_sweep_report(const std::string& directory);

/// A table of one teacher and group: header, the teacher's row, then the methods'.
std::vector<std::vector<std::string>> sweep_table(const SweepResults& sweep,
                                                  const SweepTeacher& teacher,
                                                  const std::string& group);

/// Accuracy against bits (one chart per teacher, where there are several groups), then against
/// passes (one per teacher and group). Points more than 10 below the teacher are left out, or the
/// others could not be told apart.
std::vector<ChartSpec> sweep_charts(const SweepResults& sweep);

}  // namespace intandem
