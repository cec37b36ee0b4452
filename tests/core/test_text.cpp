// Text of files and file names: what is UTF-8, and what may reach a terminal.
#include <catch2/catch.hpp>

#include "core/error.hpp"
#include "core/text.hpp"

using namespace intandem;

TEST_CASE("UTF-8 is told from what is not", "[core][text]") {
  for (const char* good : {"", "plain", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x88", "\n",
                           "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) {
    CHECK(is_utf8(good));
  }
  // Latin-1, cut off, stray continuation, overlong, surrogate, beyond U+10FFFF.
  for (const char* bad : {"caf\xE9", "\xC3", "\xE2\x82", "\x80", "\xC0\xAF", "\xE0\x80\xAF",
                          "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"}) {
    CHECK_FALSE(is_utf8(bad));
    CHECK_FALSE(is_printable(bad));
  }
}

TEST_CASE("nothing printed can command a terminal", "[core][text]") {
  CHECK(printable("T-shirt/top, caf\xC3\xA9 \xF0\x9F\x90\x88") ==
        "T-shirt/top, caf\xC3\xA9 \xF0\x9F\x90\x88");
  CHECK(printable("\x1B[31mred") == "\\x1b[31mred");
  CHECK(printable("a\nb\x7F") == "a\\x0ab\\x7f");
  CHECK(printable("caf\xE9") == "caf\\xe9");
  CHECK(printable("\xC2\x9B"
                  "31m") == "\\xc2\\x9b31m");  // CSI as one C1 character
  CHECK(std::string(Error("a\x1B[2J", "b\xFF", "c\nd").what()) == "a\\x1b[2J: b\\xff; c d");
}
