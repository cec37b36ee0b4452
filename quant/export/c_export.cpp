#include "quant/export/c_export.hpp"

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "quant/export/c_runtime.hpp"
#include "quant/export/c_text.hpp"
#include "quant/export/packed_weights.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kMaxBytes = 2147483647;  // of an array where size_t has 32 bits

// Measured with arm-none-eabi-gcc 12.2 -mcpu=cortex-m4 -Os, rounded up (test_export_arm.cpp).
constexpr std::int64_t kCodeBytes = 760, kDotBytes = 64, kCallBytes = 32;
constexpr std::int64_t kStackBytes = 256;

std::string at(const char* array, std::size_t layer) {
  return std::string(array) + "_" + std::to_string(layer);
}

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::string extent_text(std::int64_t h, std::int64_t w, std::int64_t c) {
  return std::to_string(h) + "x" + std::to_string(w) + "x" + std::to_string(c);
}

std::set<int> weight_bits(const IntModel& model) {
  std::set<int> bits;
  for (const IntLayer& layer : model.layers) {
    if (layer.kind != IntLayerKind::avg_pool) bits.insert(layer.weight_bits);
  }
  return bits;
}

/// "conv1: 28x28x1 to 14x14x16, 5x5, 2-bit weights, codes 0 to 3".
std::string layer_comment(const IntLayer& layer) {
  const ConvShape& s = layer.shape;
  std::string text = c_comment(layer.name) + ": " + extent_text(s.H, s.W, s.C) + " to " +
                     extent_text(layer.pooled_P(), layer.pooled_Q(), s.K) + ", " +
                     std::to_string(s.R) + "x" + std::to_string(s.S);
  if (layer.kind == IntLayerKind::avg_pool) {
    text += " mean";
  } else {
    text += ", " + std::to_string(layer.weight_bits) + "-bit weights";
  }
  return text + (layer.is_last() ? ", logits" : ", codes 0 to " + std::to_string(layer.max_code));
}

template <class T>
std::string array(const char* type, const std::string& name, const std::vector<T>& numbers) {
  return "static const " + std::string(type) + " " + name + "[" + std::to_string(numbers.size()) +
         "] = {\n" + c_numbers(numbers) + "};\n";
}

std::string layer_arrays(const IntLayer& layer, std::size_t k, const PackedWeights& packed) {
  std::string text = "\n/* " + layer_comment(layer) + " */\n";
  if (!packed.bytes.empty()) text += array("uint8_t", at("weights", k), packed.bytes);
  if (!layer.bias.empty()) {
    text += array("int32_t", at("bias", k),
                  std::vector<std::int32_t>(layer.bias.begin(), layer.bias.end()));
  }
  if (layer.shape.pad > 0) {
    text += array("uint8_t", at("pad_code", k),
                  std::vector<std::uint8_t>(layer.pad_code.begin(), layer.pad_code.end()));
  }
  if (layer.is_last()) return text;
  std::vector<std::uint16_t> m;
  std::vector<std::uint8_t> n;
  for (const Multiplier& scale : layer.scale) {
    m.push_back(static_cast<std::uint16_t>(scale.m));
    n.push_back(static_cast<std::uint8_t>(scale.n));
  }
  text += array("uint16_t", at("m", k), m) + array("uint8_t", at("n", k), n);
  if (layer.add >= 0) text += array("int32_t", at("add_m", k), layer.add_m);
  return text;
}

