// Where the integer engine spends its time, layer by layer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quant/integer/engine.hpp"

namespace intandem {

struct LayerProfile {
  std::string name, algorithm;
  double us_per_image = 0;
  double share_percent = 0;  ///< of the time of all layers
  double direct_gops = 0;    ///< two operations per product of the direct algorithm
  double executed_gops = 0;  ///< two per product really executed
  double gbytes_per_s = 0;   ///< packed weights once per call, codes in and out, over the time
};

struct Profile {
  std::vector<LayerProfile> layers;
  double us_per_image = 0;  ///< sum over the layers
  double peak_gops = 0;     ///< median of core/int_peak.hpp, measured between the calls; 0: unknown
};

/// Runs `images` u8 [count][H][W][C] in batches of up to `batch`, the first one once before the
/// clock starts.
Profile profile_model(const IntModel& model, const std::uint8_t* images, std::int64_t count,
                      std::int64_t batch, const EngineOptions& options);

/// As a table with a total.
std::string profile_text(const Profile& profile);

}  // namespace intandem
