#include "quant/export/c_text.hpp"

#include <array>
#include <limits>
#include <string_view>
#include <type_traits>

namespace intandem {
namespace {

constexpr std::size_t kMaxName = 40, kMaxText = 100;

// What a file NAME.h or NAME.c beside a main.c must not be called, and words of C.
constexpr std::string_view kTaken[] = {
    "main",     "assert", "complex", "ctype",    "errno",    "fenv",      "float",    "inttypes",
    "iso646",   "limits", "locale",  "math",     "setjmp",   "signal",    "stdarg",   "stdbool",
    "stddef",   "stdint", "stdio",   "stdlib",   "string",   "tgmath",    "time",     "wchar",
    "wctype",   "auto",   "break",   "case",     "char",     "const",     "continue", "default",
    "do",       "double", "else",    "enum",     "extern",   "for",       "goto",     "if",
    "inline",   "int",    "long",    "register", "restrict", "return",    "short",    "signed",
    "sizeof",   "static", "struct",  "switch",   "typedef",  "union",     "unsigned", "void",
    "volatile", "while",  "strings", "unistd",   "stdalign", "stdatomic", "threads",  "uchar",
    "class",    "new",    "delete",  "this",     "private",  "public",    "template", "namespace",
};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

std::string c_name(const std::string& path) {
  std::string stem = path.substr(path.find_last_of('/') + 1);
  if (const std::size_t dot = stem.find_last_of('.'); dot != std::string::npos && dot > 0) {
    stem.resize(dot);
  }
  std::string name;
  for (const char c : stem.substr(0, kMaxName)) name += is_letter(c) || is_digit(c) ? c : '_';
  bool taken = name.empty() || !is_letter(name[0]);
  for (const std::string_view word : kTaken) taken = taken || lower(name) == word;
  return taken ? "model_" + name : name;
}

std::string c_comment(const std::string& text) {
  constexpr std::string_view kPlain = " .,:+-_=";
  std::string safe;
  for (const char c : text.substr(0, kMaxText)) {
    safe += is_letter(c) || is_digit(c) || kPlain.find(c) != std::string_view::npos ? c : '_';
  }
  return safe;
}

std::string c_string(const std::string& text) {
  std::string literal = "\"";
  for (const char c : text.substr(0, kMaxText)) {
    const auto byte = static_cast<unsigned char>(c);
    // '?' could be part of a trigraph.
    if (byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\' && c != '?') {
      literal += c;
    } else {
      literal += '\\';
      for (const int shift : {6, 3, 0}) literal += static_cast<char>('0' + ((byte >> shift) & 7));
    }
  }
  return literal + "\"";
}

template <class T>
std::string c_numbers(const std::vector<T>& numbers) {
  constexpr std::size_t kWidth = 100;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text, line = " ";
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::string number;
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      number = {'0', 'x', kDigits[numbers[i] >> 4], kDigits[numbers[i] & 15]};
    } else if (std::is_signed_v<T> && numbers[i] == std::numeric_limits<T>::min()) {
      number = "-2147483647 - 1";  // 2147483648 is no int
    } else {
      number = std::to_string(numbers[i]);
    }
    if (i + 1 < numbers.size()) number += ',';
    if (line.size() + 1 + number.size() > kWidth) {
      text += line + "\n";
      line = " ";
    }
    line += " " + number;
  }
  return text + line + "\n";
}

template std::string c_numbers(const std::vector<std::uint8_t>&);
template std::string c_numbers(const std::vector<std::uint16_t>&);
template std::string c_numbers(const std::vector<std::int32_t>&);

}  // namespace intandem
