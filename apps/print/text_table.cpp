#include "apps/print/text_table.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace intandem {
namespace {

std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool looks_numeric(const std::string& text) {
  return text == "-" || text.find_first_not_of("0123456789,.+-% ") == std::string::npos;
}

}  // namespace

std::string TextTable::str() const {
  const std::size_t columns = rows_.front().size();
  std::vector<std::size_t> width(columns, 0);
  std::vector<bool> numeric(columns, true);
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    INTANDEM_CHECK(rows_[r].size() == columns, "a table row has the wrong number of cells");
    for (std::size_t c = 0; c < columns; ++c) {
      width[c] = std::max(width[c], display_width(rows_[r][c]));
      if (r > 0 && !looks_numeric(rows_[r][c])) numeric[c] = false;
    }
  }
  std::string text;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (std::size_t c = 0; c < columns; ++c) {
      const std::string padding(width[c] - display_width(rows_[r][c]), ' ');
      line += (c > 0 ? "  " : "") + (numeric[c] ? padding + rows_[r][c] : rows_[r][c] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
    if (r > 0) continue;
    for (std::size_t c = 0; c < columns; ++c) {
      text += (c > 0 ? "  " : "") + std::string(width[c], '-');
    }
    text += "\n";
  }
  return text;
}

}  // namespace intandem
