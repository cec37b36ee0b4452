// Text that comes from files and file names, and may be anything.
#pragma once

#include <string>
#include <string_view>

namespace intandem {

/// Whether `text` is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most
/// U+10FFFF).
bool is_utf8(std::string_view text);

/// `text` as it may go to a terminal: control characters (C0, DEL, C1) and bytes that are not UTF-8
/// become \xNN, everything else stays.
std::string printable(std::string_view text);

/// Whether printable() would leave `text` as it is.
bool is_printable(std::string_view text);

}  // namespace intandem
