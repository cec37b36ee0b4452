#include "core/error.hpp"

#include "core/text.hpp"

namespace intandem {
namespace {

std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  // Names and texts of files must not reach the terminal as commands to it.
  return printable(text);
}

}  // namespace

Error::Error(const std::string& subject, const std::string& problem, const std::string& remedy,
             ExitCode code)
    : std::runtime_error(one_line(subject + ": " + problem + "; " + remedy)), code_(code) {}

void fail_check(const char* file, int line, const std::string& message) {
  throw Error(std::string(file) + ":" + std::to_string(line), message,
              "this is a bug or an input of the wrong shape; please report it with the command");
}

}  // namespace intandem
