#include "apps/report/page.hpp"

#include "apps/report/svg_chart.hpp"

namespace intandem {
namespace {

constexpr const char* kStyle = R"css(
:root { color-scheme: light dark; --ink: #1c2127; --soft: #5b6570; --page: #f6f7f9; --card: #fff;
  --line: #dfe3e8; --good: #1a7f4b; --bad: #c22f3d; --hit: 36 113 214; --miss: 206 66 43;
  --series-1: #2471d6; --series-2: #c25a00; --series-3: #14805e; --series-4: #a33b9c;
  --series-5: #6b5fd0; --series-6: #71717a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa4af; --page: #14171b;
  --card: #1d2126; --line: #343b43; --good: #4cc38a; --bad: #ff7a85; --hit: 70 140 240;
  --miss: 235 95 70; --series-1: #6aa6f8; --series-2: #f09a4b; --series-3: #4cc39a;
  --series-4: #dd83d6; --series-5: #a89ff5; --series-6: #a1a1aa; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 16px 64px; }
header { margin-bottom: 20px; }
h1 { font-size: 1.7rem; margin: 0 0 4px; line-height: 1.25; }
h2 { font-size: 1.2rem; margin: 0 0 6px; }
h3 { font-size: 1rem; margin: 14px 0 8px; color: var(--soft); font-weight: 600; }
p { margin: 0 0 12px; max-width: 75ch; }
header p, .note, section > p { color: var(--soft); }
.note { font-size: .88rem; margin: 10px 0 0; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 18px 20px; margin: 0 0 18px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin: 0 0 18px; padding: 0; list-style: none; }
.cards li { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 12px 16px; }
.cards b { display: block; font-size: 1.5rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.cards span { color: var(--soft); font-size: .88rem; }
.figures { display: grid; gap: 18px 24px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
figure { margin: 0; }
.chart { max-width: 620px; width: 100%; }
.chart figcaption { font-weight: 600; font-size: .95rem; margin-bottom: 4px; }
.chart > svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font-size: 13px; font-family: inherit; }
svg .label { fill: var(--ink); font-size: 13.5px; }
svg .mark { font-size: 11.5px; }
svg line { stroke: var(--line); }
svg .axis { stroke: var(--soft); }
svg .divider { stroke: var(--soft); stroke-dasharray: 1 4; }
svg .reference { stroke: var(--ink); stroke-dasharray: 6 4; opacity: .7; }
.curve { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
.markers { fill: currentColor; } .markers .hollow { fill: none; stroke: currentColor;
  stroke-width: 1.8; }
.series-1 { color: var(--series-1); } .series-2 { color: var(--series-2); }
.series-3 { color: var(--series-3); } .series-4 { color: var(--series-4); }
.series-5 { color: var(--series-5); } .series-6 { color: var(--series-6); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 4px 0 0;
  padding: 0; font-size: .85rem; }
.legend svg { width: 26px; height: 12px; vertical-align: -1px; margin-right: 6px; }
.empty { color: var(--soft); padding: 40px 0; text-align: center; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums;
  min-width: 100%; }
caption { text-align: left; color: var(--soft); padding: 4px 0 8px; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal;
  min-width: 3.2em; }
th:first-child, td.text { text-align: left; }
tbody tr:last-child > * { border-bottom: 0; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.confusion td { text-align: center; border: 1px solid var(--line); padding: 5px 4px; }
.confusion thead th { text-align: center; } .confusion thead th:first-child { text-align: left; }
.confusion .hit { background: rgb(var(--hit) / calc(var(--shade) * .45)); }
.confusion .miss { background: rgb(var(--miss) / calc(var(--shade) * .9)); }
summary { cursor: pointer; font-weight: 600; padding: 4px 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); gap: 10px; }
.tile { text-align: center; font-size: .78rem; line-height: 1.25; }
.tile img { width: 84px; height: 84px; image-rendering: pixelated; border-radius: 6px;
  border: 3px solid transparent; }
.tile.wrong img { border-color: var(--bad); } .tile.wrong figcaption { color: var(--bad); }
.tile small { color: var(--soft); }
code { font-size: .82rem; }
)css";

}  // namespace

std::string html_page(const std::string& title, const std::string& subtitle,
                      const std::string& body) {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         title + " - intandem report</title>\n<style>" + kStyle +
         "</style></head>\n<body><main>\n" + "<header><h1>" + title + "</h1><p>" + subtitle +
         "</p></header>\n" + body + "</main></body></html>\n";
}

std::string html_table(const std::string& caption, const std::vector<std::string>& header,
                       const std::string& rows) {
  std::string html = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" +
                     caption + "\"><table><caption>" + caption + "</caption><thead><tr>";
  for (const std::string& name : header) html += "<th scope=\"col\">" + name + "</th>";
  return html + "</tr></thead><tbody>" + rows + "</tbody></table></div>\n";
}

std::string html_cell(const std::string& html) { return "<td>" + html + "</td>"; }

std::string html_row_head(const std::string& text) {
  return "<tr><th scope=\"row\">" + html_escape(text) + "</th>";
}

}  // namespace intandem
