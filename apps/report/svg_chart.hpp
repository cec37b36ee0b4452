// Line charts as inline SVG, for the report: no scripts, colours from the page's CSS variables.
#pragma once

#include <string>
#include <vector>

namespace intandem {

/// "<", ">", "&" and quotes as entities.
std::string html_escape(const std::string& text);

struct ChartSeries {
  std::string name;
  std::vector<double> x, y;  ///< same length; points with a y that is not finite are left out
};

struct ChartSpec {
  std::string title;  ///< read out by screen readers and shown above the chart
  std::string x_label, y_label;
  std::vector<ChartSeries> series;
  /// Not empty: x is 0, 1, … and these are its labels.
  std::vector<std::string> categories;
  /// Vertical lines with a label to their right: where stages begin.
  struct Divider {
    double x = 0;
    std::string label;
  };
  std::vector<Divider> dividers;
  /// Horizontal dashed line, e.g. the teacher's accuracy; not drawn if label is empty.
  double reference = 0;
  std::string reference_label;
  bool from_zero = false;  ///< the y axis starts at 0
  bool whole_x = false;    ///< x counts something: no ticks between whole numbers
};

/// One <figure>: caption, SVG of 480×300 units that scales with its box, and a legend when there is
/// more than one series. Series differ in colour (CSS variables --series-1 … --series-6) and in the
/// shape of their markers. Without any finite point the figure says "no data".
std::string line_chart(const ChartSpec& spec);

/// The same as a file of its own, for Markdown pages: title and legend inside, light colours.
std::string line_chart_file(const ChartSpec& spec);

/// Round tick values (1, 2 or 5 times a power of ten) inside [low, high], about `count` of them.
std::vector<double> nice_ticks(double low, double high, int count);

}  // namespace intandem
