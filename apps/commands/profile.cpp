#include "apps/commands/profile.hpp"

#include <algorithm>

#include "apps/print/figures.hpp"
#include "apps/print/layer_text.hpp"
#include "apps/print/text_table.hpp"
#include "core/int_peak.hpp"
#include "quant/integer/engine.hpp"

namespace intandem {
namespace {

// A peak takes about a millisecond; between all calls it would take longer than the calls.
constexpr std::int64_t kCallsPerPeak = 16;

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

std::int64_t bytes_of(const IntLayer& layer, const PreparedLayer& prepared, std::int64_t calls,
                      std::int64_t images) {
  const ConvShape& s = layer.shape;
  const std::int64_t output = layer.output_size() * (layer.is_last() ? 4 : 1);
  return calls * std::max(prepared.packed_bytes(), layer.weights.size()) +
         images * (s.H * s.W * s.C + output);
}

std::string percent_text(double part, double whole) {
  return whole > 0 ? fixed(100.0 * part / whole, 0) + " %" : "-";
}

}  // namespace

Profile profile_model(const IntModel& model, const std::uint8_t* images, std::int64_t count,
                      std::int64_t batch, const EngineOptions& options) {
  Engine engine(model, batch, options);  // a plan is for that many, though fewer may be run
  batch = std::min(batch, count);
  const std::int64_t pixels = model.height * model.width * model.channels;
  std::vector<std::int32_t> logits(static_cast<std::size_t>(batch * model.classes));
  engine.run(images, batch, logits.data());
  engine.time_layers(true);
  std::vector<double> peaks;
  std::int64_t calls = 0;
  for (std::int64_t first = 0; first < count; first += batch, ++calls) {
    if (calls % kCallsPerPeak == 0) peaks.push_back(int8_peak_gops());
    engine.run(images + first * pixels, std::min(batch, count - first), logits.data());
  }
  Profile profile;
  profile.peak_gops = median(peaks);
  std::int64_t total_ns = 0;
  for (const std::int64_t ns : engine.layer_ns()) total_ns += ns;
  const auto n = static_cast<double>(count);
  profile.us_per_image = 1e-3 * static_cast<double>(total_ns) / n;
  for (std::size_t k = 0; k < model.layers.size(); ++k) {
    const IntLayer& layer = model.layers[k];
    const PreparedLayer& prepared = engine.layer(static_cast<int>(k));
    const double ns = std::max(1.0, static_cast<double>(engine.layer_ns()[k]));
    LayerProfile p;
    p.name = layer.name;
    p.algorithm = prepared.algorithm();
    p.us_per_image = 1e-3 * ns / n;
    p.share_percent = 100.0 * ns / static_cast<double>(std::max<std::int64_t>(1, total_ns));
    p.direct_gops = 2.0 * n * static_cast<double>(layer_macs(layer)) / ns;
    if (layer.kind != IntLayerKind::avg_pool) {
      p.executed_gops = 2.0 * n * static_cast<double>(prepared.executed_macs()) / ns;
    }
    p.gbytes_per_s = static_cast<double>(bytes_of(layer, prepared, calls, count)) / ns;
    profile.layers.push_back(std::move(p));
  }
  return profile;
}

std::string profile_text(const Profile& profile) {
  TextTable table({"layer", "algorithm", "us/image", "share", "GOPS direct", "of peak",
                   "GOPS executed", "of peak", "GB/s"});
  double direct = 0, executed = 0;
  for (const LayerProfile& p : profile.layers) {
    const double part = p.us_per_image / std::max(profile.us_per_image, 1e-9);
    direct += p.direct_gops * part;
    executed += p.executed_gops * part;
    table.add({p.name, p.algorithm, fixed(p.us_per_image, 1), fixed(p.share_percent, 0) + " %",
               fixed(p.direct_gops, 1), percent_text(p.direct_gops, profile.peak_gops),
               fixed(p.executed_gops, 1), percent_text(p.executed_gops, profile.peak_gops),
               fixed(p.gbytes_per_s, 1)});
  }
  table.add({"total", "-", fixed(profile.us_per_image, 1), "100 %", fixed(direct, 1),
             percent_text(direct, profile.peak_gops), fixed(executed, 1),
             percent_text(executed, profile.peak_gops), "-"});
  return table.str() +
         (profile.peak_gops > 0
              ? "peak: " + fixed(profile.peak_gops, 0) + " GOPS, 8-bit products on registers, " +
                    "measured between the runs\n"
              : std::string("peak: not known for this instruction set\n"));
}

}  // namespace intandem
