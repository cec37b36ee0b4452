// What --resume finds in config.json, so that no flag has to be typed again.
#pragma once

#include <string>

#include "apps/settings/config.hpp"

namespace intandem {

/// Sets the keys to what the record holds for `job`; nothing if the job was never begun.
void apply_recorded_config(const ConfigKeys& keys, const std::string& run, const std::string& job);

/// The name behind `prefix` ("distill-") of the job that a bare --resume means: the only unfinished
/// one, or if all are finished the only one; "" if there is none. Usage error naming them if
/// several are unfinished.
std::string job_to_resume(const std::string& run, const std::string& prefix);

}  // namespace intandem
