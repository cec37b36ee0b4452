// Horizontal bars in groups, as an SVG file.
#pragma once

#include <string>
#include <vector>

namespace intandem::bench {

struct BarSeries {
  std::string name;
  std::vector<double> values;  ///< one per category; ≤ 0 or not finite: no bar
};

struct BarChart {
  std::string title, subtitle, unit;
  std::vector<std::string> categories;
  std::vector<BarSeries> series;  ///< at most eight
  double reference = 0;           ///< dashed line, e.g. the measured peak; 0: none
  std::string reference_label;
};

/// A complete SVG document; every bar carries its value. "no data" without any value.
std::string bar_chart(const BarChart& chart);

}  // namespace intandem::bench
