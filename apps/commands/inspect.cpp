// `intandem inspect`: what is in a model file, layer by layer.
#include <algorithm>
#include <cstdio>

#include "apps/commands/commands.hpp"
#include "apps/print/figures.hpp"
#include "apps/print/layer_text.hpp"
#include "apps/print/text_table.hpp"
#include "apps/run/threads.hpp"
#include "core/container.hpp"
#include "core/cpu.hpp"
#include "core/parallel.hpp"
#include "core/text.hpp"
#include "distill/teacher.hpp"
#include "quant/integer/engine.hpp"
#include "quant/plan_file.hpp"

namespace intandem {
namespace {

std::string multiplier_text(const IntLayer& layer) {
  if (layer.scale.empty()) return "-";
  const Multiplier& first = layer.scale.front();
  const std::string text = std::to_string(first.m) + " * 2^-" + std::to_string(first.n);
  return layer.scale.size() == 1 ? text : text + " … (per channel)";
}

/// "u4", or with a zero point (Q17) "u4, 0 at 8".
std::string output_text(const IntLayer& layer) {
  if (layer.is_last()) return "s32";
  const std::string bits = "u" + std::to_string(bits_of(layer.max_code));
  return layer.zero_point == 0 ? bits : bits + ", 0 at " + std::to_string(layer.zero_point);
}

/// What a layer reads if that is not the layer before it, and what it adds: "conv1", "+ conv3", "".
std::string reads_text(const std::string& input, const std::string& add) {
  if (add.empty()) return input;
  return input.empty() ? "+ " + add : input + " + " + add;
}

void print_integer_model(const IntModel& model) {
  TextTable table({"layer", "shape", "reads", "W bits", "in", "out", "MACs", "weight bytes",
                   "m * 2^-n", "|acc| bound", "zero channels"});
  std::int64_t macs = 0, parameters = 0;
  for (const IntLayer& layer : model.layers) {
    const bool pool = layer.kind == IntLayerKind::avg_pool;
    macs += layer_macs(layer);
    parameters += layer.weights.size();
    const auto name_of = [&](int k) {
      return k < 0 ? std::string() : model.layers[static_cast<std::size_t>(k)].name;
    };
    table.add({printable(layer.name), shape_text(layer),
               printable(reads_text(name_of(layer.input), name_of(layer.add))),
               pool ? "-" : std::to_string(layer.weight_bits),
               "u" + std::to_string(bits_of(layer.in_max)), output_text(layer),
               grouped(layer_macs(layer)), grouped(weight_bytes(layer)), multiplier_text(layer),
               grouped(layer.bound), std::to_string(layer.zero_channels)});
  }
  std::printf("%s", table.str().c_str());
  std::printf("total: %s MACs per image, %s weights, %s bytes as stored at their bit-width\n",
              grouped(macs).c_str(), grouped(parameters).c_str(),
              grouped(model.model_bytes()).c_str());
}

/// "122 us, next winograd2 +9 %": the time of a layer in a plan, and that of the second best.
std::string time_text(const Plan& plan, const std::string& key, const std::string& algorithm) {
  const auto planned = plan.layers.find(key);
  if (planned == plan.layers.end() || planned->second.time_ns.count(algorithm) == 0) return "-";
  const std::int64_t own = planned->second.time_ns.at(algorithm);
  std::string text = fixed(1e-3 * static_cast<double>(own), 0) + " us", next;
  std::int64_t best = 0;
  for (const auto& [name, ns] : planned->second.time_ns) {
    if (name == algorithm || (!next.empty() && ns >= best)) continue;
    next = name;
    best = ns;
  }
  if (next.empty()) return text;
  return text + ", next " + next + " +" + fixed(percent(best - own, own), 0) + " %";
}

void print_plan(const IntModel& model, const InspectOptions& options) {
  use_threads(options.threads);
  const std::int64_t batch = options.batch;
  PlanSource source(options.plan_from, batch);
  const Engine engine(model, batch, source.options());
  source.keep();
  const Plan unmeasured, &plan = source.plan() == nullptr ? unmeasured : *source.plan();
  TextTable table({"layer", "algorithm", "packed bytes", "executed MACs", "of direct", "how",
                   "time of " + std::to_string(std::min(batch, kMostPlannedImages)) + " images"});
  std::int64_t packed = 0, executed = 0, direct = 0;
  for (int k = 0; k < static_cast<int>(model.layers.size()); ++k) {
    const IntLayer& layer = model.layers[static_cast<std::size_t>(k)];
    const PreparedLayer& prepared = engine.layer(k);
    const std::int64_t macs = layer_macs(layer);
    packed += prepared.packed_bytes();
    executed += prepared.executed_macs();
    direct += macs;
    table.add({printable(layer.name), engine.algorithm(k), grouped(prepared.packed_bytes()),
               grouped(prepared.executed_macs()),
               macs > 0 ? fixed(percent(prepared.executed_macs(), macs), 0) + " %" : "-",
               prepared.algorithm() + ": " + prepared.reason(),
               time_text(plan, plan_key(model, layer), engine.algorithm(k))});
  }
  std::printf("\n%s for %s, %s, %d threads, batches of %s:\n%s",
              source.plan() == nullptr ? "estimated plan" : "measured plan", cpu_name().c_str(),
              std::string(isa_name(active_isa())).c_str(), thread_count(), grouped(batch).c_str(),
              table.str().c_str());
  std::printf("total: %s bytes packed, %s of %s MACs executed per image\n", grouped(packed).c_str(),
              grouped(executed).c_str(), grouped(direct).c_str());
}

void print_teacher(const std::string& path) {
  const Teacher teacher = load_teacher(path);
  TextTable table({"layer", "shape", "reads", "batch norm", "MACs", "weights"});
  std::int64_t macs = 0, weights = 0;
  for (int k = 0; k < teacher.net.unit_count(); ++k) {
    const UnitSpec& unit = teacher.net.spec().units[static_cast<std::size_t>(k)];
    const ConvShape& shape = teacher.net.geometry()[static_cast<std::size_t>(k)].shape;
    const bool pool = unit.kind == UnitKind::avg_pool;
    const std::int64_t unit_weights = teacher.net.unit(k).weight.value.size();
    macs += pool ? 0 : shape.macs();
    weights += unit_weights;
    table.add({printable(unit.name), shape_text(shape, unit.kind == UnitKind::linear, pool),
               printable(reads_text(unit.input, unit.add)), unit.batch_norm ? "yes" : "no",
               grouped(pool ? 0 : shape.macs()), grouped(unit_weights)});
  }
  std::printf("%s", table.str().c_str());
  std::printf("total: %s MACs per image, %s weights, %s bytes as float\n", grouped(macs).c_str(),
              grouped(weights).c_str(), grouped(4 * weights).c_str());
}

void print_origin(const Container& file) {
  std::printf("%s: %s", printable(file.path()).c_str(), printable(file.kind()).c_str());
  for (const char* key :
       {"network", "dataset", "seed", "commit", "weight_quantizer", "activation_quantizer"}) {
    if (file.has(key)) std::printf(", %s %s", key, printable(file.get(key)).c_str());
  }
  std::printf("\n");
}

}  // namespace

ExitCode inspect_command(const InspectOptions& options) {
  const Container file = Container::load(options.model);
  print_origin(file);
  if (file.kind() == "integer-model") {
    const IntModel model = load_model(file);
    print_integer_model(model);
    if (options.plan) print_plan(model, options);
  } else if (file.kind() == "teacher") {
    print_teacher(options.model);
  } else {
    for (const std::string& name : file.tensor_names())
      std::printf("  %s\n", printable(name).c_str());
  }
  return ExitCode::ok;
}

}  // namespace intandem
