// An environment variable that has another value for a while.
#pragma once

#include <cstdlib>
#include <string>

namespace intandem::test {

/// Sets an environment variable and puts back what it was, also when a check ends the test.
class WithVariable {
 public:
  WithVariable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) before_ = old, had_ = true;
    ::setenv(name, value.c_str(), 1);
  }
  ~WithVariable() { had_ ? ::setenv(name_, before_.c_str(), 1) : ::unsetenv(name_); }
  WithVariable(const WithVariable&) = delete;
  WithVariable& operator=(const WithVariable&) = delete;

 private:
  const char* name_;
  std::string before_;
  bool had_ = false;
};

}  // namespace intandem::test
