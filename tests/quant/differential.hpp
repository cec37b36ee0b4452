// A model by every algorithm, instruction set, batch and number of threads against its definition
// (naive_layer), layer by layer and as a whole; and what differs, made as small as it goes.
#pragma once

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "quant/integer/direct/direct.hpp"
#include "quant/integer/engine.hpp"
#include "quant/integer/plan.hpp"
#include "tests/quant/direct_ways.hpp"
#include "tests/quant/int_cases.hpp"
#include "tests/quant/random_model.hpp"

namespace intandem::testing {

using Codes = std::vector<std::uint8_t>;
using Prepare = std::function<std::unique_ptr<PreparedLayer>(const IntLayer&)>;

/// Every way to make a layer ready on active_isa(): each algorithm, and each direct kernel whether
/// the table would take it or not.
inline std::vector<Prepare> ways_to_prepare(const IntLayer& example) {
  std::vector<Prepare> ways;
  for (const Algorithm& algorithm : algorithms()) {
    // The loops are the same on every instruction set.
    if (algorithm.prepare == prepare_reference && active_isa() != Isa::ref) continue;
    ways.emplace_back(algorithm.prepare);
  }
  for (std::size_t i = 0; i < direct_ways(example).size(); ++i) {
    ways.emplace_back([i](const IntLayer& layer) -> std::unique_ptr<PreparedLayer> {
      auto direct = direct_ways(layer);
      return i < direct.size() ? std::move(direct[i]) : nullptr;
    });
  }
  return ways;
}

/// What a layer gets, for `N` images.
struct LayerInput {
  std::int64_t N;
  Codes codes, shortcut;
};

inline LayerInput first_images(const LayerInput& all, std::int64_t N) {
  const auto part = [&](const Codes& codes) {
    const auto count = static_cast<std::ptrdiff_t>(codes.size()) / all.N * N;
    return Codes(codes.begin(), codes.begin() + count);
  };
  return {N, part(all.codes), part(all.shortcut)};
}

inline LayerInput random_input(const IntLayer& layer, std::int64_t N, std::uint64_t seed) {
  Draw draw(seed);
  const ConvShape& s = layer.shape;
  return {N, random_codes(N * s.H * s.W * s.C, layer.in_max, draw),
          random_codes(layer.add >= 0 ? N * s.P() * s.Q() * s.K : 0, 255, draw)};
}

/// The first weights, biases and scales of a layer for a smaller shape.
inline IntLayer cropped(const IntLayer& layer, const ConvShape& shape) {
  IntLayer small = layer;
  small.shape = shape;
  const ConvShape &s = shape, &from = layer.shape;
  if (!layer.weights.empty()) {
    small.weights =
        TensorS8(layer.weights.rank() == 2 ? Shape{s.K, s.C} : Shape{s.K, s.R, s.S, s.group_C()});
    const std::int64_t C = s.group_C();
    for (std::int64_t i = 0; i < small.weights.size(); ++i) {
      const std::int64_t c = i % C, t = i / C % s.S, r = i / C / s.S % s.R;
      const std::int64_t k = i / s.reduction();
      small.weights[i] = layer.weights[((k * from.R + r) * from.S + t) * from.group_C() + c];
    }
  }
  if (!layer.bias.empty()) {
    small.bias = TensorS32(Shape{s.K});
    std::copy_n(layer.bias.begin(), s.K, small.bias.begin());
  }
  if (!layer.pad_code.empty()) {
    small.pad_code = TensorU8(Shape{s.C});
    std::copy_n(layer.pad_code.begin(), s.C, small.pad_code.begin());
  }
  if (layer.scale.size() > 1) {
    small.scale.resize(static_cast<std::size_t>(s.K));
    if (layer.add >= 0) small.add_m.resize(static_cast<std::size_t>(s.K));
  }
  measure_bounds(small);
  return small;
}

/// Simpler layers of the same kind, the simplest first.
inline std::vector<IntLayer> simpler(const IntLayer& layer) {
  std::vector<IntLayer> simple;
  const auto edit = [&](const auto& change) {
    IntLayer next = layer;
    change(next);
    measure_bounds(next);
    simple.push_back(std::move(next));
  };
  if (layer.pool_kernel > 0) edit([](IntLayer& l) { l.pool_kernel = l.pool_stride = 0; });
  if (layer.add >= 0) edit([](IntLayer& l) { l.add = -1, l.add_zero = 0, l.add_m.clear(); });
  if (layer.add_zero != 0) edit([](IntLayer& l) { l.add_zero = 0; });
  if (layer.zero_point != 0) edit([](IntLayer& l) { l.zero_point = 0; });
  if (layer.scale.size() > 1) {
    edit([](IntLayer& l) { l.scale.resize(1), l.add_m.resize(l.add >= 0 ? 1 : 0); });
  }
  if (std::any_of(layer.bias.begin(), layer.bias.end(), [](auto b) { return b != 0; })) {
    edit([](IntLayer& l) { l.bias = TensorS32::zeros({l.shape.K}); });
  }
  const bool pool = layer.kind == IntLayerKind::avg_pool;
  const auto shrink = [&](std::int64_t ConvShape::*extent, std::int64_t least) {
    const std::int64_t value = layer.shape.*extent;
    for (const std::int64_t next : {least, value / 2, value - 1}) {
      if (next < least || next >= value) continue;
      ConvShape s = layer.shape;
      s.*extent = next;
      if (pool) s.K = s.C = std::min(s.K, s.C);
      if (layer.shape.is_depthwise()) s.groups = s.K = s.C = std::min(s.K, s.C);
      if (s.C % s.groups != 0 || s.K % s.groups != 0) continue;
      if (s.R > s.H + 2 * s.pad || s.S > s.W + 2 * s.pad) continue;
      if (layer.pool_kernel > std::min(s.P(), s.Q())) continue;
      simple.push_back(cropped(layer, s));
    }
  };
  for (const auto extent : {&ConvShape::K, &ConvShape::C, &ConvShape::R, &ConvShape::S,
                            &ConvShape::H, &ConvShape::W, &ConvShape::stride}) {
    shrink(extent, 1);
  }
  shrink(&ConvShape::pad, 0);
  return simple;
}

/// Makes a layer and a batch as small as they go while `differs` holds.
inline std::string shrunk(IntLayer layer, std::int64_t N,
                          const std::function<bool(const IntLayer&, const LayerInput&)>& differs) {
  const auto fails = [&](const IntLayer& l, std::int64_t n) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      if (differs(l, random_input(l, n, seed))) return true;
    }
    return false;
  };
  if (!fails(layer, N)) return "not with other codes: " + describe_layer(layer);
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (std::int64_t n = 1; n < N && !smaller; ++n) {
      if ((smaller = fails(layer, n))) N = n;
    }
    for (const IntLayer& next : simpler(layer)) {
      if (smaller) break;
      if ((smaller = fails(next, N))) layer = next;
    }
  }
  return "batch " + std::to_string(N) + " of " + describe_layer(layer);
}

