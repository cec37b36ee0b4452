// Tables for a terminal: columns as wide as their widest cell.
#pragma once

#include <string>
#include <vector>

namespace intandem {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  /// As many cells as the header has (UTF-8; one column per code point).
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// Columns of numbers are aligned right, the others left; a rule under the header.
  std::string str() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace intandem
