#include "quant/integer/direct/pack.hpp"

#include <algorithm>

#include "core/divide.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"

namespace intandem {
namespace {

void pack_panel(const IntLayer& layer, WeightLayout layout, const std::vector<std::int32_t>& codes,
                const DirectPanel& panel, std::byte* data) {
  const std::int64_t reduction = layer.shape.reduction();
  auto* bytes = reinterpret_cast<std::int8_t*>(data + panel.offset_bytes);
  auto* words = reinterpret_cast<std::int16_t*>(bytes);
  std::int64_t base = 0;  // index of the first weight of the current group
  for (auto group = codes.begin(); group < codes.end();
       group += kGroup, base += kGroup * panel.width) {
    for (std::int64_t k = 0; k < panel.width; ++k) {
      for (std::int64_t j = 0; j < kGroup; ++j) {
        const std::int64_t channel = panel.first + k, code = group[j];
        const bool real = channel < layer.shape.K && code >= 0;
        const std::int8_t weight =
            real ? layer.weights[channel * reduction + code] : std::int8_t{0};
        const std::int64_t pair = base + j / 2 * 2 * panel.width + k * 2 + j % 2;
        if (layout == WeightLayout::quads_s8) {
          bytes[base + k * kGroup + j] = weight;
        } else if (layout == WeightLayout::pairs_s8) {
          bytes[pair] = weight;
        } else {
          words[pair] = weight;
        }
      }
    }
  }
}

}  // namespace

DirectWeights pack_direct(const IntLayer& layer, WeightLayout layout, std::int64_t width) {
  const ConvShape& s = layer.shape;
  const std::int64_t row = s.S * s.C;
  std::vector<std::int32_t> codes;
  codes.reserve(static_cast<std::size_t>(s.R * round_up(row, kGroup)));
  for (std::int64_t r = 0; r < s.R; ++r) {
    for (std::int64_t i = 0; i < round_up(row, kGroup); ++i) {
      codes.push_back(static_cast<std::int32_t>(i < row ? r * row + i : -1));
    }
  }
  DirectWeights weights;
  for (std::int64_t k = 0; k < s.K; k += width) {
    const std::int64_t least = std::min<std::int64_t>(16, width / 2);
    DirectPanel panel{k, width, weights.bytes};
    while (panel.width > least && s.K - k <= panel.width / 2) panel.width /= 2;
    weights.bytes += static_cast<std::int64_t>(codes.size()) * panel.width * weight_bytes(layout);
    weights.panels.push_back(panel);
  }
  weights.data = allocate_aligned(static_cast<std::size_t>(weights.bytes));
  parallel_for(static_cast<std::int64_t>(weights.panels.size()), 1,
               [&](std::int64_t i, std::int64_t) {
                 pack_panel(layer, layout, codes, weights.panels[static_cast<std::size_t>(i)],
                            weights.data.get());
               });
  return weights;
}

}  // namespace intandem
