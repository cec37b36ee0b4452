// `intandem export`: an integer model in a form that other programs run.
#include <cstdio>

#include "apps/commands/commands.hpp"
#include "apps/print/figures.hpp"
#include "apps/print/layer_text.hpp"
#include "apps/print/text_table.hpp"
#include "core/container.hpp"
#include "core/text.hpp"
#include "distill/model_info.hpp"
#include "quant/export/c_export.hpp"
#include "quant/export/c_text.hpp"
#include "quant/export/onnx_export.hpp"

namespace intandem {
namespace {

/// "fashion-alexnet, fashion-mnist, seed 1, commit …".
std::string origin_text(const Container& file) {
  std::string text;
  for (const char* key : {"network", "dataset", "seed", "commit"}) {
    if (!file.has(key)) continue;
    const bool value_alone = text.empty() || std::string(key) == "dataset";
    text +=
        (text.empty() ? "" : ", ") + (value_alone ? "" : std::string(key) + " ") + file.get(key);
  }
  return text;
}

void print_footprint(const IntModel& model, const CFootprint& f) {
  TextTable table({"layer", "shape", "W bits", "flash bytes", "weights", "codes at", "codes bytes",
                   "window bytes"});
  for (std::size_t k = 0; k < model.layers.size(); ++k) {
    const IntLayer& layer = model.layers[k];
    const bool pool = layer.kind == IntLayerKind::avg_pool;
    const std::int64_t window = layer.shape.R * layer.shape.S * layer.shape.group_C();
    table.add({printable(layer.name), shape_text(layer),
               pool ? "-" : std::to_string(layer.weight_bits), grouped(f.layers[k].total()),
               grouped(f.layers[k].weights),
               layer.is_last() ? "logits" : grouped(f.arena.output[k]),
               layer.is_last() ? "-" : grouped(layer.output_size()),
               f.arena.column[k] < 0 ? "-" : grouped(window)});
  }
  std::printf("%s", table.str().c_str());
  std::printf("flash: %s bytes (constants %s, code about %s)\n", grouped(f.flash_bytes()).c_str(),
              grouped(f.constant_bytes()).c_str(), grouped(f.code_bytes).c_str());
  std::printf("RAM: %s bytes (arena %s, image %s, logits %s, stack at most %s)\n",
              grouped(f.ram_bytes()).c_str(), grouped(f.arena.bytes).c_str(),
              grouped(f.image_bytes).c_str(), grouped(f.logits_bytes).c_str(),
              grouped(f.stack_bytes).c_str());
}

void export_c(const Container& file, const IntModel& model, const std::string& directory) {
  const CFootprint footprint = measure_c(model, file.path());
  CProgram program;
  program.name = c_name(file.path());
  program.comment = origin_text(file);
  if (file.has("class_names")) program.class_names = load_info(file).class_names;
  const std::vector<GeneratedFile> files = c_program(model, program, footprint);
  write_generated(directory, files);
  print_footprint(model, footprint);
  std::printf("written to %s:", printable(directory).c_str());
  for (const GeneratedFile& written : files) std::printf(" %s", written.name.c_str());
  std::printf("\n");
}

/// What goes into an ONNX file's metadata.
OnnxLabels labels_of(const Container& file) {
  OnnxLabels labels;
  for (const char* key : {"network", "dataset", "seed", "commit", "class_names"}) {
    if (file.has(key)) labels[key] = file.get(key);
  }
  labels["input"] = "image, uint8 [N][C][H][W], pixels as they are";
  return labels;
}

void say_written(const std::string& path, const char* what) {
  std::printf("written to %s: %s\n", printable(path).c_str(), what);
}

}  // namespace

ExitCode export_command(const ExportOptions& options) {
  const Container file = Container::load(options.model, "integer-model");
  const IntModel model = load_model(file);
  if (!options.c_dir.empty()) export_c(file, model, options.c_dir);
  if (!options.onnx.empty()) {
    export_onnx(model, options.onnx, labels_of(file));
    say_written(options.onnx, "integer operators, logits bit for bit those of the engine");
  }
  if (!options.qdq.empty()) {
    export_qdq(model, options.qdq, labels_of(file));
    say_written(options.qdq,
                "QuantizeLinear and DequantizeLinear, not exact: ties and scales round "
                "otherwise");
  }
  return ExitCode::ok;
}

}  // namespace intandem
