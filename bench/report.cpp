#include "bench/report.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bench/bar_chart.hpp"
#include "bench/machine.hpp"
#include "core/cpu.hpp"
#include "core/file.hpp"
#include "core/int_peak.hpp"
#include "core/parallel.hpp"

namespace intandem::bench {
namespace {

std::vector<std::string> path_of(const std::string& name) {
  std::vector<std::string> parts;
  std::istringstream in(name);
  for (std::string part; std::getline(in, part, '/');) parts.push_back(part);
  return parts;
}

/// One plot in the making: categories and series in the order they first appear.
struct Plot {
  std::vector<std::string> layers, series;
  std::map<std::pair<std::string, std::string>, double> value;
  double peak = 0;
  std::string unit, title;

  void add(const std::string& layer, const std::string& name, const Figure& figure) {
    const auto remember = [](std::vector<std::string>& list, const std::string& item) {
      if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
    };
    remember(layers, layer);
    remember(series, name);
    double& v = value[{layer, name}];
    v = std::max(v, figure.rate);  // the best of several algorithms
    if (figure.peak_percent > 0) peak = std::max(peak, 100.0 * figure.rate / figure.peak_percent);
    unit = figure.unit;
  }
};

std::map<std::string, Plot> make_plots(const std::vector<Figure>& figures) {
  std::map<std::string, Plot> plots;
  for (const Figure& figure : figures) {
    const std::vector<std::string> p = path_of(figure.name);
    if (p.front() == "int_layers" && p.size() == 8) {
      const bool cold = p[7] == "cold";
      Plot& plot = plots["int_" + p[1] + "_" + p[3]];
      plot.title = "Integer layers of " + p[1] + ", batch " + p[3].substr(1);
      plot.add(p[2] + (cold ? " cold" : ""), p[4] + " " + p[6], figure);
    } else if (p.front() == "conv2d_f32" && p.size() >= 5) {
      Plot& plot = plots["float_" + p[1]];
      plot.title = "Float convolutions of " + p[1];
      plot.add(p[2], p[3], figure);
    }
  }
  return plots;
}

std::string draw(const Plot& plot) {
  BarChart chart;
  chart.title = plot.title;
  chart.subtitle = "Speed of the layers, fastest algorithm of each kind; direct-equivalent " +
                   plot.unit + ", " + std::to_string(thread_count()) + " thread(s)";
  chart.unit = plot.unit;
  chart.categories = plot.layers;
  for (const std::string& series : plot.series) {
    BarSeries bars{series, {}};
    for (const std::string& layer : plot.layers) {
      const auto at = plot.value.find({layer, series});
      bars.values.push_back(at == plot.value.end() ? 0.0 : at->second);
    }
    chart.series.push_back(std::move(bars));
  }
  chart.reference = plot.peak;
  chart.reference_label = "highest peak measured in the run";
  return bar_chart(chart);
}

}  // namespace

bool TableReporter::ReportContext(const Context&) {
  std::printf(
      "%d thread(s), best instruction set %s. Time: median, wall clock. hot: operands as the "
      "run before left them;\ncold: caches swept before every run. %% of peak: of the "
      "multiply-adds on registers measured around each figure.\nInteger layers are checked "
      "against the reference before they are timed; their rate counts the products of the "
      "direct algorithm.\n\n",
      thread_count(), std::string(isa_name(active_isa())).c_str());
  std::printf("%-66s %10s %16s %9s  %s\n", "benchmark", "ms", "rate", "% of peak", "");
  return true;
}

void TableReporter::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    Figure figure;
    figure.name = run.benchmark_name();
    for (const char* suffix : {"/manual_time", "/iterations:1", "/real_time"}) {
      const auto at = figure.name.find(suffix);
      if (at != std::string::npos) figure.name.erase(at, std::string(suffix).size());
    }
    if (run.error_occurred) {
      if (run.error_message == "not admissible") continue;
      figure.note = "FAILED: " + run.error_message;
    } else {
      figure.ms = 1e3 * run.GetAdjustedRealTime() / benchmark::GetTimeUnitMultiplier(run.time_unit);
      figure.note = run.report_label;
      for (const char* unit : {"GOPS", "GFLOPS", "GB/s"}) {
        const auto at = run.counters.find(unit);
        if (at != run.counters.end()) figure.unit = unit, figure.rate = at->second.value;
      }
      const auto peak = run.counters.find("peak_%");
      if (peak != run.counters.end()) figure.peak_percent = peak->second.value;
    }
    const std::string percent =
        figure.peak_percent > 0 ? std::to_string(static_cast<int>(figure.peak_percent + 0.5)) : "-";
    std::printf("%-66s %10.3f %9.1f %-6s %9s  %s\n", figure.name.c_str(), figure.ms, figure.rate,
                figure.unit.c_str(), percent.c_str(), figure.note.c_str());
    std::fflush(stdout);
    figures_.push_back(std::move(figure));
  }
}

void write_report(const std::vector<Figure>& figures, const std::string& directory) {
  std::filesystem::create_directories(directory);
  nlohmann::json rows = nlohmann::json::array();
  for (const Figure& f : figures) {
    rows.push_back({{"name", f.name}, {"ms", f.ms}, {"note", f.note}});
    if (!f.unit.empty()) rows.back()[f.unit] = f.rate;
    if (f.peak_percent > 0) rows.back()["peak_percent"] = f.peak_percent;
  }
  const nlohmann::json report = {{"machine", describe_machine()},
                                 {"threads", thread_count()},
                                 {"isa", std::string(isa_name(active_isa()))},
                                 {"results", rows}};
  const std::string file = directory + "/bench.json";
  write_file_atomic(file, report.dump(1) + "\n");
  std::printf("\n%s\n", file.c_str());
  for (const auto& [name, plot] : make_plots(figures)) {
    const std::string picture = directory + "/" + name + ".svg";
    write_file_atomic(picture, draw(plot));
    std::printf("%s\n", picture.c_str());
  }
}

}  // namespace intandem::bench
