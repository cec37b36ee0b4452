#include "apps/report/svg_chart.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/print/figures.hpp"

namespace intandem {
namespace {

constexpr double kWidth = 480, kHeight = 300;
constexpr double kLeft = 58, kRight = 14, kTop = 16, kBottom = 52;
constexpr std::size_t kStyles = 6;
constexpr std::size_t kMostMarkers = 40;  // more would hide the line

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  bool empty() const { return low > high; }
  /// A range without extent cannot be drawn; the margin is a share of the extent on both sides.
  void widen(double margin) {
    const double extent = high > low ? high - low : std::max(1.0, std::fabs(low)) * 0.1;
    low -= margin * extent;
    high += margin * extent;
  }
};

/// From values to SVG units.
struct Frame {
  Range x, y;

  double across(double v) const {
    return kLeft + (v - x.low) / (x.high - x.low) * (kWidth - kLeft - kRight);
  }
  double down(double v) const {
    return kHeight - kBottom - (v - y.low) / (y.high - y.low) * (kHeight - kTop - kBottom);
  }
};

std::string tick_text(double v, double step) {
  const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 6);
  return fixed(v == 0 ? 0.0 : v, decimals);  // no "-0"
}

std::string text_at(double x, double y, const std::string& css_class, const std::string& anchor,
                    const std::string& text) {
  return "<text class=\"" + css_class + "\" x=\"" + fixed(x, 1) + "\" y=\"" + fixed(y, 1) +
         "\" text-anchor=\"" + anchor + "\">" + html_escape(text) + "</text>\n";
}

std::string segment(double x1, double y1, double x2, double y2, const std::string& css_class) {
  return "<line class=\"" + css_class + "\" x1=\"" + fixed(x1, 1) + "\" y1=\"" + fixed(y1, 1) +
         "\" x2=\"" + fixed(x2, 1) + "\" y2=\"" + fixed(y2, 1) + "\"/>\n";
}

/// A marker of the style's shape: circle, square, diamond, triangle, cross, ring.
std::string marker(std::size_t style, double x, double y) {
  const std::string a = fixed(x, 1), b = fixed(y, 1);
  const std::string move = "<path transform=\"translate(" + a + " " + b + ")\" d=\"";
  switch (style % kStyles) {
    case 0:
      return "<circle cx=\"" + a + "\" cy=\"" + b + "\" r=\"3\"/>";
    case 1:
      return move + "M-3 -3H3V3H-3Z\"/>";
    case 2:
      return move + "M0 -4.2L4.2 0L0 4.2L-4.2 0Z\"/>";
    case 3:
      return move + "M0 -4L4 3H-4Z\"/>";
    case 4:
      return move + "M-3 -3L3 3M-3 3L3 -3\" class=\"hollow\"/>";
    default:
      return "<circle cx=\"" + a + "\" cy=\"" + b + "\" r=\"3.4\" class=\"hollow\"/>";
  }
}

std::string color_class(std::size_t style) {
  return "series-" + std::to_string(style % kStyles + 1);
}

std::string draw_series(const ChartSeries& series, std::size_t style, const Frame& frame) {
  std::string path, markers;
  bool pen_down = false;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.y[i])) {
      pen_down = false;
      continue;
    }
    const double x = frame.across(series.x[i]), y = frame.down(series.y[i]);
    path += (pen_down ? "L" : "M") + fixed(x, 1) + " " + fixed(y, 1);
    pen_down = true;
    markers += marker(style, x, y);
  }
  std::string svg =
      "<g class=\"" + color_class(style) + "\"><path class=\"curve\" d=\"" + path + "\"/>";
  if (series.x.size() <= kMostMarkers) svg += "<g class=\"markers\">" + markers + "</g>";
  return svg + "</g>\n";
}

