#include "quant/integer/plan.hpp"

#include <algorithm>
#include <bit>

#include "core/dispatch.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/version.hpp"
#include "quant/integer/amx/driver.hpp"
#include "quant/integer/binary/binary.hpp"
#include "quant/integer/direct/direct.hpp"
#include "quant/integer/grouped/grouped.hpp"
#include "quant/integer/packed/packed.hpp"
#include "quant/integer/winograd/winograd.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kBytesPerCycle = 16;
constexpr const char* kFallbacks[] = {"direct", "depthwise", "grouped", "avg_pool", "ref"};

bool belongs_to(const std::string& name, const std::string& family) {
  return name == family || name.starts_with(family + "_");
}

/// 8-bit products of two vector instructions.
std::int64_t products_per_cycle() {
  static constexpr KernelRow<std::int64_t> kTable[] = {
      {Isa::avx512vnni, 2 * 64}, {Isa::avx2, 2 * 32}, {Isa::ref, 1}};
  return choose_kernel(kTable);
}

bool is_known(const std::string& algorithm) {
  if (algorithm == "auto") return true;
  for (const Algorithm& a : algorithms()) {
    if (belongs_to(a.name, algorithm)) return true;
  }
  return false;
}

[[noreturn]] void refuse(const std::string& algorithm) {
  std::string known = "auto";
  for (const Algorithm& a : algorithms()) known += std::string(", ") + a.name;
  throw Error("integer algorithm '" + algorithm + "'", "unknown", "use one of " + known,
              ExitCode::usage);
}

/// The lowest estimate of a family; null layer if none is admissible.
Candidate prepare_best(const IntLayer& layer, const std::string& family, std::int64_t batch) {
  Candidate best;
  std::int64_t best_cycles = 0;
  for (const Algorithm& algorithm : algorithms()) {
    if (family != "auto" && !belongs_to(algorithm.name, family)) continue;
    if (best.layer != nullptr && algorithm.prepare == prepare_reference) continue;
    std::unique_ptr<PreparedLayer> candidate = algorithm.prepare(layer);
    if (candidate == nullptr) continue;
    const std::int64_t cycles = estimate_cycles(*candidate, batch);
    if (best.layer != nullptr && cycles >= best_cycles) continue;
    best = {algorithm.name, std::move(candidate)};
    best_cycles = cycles;
  }
  return best;
}

}  // namespace

const std::vector<Algorithm>& algorithms() {
  static const std::vector<Algorithm> table = {
      {"packed2", [](const IntLayer& layer) { return prepare_packed(layer, 2, false); }},
      {"packed2_ahead", [](const IntLayer& layer) { return prepare_packed(layer, 2, true); }},
      {"packed4", [](const IntLayer& layer) { return prepare_packed(layer, 4, false); }},
      {"packed4_ahead", [](const IntLayer& layer) { return prepare_packed(layer, 4, true); }},
      {"direct_amx", prepare_direct_amx},
      {"direct_rows64", [](const IntLayer& layer) { return prepare_direct_rows(layer, 64); }},
      {"direct_rows32", [](const IntLayer& layer) { return prepare_direct_rows(layer, 32); }},
      {"direct_rows16", [](const IntLayer& layer) { return prepare_direct_rows(layer, 16); }},
      {"direct_tiles", prepare_direct_tiles},
      {"direct_tiles_ahead", prepare_direct_tiles_ahead},
      {"winograd4", [](const IntLayer& layer) { return prepare_winograd(layer, 4); }},
      {"winograd2", [](const IntLayer& layer) { return prepare_winograd(layer, 2); }},
      {"winograd3", [](const IntLayer& layer) { return prepare_winograd(layer, 3); }},
      {"winograd4_s16", [](const IntLayer& layer) { return prepare_winograd_s16(layer, 4); }},
      {"winograd3_s16", [](const IntLayer& layer) { return prepare_winograd_s16(layer, 3); }},
      {"binary", prepare_binary},
      {"depthwise", prepare_depthwise},
      {"grouped", prepare_grouped},
      {"avg_pool", prepare_avg_pool},
      {"ref", prepare_reference},
  };
  return table;
}

std::vector<Candidate> find_candidates(const IntLayer& layer) {
  std::vector<Candidate> candidates;
  for (const Algorithm& algorithm : algorithms()) {
    if (!candidates.empty() && algorithm.prepare == prepare_reference) continue;
    if (auto prepared = algorithm.prepare(layer)) {
      candidates.push_back({algorithm.name, std::move(prepared)});
    }
  }
  return candidates;
}

std::int64_t estimate_cycles(const PreparedLayer& layer, std::int64_t N) {
  const Work work = layer.work(N);
  return work.products / products_per_cycle() + work.bytes / kBytesPerCycle;
}

Candidate prepare_candidate(const IntLayer& layer, const std::string& algorithm,
                            std::int64_t batch) {
  if (!is_known(algorithm)) refuse(algorithm);
  Candidate best = prepare_best(layer, algorithm, batch);
  for (const char* family : kFallbacks) {
    if (best.layer != nullptr) break;
    best = prepare_best(layer, family, batch);
  }
  return best;
}

std::unique_ptr<PreparedLayer> prepare_layer(const IntLayer& layer, const std::string& algorithm,
                                             std::int64_t batch) {
  return prepare_candidate(layer, algorithm, batch).layer;
}

std::unique_ptr<PreparedLayer> prepare_exactly(const IntLayer& layer,
                                               const std::string& algorithm) {
  for (const Algorithm& a : algorithms()) {
    if (algorithm == a.name) return a.prepare(layer);
  }
  refuse(algorithm);
}

bool is_algorithm(const std::string& name) {
  for (const Algorithm& a : algorithms()) {
    if (name == a.name) return true;
  }
  return false;
}

PlanMachine this_machine(std::int64_t batch) {
  return {cpu_name(), std::string(isa_name(active_isa())), intandem_commit(), thread_count(),
          std::min(batch, kMostPlannedImages)};
}

std::string plan_key(const IntModel& model, const IntLayer& layer) {
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  const ConvShape& s = layer.shape;
  std::int64_t model_bytes = 0;
  for (const IntLayer& other : model.layers) model_bytes += other.weights.size();
  std::string key = layer.kind == IntLayerKind::conv     ? "conv "
                    : layer.kind == IntLayerKind::linear ? "linear "
                                                         : "avg_pool ";
  key += number(s.H) + "x" + number(s.W) + "x" + number(s.C) + " to " + number(s.K) + ", " +
         number(s.R) + "x" + number(s.S) + ", stride " + number(s.stride) + ", pad " +
         number(s.pad);
  if (s.groups > 1) key += ", groups " + number(s.groups);
  std::int32_t largest = 0;
  for (const std::int8_t w : layer.weights) largest = std::max(largest, w < 0 ? -w : +w);
  key += "; W" + number(layer.weight_bits) + " to " + number(largest) + ", codes to " +
         number(layer.in_max) + " and " + number(layer.max_code);
  if (layer.pool_kernel > 0) {
    key += ", pool " + number(layer.pool_kernel) + "/" + number(layer.pool_stride);
  }
  if (layer.add >= 0) key += ", shortcut";
  if (layer.zero_point != 0) key += ", zero point";
  return key + "; in a model of 2^" +
         number(std::bit_width(static_cast<std::uint64_t>(model_bytes))) + " weights";
}

}  // namespace intandem