/// The initializer of a `layer`, in the order of its members (c_runtime.cpp).
std::string layer_initializer(const IntLayer& layer, std::size_t k, const PackedWeights& packed) {
  const auto pointer = [&](bool present, const char* name) {
    return (present ? at(name, k) : "0") + ", ";
  };
  const bool weighted = !packed.bytes.empty(), pooled = layer.pool_kernel > 0;
  const ConvShape& s = layer.shape;
  // An average pool is a sum per channel, as a group of its own: step 0 and low 1.
  const std::int64_t groups = weighted ? s.groups : s.C;
  std::string text = "    {" + pointer(weighted, "weights") + pointer(!layer.bias.empty(), "bias") +
                     pointer(s.pad > 0, "pad_code") + pointer(!layer.is_last(), "m") +
                     pointer(!layer.is_last(), "n") + pointer(layer.add >= 0, "add_m") +
                     (weighted ? "dot_" + std::to_string(packed.bits) : "0") + ",\n     ";
  std::string line;
  for (const std::int64_t number : {packed.row_bytes,
                                    std::int64_t{weighted ? packed.step : 0},
                                    std::int64_t{weighted ? packed.low : 1},
                                    s.H,
                                    s.W,
                                    s.C,
                                    s.K,
                                    s.R,
                                    s.S,
                                    s.P(),
                                    s.Q(),
                                    groups,
                                    s.stride,
                                    s.pad,
                                    pooled ? layer.pool_kernel : 1,
                                    pooled ? layer.pool_stride : 1,
                                    layer.pooled_P(),
                                    layer.pooled_Q(),
                                    std::int64_t{layer.scale.size() > 1},
                                    std::int64_t{layer.max_code},
                                    std::int64_t{layer.zero_point},
                                    std::int64_t{layer.add_zero}}) {
    line += (line.empty() ? "" : ", ") + std::to_string(number);
  }
  return text + line + "},\n";
}

std::string run_function(const IntModel& model, const std::string& name, const ArenaPlan& arena) {
  const auto place = [](std::int64_t offset) {
    return offset < 0 ? std::string("0") : "arena + " + std::to_string(offset);
  };
  std::string text = "\nvoid " + name + "_run(const uint8_t image[" + upper(name) +
                     "_IMAGE_BYTES], int32_t logits[" + upper(name) + "_CLASSES]) {\n";
  text += "  /* layer, input, shortcut, window, codes, logits */\n";
  for (std::size_t k = 0; k < model.layers.size(); ++k) {
    const IntLayer& layer = model.layers[k];
    const int input = model.input_of(static_cast<int>(k));
    const auto output_of = [&](int i) { return place(arena.output[static_cast<std::size_t>(i)]); };
    text += "  run_layer(&layers[" + std::to_string(k) + "], " +
            (input < 0 ? std::string("image") : output_of(input)) + ", " +
            (layer.add < 0 ? "0" : output_of(layer.add)) + ", " + place(arena.column[k]) + ", " +
            place(arena.output[k]) + ", " + (layer.is_last() ? "logits" : "0") + ");\n";
  }
  return text + "}\n";
}

std::string argmax_function(const std::string& name) {
  return "\n/* Q10: the lowest index wins ties. */\nuint32_t " + name +
         "_class(const int32_t logits[" + upper(name) +
         "_CLASSES]) {\n"
         "  uint32_t best = 0, k;\n"
         "  for (k = 1; k < " +
         upper(name) +
         "_CLASSES; ++k) {\n"
         "    if (logits[k] > logits[best]) best = k;\n"
         "  }\n"
         "  return best;\n"
         "}\n";
}

std::string size_comment(const IntModel& model, const CFootprint& f) {
  CLayerBytes sum;
  for (const CLayerBytes& layer : f.layers) {
    sum.weights += layer.weights;
    sum.biases += layer.biases;
    sum.scales += layer.scales;
    sum.pad_codes += layer.pad_codes;
  }
  const auto n = [](std::int64_t bytes) { return std::to_string(bytes); };
  return "   flash  " + n(f.flash_bytes()) + " bytes: weights " + n(sum.weights) + ", biases " +
         n(sum.biases) + ", multipliers " + n(sum.scales) + ", padding " + n(sum.pad_codes) +
         ", tables " + n(f.table_bytes) + ", code about " + n(f.code_bytes) + "\n" + "   RAM    " +
         n(f.ram_bytes()) + " bytes: arena " + n(f.arena.bytes) + ", image " + n(f.image_bytes) +
         " and logits " + n(f.logits_bytes) + " (the caller's), stack at most " + n(f.stack_bytes) +
         "\n" +
         "   Where pointers have 4 bytes; code and stack as measured for Cortex-M4 by gcc 12 "
         "-Os.\n" +
         "   " + n(static_cast<std::int64_t>(model.layers.size())) + " layers";
}