/// A difference, or empty. `note` is told what is about to run, in case it never comes back.
class Differential {
 public:
  using Note = std::function<void(const std::string&)>;
  Differential(const IntModel& model, std::uint64_t seed, const Note& note)
      : model_(model), note_(note) {
    Draw draw(seed ^ 0x5EED);
    batches_ = {1, 2, 2 * draw.between(1, 3) + 1};
    const Values values = draw.pick({Values::random, Values::random, Values::largest});
    const std::int64_t pixels = model.height * model.width * model.channels;
    Codes codes = random_codes(batches_.back() * pixels, 255, draw, values);
    std::vector<Codes> outputs;
    for (std::size_t k = 0; k < model.layers.size(); ++k) {
      const IntLayer& layer = model.layers[k];
      if (layer.input >= 0) codes = outputs[static_cast<std::size_t>(layer.input)];
      const Codes shortcut =
          layer.add >= 0 ? outputs[static_cast<std::size_t>(layer.add)] : Codes{};
      inputs_.push_back({batches_.back(), codes, shortcut});
      wanted_.push_back(naive_layer(layer, batches_.back(), codes, shortcut));
      codes.assign(wanted_.back().begin(), wanted_.back().end());
      outputs.push_back(codes);
    }
    // What else the choice of a path depends on.
    caches_.second_level_bytes = draw.pick<std::int64_t>({1 << 14, 1 << 20, 2 << 20});
  }

