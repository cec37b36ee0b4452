// The frame of a report: one HTML page without scripts or references to other files.
#pragma once

#include <string>
#include <vector>

namespace intandem {

/// The whole page: light and dark, styles for charts (report/svg_chart.hpp), tables and sections.
/// All three are HTML, `title` and `subtitle` without tags.
std::string html_page(const std::string& title, const std::string& subtitle,
                      const std::string& body);

/// A table that scrolls in its own box; header and rows ("<tr>…</tr>") are HTML.
std::string html_table(const std::string& caption, const std::vector<std::string>& header,
                       const std::string& rows);

/// "<td>…</td>"
std::string html_cell(const std::string& html);
/// "<tr><th scope=row>…</th>", the start of a row; `text` is escaped.
std::string html_row_head(const std::string& text);

}  // namespace intandem
