// A configuration file, for training and for distillation.
#include <nlohmann/json.hpp>

#include "apps/settings/config.hpp"
#include "tests/fuzz/harness.hpp"

using namespace intandem;

namespace {

/// What was accepted is accepted again and sets the same values.
template <class Config>
void read_config(const std::string& text) {
  Config config;
  const ConfigKeys keys = describe(config);
  try {
    apply_config_text(keys, text, "config");
  } catch (const Error&) {
    return;
  }
  const Json values = config_to_json(keys);
  Config again;
  const ConfigKeys keys_again = describe(again);
  apply_config_text(keys_again, to_text(values), "config");
  if (config_to_json(keys_again) != values) fuzz::fail("a configuration changes its values");
  check_same_config(keys, values, "config");
}

}  // namespace

INTANDEM_FUZZ(config) {
  const std::string text = fuzz::text_of(input);
  read_config<TrainConfig>(text);
  read_config<DistillConfig>(text);
}