  std::string find() {
    const RestoreSettings restore;
    set_cache_sizes(caches_);
    for (const Isa isa : available_isas()) {
      set_active_isa(isa);
      for (const int threads : {1, 2}) {
        set_thread_count(threads);
        for (std::size_t k = 0; k < model_.layers.size(); ++k) {
          const std::string found = find_in_layer(k);
          if (!found.empty()) return found;
        }
        const std::string found = find_in_network();
        if (!found.empty()) return found;
      }
    }
    return {};
  }

  /// Algorithms of the table that took a layer, over all models.
  static std::set<std::string>& ran() {
    static std::set<std::string> names;
    return names;
  }

 private:
  std::string settings() const {
    return std::string(isa_name(active_isa())) + ", threads " + std::to_string(thread_count());
  }

  std::string find_in_layer(std::size_t k) {
    const IntLayer& layer = model_.layers[k];
    const std::vector<Prepare> ways = ways_to_prepare(layer);
    for (const Prepare& prepare : ways) {
      const auto prepared = prepare(layer);
      if (prepared == nullptr) continue;
      for (const std::int64_t N : batches_) {
        note_("layer " + std::to_string(k) + " by " + prepared->algorithm() + " on " + settings() +
              ", batch " + std::to_string(N) + ": " + describe_layer(layer));
        const LayerInput input = first_images(inputs_[k], N);
        const auto got = run_guarded(*prepared, layer, N, input.codes, input.shortcut);
        if (std::equal(got.begin(), got.end(), wanted_[k].begin())) continue;
        const auto differs = [&](const IntLayer& l, const LayerInput& in) {
          const auto again = prepare(l);
          return again != nullptr && run_guarded(*again, l, in.N, in.codes, in.shortcut) !=
                                         naive_layer(l, in.N, in.codes, in.shortcut);
        };
        return prepared->algorithm() + " on " + settings() + ", batch " + std::to_string(N) +
               " differs in layer " + std::to_string(k) + ": " + describe_layer(layer) +
               "\n  as small as it goes: " + shrunk(layer, N, differs);
      }
    }
    return {};
  }

  /// Whole networks: the engine's memory, slices of a batch, algorithms side by side.
  std::string find_in_network() {
    const std::int64_t N = inputs_[0].N, outputs = model_.layers.back().output_size();
    std::vector<std::string> names = {"auto"};
    for (const Algorithm& algorithm : algorithms()) {
      const auto takes = [&](const IntLayer& layer) { return algorithm.prepare(layer) != nullptr; };
      if (std::any_of(model_.layers.begin(), model_.layers.end(), takes)) {
        names.emplace_back(algorithm.name);
        ran().insert(algorithm.name);
      }
    }
    for (const std::string& name : names) {
      for (const std::int64_t batch : batches_) {
        note_("network by " + name + " on " + settings() + ", batch " + std::to_string(batch));
        Engine engine(model_, batch, name);
        Guarded<std::int32_t> logits(N * outputs);
        engine.run(inputs_[0].codes.data(), N, logits.data());
        if (std::equal(wanted_.back().begin(), wanted_.back().end(), logits.data()) &&
            logits.intact()) {
          continue;
        }
        std::string text = "the network by " + name + " on " + settings() + ", batch " +
                           std::to_string(batch) + " differs";
        for (const IntLayer& layer : model_.layers) text += "\n  " + describe_layer(layer);
        return text;
      }
    }
    return {};
  }

  const IntModel& model_;
  Note note_;
  std::vector<std::int64_t> batches_;
  std::vector<LayerInput> inputs_;                 // of every layer
  std::vector<std::vector<std::int64_t>> wanted_;  // codes or accumulators of every layer
  CacheSizes caches_;
};

}  // namespace intandem::testing