std::string header(const IntModel& model, const CProgram& program, const CFootprint& footprint) {
  const std::string& name = program.name;
  const std::string big = upper(name);
  const auto define = [&](const char* what, std::int64_t value) {
    return "#define " + big + "_" + what + " " + std::to_string(value) + "\n";
  };
  return "/* " + c_comment(program.comment) + "\n\n" + size_comment(model, footprint) + ", see " +
         name + ".c. */\n#ifndef " + big + "_H\n#define " + big +
         "_H\n\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n" +
         define("HEIGHT", model.height) + define("WIDTH", model.width) +
         define("CHANNELS", model.channels) + define("IMAGE_BYTES", footprint.image_bytes) +
         define("CLASSES", model.classes) + define("ARENA_BYTES", footprint.arena.bytes) +
         "\n/* Pixels 0 ... 255 as they are, [HEIGHT][WIDTH][CHANNELS], to int32 logits. Not "
         "reentrant: "
         "the\n   codes between the layers lie in one static arena. */\nvoid " +
         name + "_run(const uint8_t image[" + big + "_IMAGE_BYTES], int32_t logits[" + big +
         "_CLASSES]);\n\n/* The index of the largest logit, the lowest of equal ones. "
         "*/\nuint32_t " +
         name + "_class(const int32_t logits[" + big +
         "_CLASSES]);\n\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
}

std::string source(const IntModel& model, const CProgram& program, const CFootprint& footprint) {
  std::string text = "/* " + c_comment(program.comment) +
                     "\n\n   Freestanding C99: no floating point, no allocation, no library. */\n"
                     "#include \"" +
                     program.name + ".h\"\n\n#include <stddef.h>\n" + c_runtime(weight_bits(model));
  std::string table =
      "\nstatic const layer layers[" + std::to_string(model.layers.size()) + "] = {\n";
  for (std::size_t k = 0; k < model.layers.size(); ++k) {
    const PackedWeights packed = pack_weights(model.layers[k]);
    text += layer_arrays(model.layers[k], k, packed);
    table += layer_initializer(model.layers[k], k, packed);
  }
  text += table + "};\n";
  if (footprint.arena.bytes > 0) {
    text += "\nstatic uint8_t arena[" + upper(program.name) + "_ARENA_BYTES];\n";
  }
  return text + run_function(model, program.name, footprint.arena) + argmax_function(program.name);
}

}  // namespace

std::int64_t CFootprint::constant_bytes() const {
  std::int64_t bytes = table_bytes;
  for (const CLayerBytes& layer : layers) bytes += layer.total();
  return bytes;
}

CFootprint measure_c(const IntModel& model, const std::string& source) {
  CFootprint f;
  for (const IntLayer& layer : model.layers) {
    CLayerBytes bytes;
    const std::int64_t row_bytes = (layer.shape.reduction() * layer.weight_bits + 7) / 8;
    if (!layer.weights.empty()) bytes.weights = layer.shape.K * row_bytes;
    bytes.biases = layer.bias.size_bytes();
    bytes.scales = static_cast<std::int64_t>(layer.scale.size() * 3 + layer.add_m.size() * 4);
    if (layer.shape.pad > 0) bytes.pad_codes = layer.pad_code.size_bytes();
    f.layers.push_back(bytes);
  }
  const auto layers = static_cast<std::int64_t>(model.layers.size());
  f.table_bytes = kLayerBytes * layers;
  f.code_bytes = kCodeBytes + kDotBytes * static_cast<std::int64_t>(weight_bits(model).size()) +
                 kCallBytes * layers;
  f.arena = plan_arena(model);
  f.image_bytes = model.height * model.width * model.channels;
  f.logits_bytes = 4 * model.classes;
  f.stack_bytes = kStackBytes;
  if (std::max({f.constant_bytes(), f.arena.bytes, f.image_bytes, f.logits_bytes}) > kMaxBytes) {
    throw Error(source, "needs more than 2^31 bytes of one kind, too many for C on small machines",
                "export a smaller model");
  }
  return f;
}

std::vector<GeneratedFile> c_program(const IntModel& model, const CProgram& program,
                                     const CFootprint& footprint) {
  using Comment = GeneratedFile::Comment;
  return {{program.name + ".h", Comment::c, header(model, program, footprint)},
          {program.name + ".c", Comment::c, source(model, program, footprint)},
          c_main(model, program),
          c_makefile(program)};
}

}  // namespace intandem
