#include "bench/bar_chart.hpp"

#include <algorithm>
#include <cmath>

#include "apps/print/figures.hpp"
#include "apps/report/svg_chart.hpp"

namespace intandem::bench {
namespace {

constexpr double kWidth = 900, kLeft = 110, kRight = 70, kTop = 92, kBottom = 40;
constexpr double kBar = 12, kGap = 14;
// Pairs of a light and a full tone that most colour-blind readers tell apart (Okabe and Ito 2008).
constexpr const char* kColors[] = {"#7fb9dc", "#0072b2", "#f0b48a", "#d55e00",
                                   "#85cdb7", "#009e73", "#cccccc", "#777777"};

std::string text(double x, double y, const char* anchor, const std::string& content,
                 const char* style = "") {
  return "<text x=\"" + fixed(x, 1) + "\" y=\"" + fixed(y, 1) + "\" text-anchor=\"" + anchor +
         "\" " + style + ">" + html_escape(content) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const char* style) {
  return "<line x1=\"" + fixed(x1, 1) + "\" y1=\"" + fixed(y1, 1) + "\" x2=\"" + fixed(x2, 1) +
         "\" y2=\"" + fixed(y2, 1) + "\" " + style + "/>\n";
}

bool drawn(double value) { return std::isfinite(value) && value > 0; }

std::string legend(const BarChart& chart) {
  std::string svg;
  double x = kLeft;
  for (std::size_t s = 0; s < chart.series.size(); ++s) {
    svg += "<rect x=\"" + fixed(x, 1) + "\" y=\"52\" width=\"12\" height=\"12\" fill=\"" +
           kColors[s % 8] + "\"/>\n" + text(x + 17, 62, "start", chart.series[s].name);
    x += 34 + 7.2 * static_cast<double>(chart.series[s].name.size());
  }
  return svg;
}

}  // namespace

std::string bar_chart(const BarChart& chart) {
  double most = chart.reference;
  for (const BarSeries& series : chart.series) {
    for (const double v : series.values) most = drawn(v) ? std::max(most, v) : most;
  }
  const double group = kBar * static_cast<double>(chart.series.size()) + kGap;
  const double bottom = kTop + group * static_cast<double>(chart.categories.size());
  const double height = bottom + kBottom;
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + fixed(kWidth, 0) +
                    " " + fixed(height, 0) + "\" width=\"" + fixed(kWidth, 0) + "\" height=\"" +
                    fixed(height, 0) +
                    "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  svg += text(16, 24, "start", chart.title, "font-size=\"16\" font-weight=\"bold\"");
  svg += text(16, 42, "start", chart.subtitle, "fill=\"#555\"");
  if (!(most > 0)) return svg + text(kWidth / 2, kTop, "middle", "no data") + "</svg>\n";
  svg += legend(chart);
  const auto across = [&](double v) { return kLeft + v / most * (kWidth - kLeft - kRight); };
  for (const double tick : nice_ticks(0, most, 8)) {
    svg += line(across(tick), kTop - 4, across(tick), bottom, "stroke=\"#ddd\"");
    svg += text(across(tick), bottom + 16, "middle", fixed(tick, 0), "fill=\"#555\"");
  }
  svg += text((kLeft + kWidth - kRight) / 2, bottom + 33, "middle", chart.unit);
  for (std::size_t c = 0; c < chart.categories.size(); ++c) {
    double y = kTop + group * static_cast<double>(c) + kGap / 2;
    svg += text(kLeft - 8, y + (group - kGap) / 2 + 4, "end", chart.categories[c]);
    for (std::size_t s = 0; s < chart.series.size(); ++s, y += kBar) {
      const double v = chart.series[s].values[c];
      if (!drawn(v)) continue;
      svg += "<rect x=\"" + fixed(kLeft, 1) + "\" y=\"" + fixed(y, 1) + "\" width=\"" +
             fixed(across(v) - kLeft, 1) + "\" height=\"" + fixed(kBar - 1, 1) + "\" fill=\"" +
             kColors[s % 8] + "\"/>\n";
      svg += text(across(v) + 4, y + 9.5, "start", fixed(v, v < 10 ? 1 : 0),
                  "font-size=\"9.5\" fill=\"#444\"");
    }
  }
  if (chart.reference > 0) {
    svg += line(across(chart.reference), kTop - 6, across(chart.reference), bottom,
                "stroke=\"#222\" stroke-dasharray=\"5 3\"");
    svg += text(across(chart.reference) + 4, kTop - 9, "end", chart.reference_label);
  }
  return svg + "</svg>\n";
}

}  // namespace intandem::bench
