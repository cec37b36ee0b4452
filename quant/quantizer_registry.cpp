// The quantizers by name: a new one is a file pair like quant/wage.hpp and a line here.
#include <algorithm>

#include "core/error.hpp"
#include "quant/dorefa.hpp"
#include "quant/lsq.hpp"
#include "quant/pact.hpp"
#include "quant/quantizer_options.hpp"
#include "quant/uniform_quantizer.hpp"
#include "quant/wage.hpp"

namespace intandem {
namespace {

using Options = QuantizerOptions;

struct WeightEntry {
  const char* name;
  std::unique_ptr<WeightQuantizer> (*make)(int bits, const Options&, const std::string& parameter);
};
constexpr WeightEntry kWeights[] = {
    {"lsq",
     [](int bits, const Options& options,
        const std::string& parameter) -> std::unique_ptr<WeightQuantizer> {
       return std::make_unique<LsqQuantizer>(bits, options.full_range, parameter);
     }},
    {"dorefa",
     [](int bits, const Options&, const std::string&) -> std::unique_ptr<WeightQuantizer> {
       return std::make_unique<DorefaQuantizer>(bits);
     }},
    {"uniform",
     [](int bits, const Options& options,
        const std::string& parameter) -> std::unique_ptr<WeightQuantizer> {
       return std::make_unique<UniformQuantizer>(
           bits, options.full_range, step_method_from_name(options.uniform_method), parameter);
     }},
    {"wage",
     [](int bits, const Options&,
        const std::string& parameter) -> std::unique_ptr<WeightQuantizer> {
       return std::make_unique<WageQuantizer>(bits, parameter);
     }},
};

struct ActivationEntry {
  const char* name;
  std::unique_ptr<ActivationQuantizer> (*make)(const Options&);
};
constexpr ActivationEntry kActivations[] = {
    {"lsq",
     [](const Options&) -> std::unique_ptr<ActivationQuantizer> {
       return std::make_unique<LsqActivation>();
     }},
    {"pact",
     [](const Options&) -> std::unique_ptr<ActivationQuantizer> {
       return std::make_unique<PactActivation>();
     }},
    {"dorefa",
     [](const Options& options) -> std::unique_ptr<ActivationQuantizer> {
       return std::make_unique<DorefaActivation>(options.activation_range);
     }},
    {"uniform",
     [](const Options& options) -> std::unique_ptr<ActivationQuantizer> {
       return std::make_unique<UniformActivation>(step_method_from_name(options.uniform_method));
     }},
    {"wage",
     [](const Options&) -> std::unique_ptr<ActivationQuantizer> {
       return std::make_unique<WageActivation>();
     }},
};

template <class Entry, std::size_t N>
std::vector<std::string> names_of(const Entry (&entries)[N]) {
  std::vector<std::string> names;
  for (const Entry& entry : entries) names.emplace_back(entry.name);
  return names;
}

template <class Entry, std::size_t N>
const Entry& find(const Entry (&entries)[N], const char* subject, const std::string& name) {
  for (const Entry& entry : entries) {
    if (name == entry.name) return entry;
  }
  std::string known;
  for (const Entry& entry : entries) known += (known.empty() ? "" : ", ") + std::string(entry.name);
  throw Error(subject, "unknown quantizer '" + name + "'", "use one of " + known, ExitCode::usage);
}

void check_bits(const char* subject, int bits) {
  if (bits >= 1 && bits <= 8) return;
  throw Error(subject, std::to_string(bits) + " is out of range", "use 1 ... 8", ExitCode::usage);
}

}  // namespace

std::vector<std::string> weight_quantizer_names() { return names_of(kWeights); }
std::vector<std::string> activation_quantizer_names() { return names_of(kActivations); }

std::vector<std::string> quantizer_names() { return activation_quantizer_names(); }
std::string weight_quantizer_of(const std::string& quantizer) {
  return quantizer == "pact" ? "dorefa" : quantizer;
}
std::string activation_quantizer_of(const std::string& quantizer) { return quantizer; }

std::unique_ptr<WeightQuantizer> make_weight_quantizer(const UnitQuantizers& unit,
                                                       const QuantizerOptions& options,
                                                       const std::string& parameter_name) {
  check_bits("weight_bits", unit.weight_bits);
  return find(kWeights, "weight_quantizer", unit.weight_quantizer)
      .make(unit.weight_bits, options, parameter_name);
}

std::unique_ptr<ActivationQuantizer> make_activation_quantizer(const UnitQuantizers& unit,
                                                               const QuantizerOptions& options) {
  check_bits("activation_bits", unit.activation_bits);
  return find(kActivations, "activation_quantizer", unit.activation_quantizer).make(options);
}

}  // namespace intandem
