#include "apps/report/report.hpp"

#include <cmath>
#include <cstdio>

#include "apps/commands/commands.hpp"
#include "apps/print/figures.hpp"
#include "apps/report/page.hpp"
#include "apps/report/report_inputs.hpp"
#include "apps/report/svg_chart.hpp"
#include "apps/sweep/sweep_report.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace intandem {
namespace {

std::string card(const std::string& value, const std::string& what) {
  return "<li><b>" + value + "</b><span>" + what + "</span></li>";
}

std::string cards(const ReportInputs& inputs) {
  const Json& results = inputs.results;
  std::string items;
  const auto add_percent = [&](const char* key, const std::string& what) {
    const double value = number_of(results, key);
    if (std::isfinite(value)) items += card(fixed(value, 2) + "&nbsp;%", what);
  };
  const std::string headline = html_escape(text_of(results, "headline"));
  const Json& students = students_of(inputs);
  const auto first = students.find(text_of(results, "headline"));
  const double teacher = first == students.end() ? number_of(results, "teacher_top1")
                                                 : teacher_top1_of(inputs, *first);
  if (std::isfinite(teacher)) {
    items += card(fixed(teacher, 2) + "&nbsp;%", "teacher, float");
  }
  add_percent("student_top1", headline + ", integers only");
  if (const double bytes = number_of(results, "model_bytes"); std::isfinite(bytes)) {
    items += card(
        (bytes < 1e6 ? fixed(bytes / 1e3, 1) + "&nbsp;kB" : fixed(bytes / 1e6, 2) + "&nbsp;MB"),
        headline + ", model size");
  }
  if (const double mismatches = number_of(results, "mismatches"); std::isfinite(mismatches)) {
    items += card(grouped(std::llround(mismatches)), "codes that differ from the simulation");
  }
  if (const double seconds = number_of(results, "seconds_total"); std::isfinite(seconds)) {
    items +=
        card(seconds < 120 ? fixed(seconds, 0) + "&nbsp;s" : fixed(seconds / 60, 1) + "&nbsp;min",
             "training in all");
  }
  return items.empty() ? items : "<ul class=\"cards\">" + items + "</ul>\n";
}

std::string subtitle(const ReportInputs& inputs) {
  std::string text = html_escape(text_of(inputs.results, "network"));
  const std::string dataset = html_escape(text_of(inputs.results, "dataset"));
  if (!dataset.empty()) text += (text.empty() ? "" : " on ") + dataset;
  const double seed = number_of(inputs.results, "seed");
  if (std::isfinite(seed)) text += ", seed " + fixed(seed, 0);
  return text;
}

}  // namespace

std::string render_report(const std::string& run) {
  const ReportInputs inputs = read_report_inputs(run);
  const std::string title = "Run " + html_escape(inputs.title);
  return html_page(title, subtitle(inputs),
                   cards(inputs) + results_section(inputs) + stages_section(inputs) +
                       sqnr_section(inputs) + teacher_section(inputs) + confusion_section(inputs) +
                       images_section(inputs) + layers_section(inputs) + profile_section(inputs) +
                       provenance_section(inputs));
}

ExitCode report_command(const ReportOptions& options) {
  const std::string& run = options.runs.front();
  const std::string path = options.output.empty() ? run + "/report.html" : options.output;
  if (options.runs.size() > 1 || is_sweep(run)) {
    const std::string markdown = options.markdown.empty() ? run + "/report.md" : options.markdown;
    const std::string table = write_sweep_report(options.runs, path, markdown);
    std::printf("%s\nreport: %s, %s\n", table.c_str(), path.c_str(), markdown.c_str());
    return ExitCode::ok;
  }
  if (!options.markdown.empty()) {
    throw Error("--markdown", "is for sweeps, and " + run + " is a single run",
                "give the directory of a sweep", ExitCode::usage);
  }
  write_file_atomic(path, render_report(run));
  std::printf("%s\nreport: %s\n", results_table(read_report_inputs(run)).c_str(), path.c_str());
  return ExitCode::ok;
}

}  // namespace intandem
