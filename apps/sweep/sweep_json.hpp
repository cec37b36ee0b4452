// Access to the parts of a sweep file, with errors that name file and place.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/json.hpp"

namespace intandem {

/// where: the place in words, "job 'tandem'". All errors are usage errors.
class SweepJson {
 public:
  explicit SweepJson(std::string path) : path_(std::move(path)) {}

 protected:
  static constexpr const char* kRemedy = "see docs/sweeps.md for what a sweep file holds";

  [[noreturn]] void fail(const std::string& problem, const std::string& remedy) const;
  /// Error unless `object` is an object with no keys but these.
  void check_keys(const Json& object, const std::string& where,
                  const std::vector<std::string>& known) const;
  /// The list or object under `key`, or an empty one; Error if it is of another type.
  const Json& member(const Json& object, const char* key, Json::value_t type,
                     const std::string& where) const;
  /// The text under `key`, or `absent`.
  std::string text(const Json& object, const char* key, const std::string& where,
                   const std::string& absent) const;
  /// Names listed under `key`, each among `known`; all of `known` if there is no such key.
  std::vector<std::string> names(const Json& object, const char* key, const std::string& where,
                                 const std::vector<std::string>& known) const;

  std::string path_;
};

}  // namespace intandem