std::string draw_axes(const ChartSpec& spec, const Frame& frame) {
  const double bottom = kHeight - kBottom, right = kWidth - kRight;
  std::string svg;
  const std::vector<double> rows = nice_ticks(frame.y.low, frame.y.high, 5);
  for (const double v : rows) {
    const double step = rows.size() > 1 ? rows[1] - rows[0] : std::fabs(v) + 1;
    svg += segment(kLeft, frame.down(v), right, frame.down(v), "grid");
    svg += text_at(kLeft - 7, frame.down(v) + 4.5, "tick", "end", tick_text(v, step));
  }
  if (spec.categories.empty()) {
    const std::vector<double> columns = nice_ticks(frame.x.low, frame.x.high, 6);
    for (const double v : columns) {
      if (spec.whole_x && v != std::round(v)) continue;
      const double step = columns.size() > 1 ? columns[1] - columns[0] : std::fabs(v) + 1;
      svg += text_at(frame.across(v), bottom + 18, "tick", "middle",
                     spec.whole_x ? fixed(v, 0) : tick_text(v, step));
    }
  }
  for (std::size_t i = 0; i < spec.categories.size(); ++i) {
    const double x = frame.across(static_cast<double>(i));
    svg += text_at(x, bottom + 18, "tick", "middle", spec.categories[i]);
  }
  svg += segment(kLeft, bottom, right, bottom, "axis");
  svg += text_at((kLeft + right) / 2, kHeight - 10, "label", "middle", spec.x_label);
  const double middle = (kTop + bottom) / 2;
  svg += "<text class=\"label\" text-anchor=\"middle\" transform=\"translate(14 " +
         fixed(middle, 1) + ") rotate(-90)\">" + html_escape(spec.y_label) + "</text>\n";
  return svg;
}

std::string draw_marks(const ChartSpec& spec, const Frame& frame) {
  std::string svg;
  for (std::size_t i = 0; i < spec.dividers.size(); ++i) {
    const double x = frame.across(spec.dividers[i].x);
    svg += segment(x, kTop, x, kHeight - kBottom, "divider");
    // Neighbouring labels on alternating heights, or they would run into each other.
    svg += text_at(x + 3, kTop + (i % 2 == 0 ? 9 : 22), "mark", "start", spec.dividers[i].label);
  }
  if (!spec.reference_label.empty()) {
    const double y = frame.down(spec.reference);
    svg += segment(kLeft, y, kWidth - kRight, y, "reference");
    svg += text_at(kWidth - kRight - 2, y - 5, "mark", "end", spec.reference_label);
  }
  return svg;
}

std::string draw_legend(const ChartSpec& spec) {
  if (spec.series.size() < 2) return {};
  std::string html = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < spec.series.size(); ++i) {
    html += "<li class=\"" + color_class(i) +
            "\"><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\"><path class=\"curve\" d=\"M1 "
            "6H25\"/><g class=\"markers\">" +
            marker(i, 13, 6) + "</g></svg>" + html_escape(spec.series[i].name) + "</li>";
  }
  return html + "</ul>\n";
}

/// Axes, marks and curves in a box of kWidth × kHeight; empty without any finite point.
std::string draw_chart(const ChartSpec& spec) {
  Frame frame;
  for (const ChartSeries& series : spec.series) {
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!std::isfinite(series.y[i])) continue;
      frame.x.include(series.x[i]);
      frame.y.include(series.y[i]);
    }
  }
  if (frame.y.empty()) return {};
  if (!spec.reference_label.empty()) frame.y.include(spec.reference);
  if (spec.from_zero) frame.y.include(0.0);
  for (const ChartSpec::Divider& divider : spec.dividers) frame.x.include(divider.x);
  if (!spec.categories.empty()) frame.x.include(static_cast<double>(spec.categories.size()) - 1);
  frame.x.widen(0.04);
  frame.y.widen(0.06);
  // Room for the dividers' labels above the curves.
  if (!spec.dividers.empty()) frame.y.high += 0.16 * (frame.y.high - frame.y.low);
  if (spec.from_zero && frame.y.low < 0) frame.y.low = 0;
  std::string svg = draw_axes(spec, frame) + draw_marks(spec, frame);
  for (std::size_t i = 0; i < spec.series.size(); ++i) {
    svg += draw_series(spec.series[i], i, frame);
  }
  return svg;
}

