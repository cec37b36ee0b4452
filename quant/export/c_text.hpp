// Text from model files as it may stand in C: names, comments, strings. Whatever comes in, what
// goes out is plain ASCII that cannot end the comment or string it is put in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace intandem {

/// The file name without its folder and last extension as the start of C identifiers and as a file
/// name: letters, digits and underscores, starting with a letter, at most 40 characters. Words of
/// C, names of standard headers, `main` and names that start with an underscore or a digit get the
/// prefix "model_".
std::string c_name(const std::string& path);

/// For comments: letters, digits, spaces and ". , : + - _ =" stay, everything else becomes '_'; at
/// most 100 characters.
std::string c_comment(const std::string& text);

/// A string literal with its quotes, escapes in octal; at most 100 bytes of `text`.
std::string c_string(const std::string& text);

/// The lines "  0x01, 0x02, …" of an array's initializer.
template <class T>
std::string c_numbers(const std::vector<T>& numbers);

extern template std::string c_numbers(const std::vector<std::uint8_t>&);
extern template std::string c_numbers(const std::vector<std::uint16_t>&);
extern template std::string c_numbers(const std::vector<std::int32_t>&);

}  // namespace intandem