/// The page's styles that a chart needs, with the light colours.
constexpr const char* kFileStyle =
    "text{fill:#5b6570;font:13px system-ui,sans-serif}.label{fill:#1c2127;font-size:13.5px}"
    ".mark{font-size:11.5px}line{stroke:#dfe3e8}.axis{stroke:#5b6570}"
    ".divider{stroke:#5b6570;stroke-dasharray:1 4}.reference{stroke:#1c2127;stroke-dasharray:6 4}"
    ".curve{fill:none;stroke:currentColor;stroke-width:2}.markers{fill:currentColor}"
    ".markers .hollow{fill:none;stroke:currentColor;stroke-width:1.8}.series-1{color:#2471d6}"
    ".series-2{color:#c25a00}.series-3{color:#14805e}.series-4{color:#a33b9c}"
    ".series-5{color:#6b5fd0}.series-6{color:#71717a}";

}  // namespace

std::string html_escape(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::vector<double> nice_ticks(double low, double high, int count) {
  const double raw = (high - low) / std::max(1, count);
  if (!(raw > 0) || !std::isfinite(raw)) return {low};
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double share = raw / power;
  const double step = power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
  std::vector<double> ticks;
  for (auto i = static_cast<long>(std::ceil(low / step - 1e-9));
       static_cast<double>(i) * step <= high + 1e-9 * step; ++i) {
    ticks.push_back(static_cast<double>(i) * step);
  }
  return ticks;
}

std::string line_chart(const ChartSpec& spec) {
  const std::string drawing = draw_chart(spec);
  std::string html =
      "<figure class=\"chart\"><figcaption>" + html_escape(spec.title) + "</figcaption>\n";
  if (drawing.empty()) return html + "<p class=\"empty\">no data</p></figure>\n";
  html += "<svg viewBox=\"0 0 " + fixed(kWidth, 0) + " " + fixed(kHeight, 0) +
          "\" role=\"img\" aria-label=\"" + html_escape(spec.title) + "\">\n<title>" +
          html_escape(spec.title) + "</title>\n";
  return html + drawing + "</svg>\n" + draw_legend(spec) + "</figure>\n";
}

std::string line_chart_file(const ChartSpec& spec) {
  constexpr double kTitle = 26, kLegendLine = 18;
  const std::string drawing = draw_chart(spec);
  const double height =
      kTitle + kHeight + kLegendLine * static_cast<double>(spec.series.size()) + 6;
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + fixed(kWidth, 0) +
                    " " + fixed(height, 0) + "\" width=\"" + fixed(kWidth, 0) + "\" height=\"" +
                    fixed(height, 0) + "\">\n<title>" + html_escape(spec.title) +
                    "</title>\n<style>" + kFileStyle +
                    "</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  svg += text_at(kWidth / 2, 18, "label", "middle", spec.title);
  if (drawing.empty())
    return svg + text_at(kWidth / 2, 60, "tick", "middle", "no data") + "</svg>\n";
  svg += "<g transform=\"translate(0 " + fixed(kTitle, 0) + ")\">\n" + drawing;
  for (std::size_t i = 0; i < spec.series.size(); ++i) {
    const double y = kHeight + kLegendLine * (static_cast<double>(i) + 0.5);
    svg += "<g class=\"" + color_class(i) + "\"><path class=\"curve\" d=\"M" + fixed(kLeft, 1) +
           " " + fixed(y, 1) + "h26\"/><g class=\"markers\">" + marker(i, kLeft + 13, y) +
           "</g></g>\n" + text_at(kLeft + 34, y + 4.5, "tick", "start", spec.series[i].name);
  }
  return svg + "</g>\n</svg>\n";
}

}  // namespace intandem
