#include "apps/settings/cli_options.hpp"

#include <CLI/CLI.hpp>
#include <cstdint>

#include "apps/settings/cli_config.hpp"

namespace intandem {
namespace {

void add_limit(CLI::App& command, std::int64_t& limit) {
  command.add_option("--limit", limit, "use only so many test images; 0: all")
      ->check(CLI::NonNegativeNumber);
}

void add_threads(CLI::App& command, std::int64_t& threads) {
  command.add_option("--threads", threads, "threads; 0: all processors")
      ->check(CLI::Range(0, 4096));
}

/// By which kernels the engine runs.
void add_kernels(CLI::App& command, std::string& algorithm, std::string& plan) {
  command.add_option("--algorithm", algorithm,
                     "kernels of the integer engine: auto, ref, or one by name");
  command
      .add_option("--plan", plan,
                  "algorithm of each layer: measure on this machine and keep in the cache, "
                  "estimate, or FILE: that plan, made there if missing")
      ->type_name("HOW|FILE")
      ->capture_default_str();
}

void add_data_memory(CLI::App& command, double& data_memory) {
  command.add_option("--data-memory", data_memory, "GB for photos, whatever their number")
      ->check(CLI::Range(0.125, 1e6))
      ->capture_default_str();
}

}  // namespace

void add_options(CLI::App& command, VerifyOptions& options) {
  refuse_empty(
      *command.add_option("--run", options.run, "run directory")->type_name("DIR")->required());
  refuse_empty(*command.add_option("--name", options.name, "name of the student")->required());
  refuse_empty(*command.add_option("--data-dir", options.data_dir,
                                   "directory of the dataset; default: the student's"));
  command.add_flag("--other-data", options.other_data,
                   "go on although the images are not of the student's classes");
  add_limit(command, options.limit);
  add_threads(command, options.threads);
  add_data_memory(command, options.data_memory);
  add_kernels(command, options.algorithm, options.plan);
}

void add_options(CLI::App& command, EvalOptions& options) {
  command.add_option("model", options.model, "integer model or teacher (.safetensors)")->required();
  refuse_empty(*command.add_option("--data-dir", options.data_dir,
                                   "directory of the dataset; default: where the model is from"));
  command.add_flag("--other-data", options.other_data,
                   "go on although the images are not of the model's classes");
  add_limit(command, options.limit);
  command.add_option("--batch", options.batch, "images per call of the engine")
      ->check(CLI::Range(1, 65536));
  add_threads(command, options.threads);
  add_data_memory(command, options.data_memory);
  add_kernels(command, options.algorithm, options.plan);
  command.add_flag("--profile", options.profile, "also time every layer of an integer model");
  refuse_empty(*command
                    .add_option("--logits", options.logits,
                                "also write the integers that the class is chosen from, int32 "
                                "[images][classes]")
                    ->type_name("FILE.npy"));
  refuse_empty(*command
                    .add_option("--predictions", options.predictions,
                                "also write label, prediction and logits of every image there")
                    ->type_name("FILE.csv"));
  refuse_empty(*command
                    .add_option("--pixels", options.pixels,
                                "also write the images as the model sees them, uint8 "
                                "[images][H][W][C]")
                    ->type_name("FILE.npy"));
}

void add_options(CLI::App& command, PackCommandOptions& options) {
  refuse_empty(
      *command.add_option("directory", options.directory, "folder of train/ and val/")->required());
  refuse_empty(
      *command.add_option("file", options.file, "NAME.pack, to be read with --dataset packed")
           ->required());
  command
      .add_option("--shorter-side", options.shorter_side,
                  "shrink images until their shorter side is this; 0: keep the files' bytes")
      ->check(CLI::Range(0, 16384))
      ->capture_default_str();
  command.add_option("--shard", options.shard, "take every --shards-th image, from this one on")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--shards", options.shards, "packs that hold all images together")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_flag("--skip-bad", options.skip_bad, "leave out files that cannot be decoded");
  command.add_flag("--overwrite", options.overwrite, "replace the file if it is there");
  add_threads(command, options.threads);
  add_data_memory(command, options.data_memory);
}

void add_options(CLI::App& command, InspectOptions& options) {
  command.add_option("model", options.model, "any .safetensors file of intandem")->required();
  command.add_flag("--plan", options.plan, "also show the algorithm chosen for each layer");
  command
      .add_option("--plan-from", options.plan_from,
                  "measure (and keep), estimate, or a file as of --plan of eval")
      ->type_name("HOW|FILE")
      ->capture_default_str();
  command.add_option("--threads", options.threads, "threads that the plan is for; 0: all")
      ->check(CLI::Range(0, 4096));
  command.add_option("--batch", options.batch, "images at a time that the plan is for")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
}

void add_options(CLI::App& command, InferOptions& options) {
  command.add_option("model", options.model, "integer model (.safetensors)")->required();
  command
      .add_option("images", options.images,
                  "JPEG, PNG, BMP or GIF files, resized to the model's input")
      ->required();
  command.add_flag("--invert", options.invert,
                   "255 - pixel first; Fashion-MNIST shows light items on black");
  command.add_option("--top", options.top, "classes printed per image")->check(CLI::Range(1, 1000));
  command.add_flag("--json", options.json,
                   "a line of JSON per image: image, class, name, top, logits; or image, error");
  add_kernels(command, options.algorithm, options.plan);
}

void add_options(CLI::App& command, ExportOptions& options) {
  command.add_option("model", options.model, "integer model (.safetensors)")->required();
  CLI::Option_group* form = command.add_option_group("form", "what to write");
  refuse_empty(*form->add_option("--c", options.c_dir,
                                 "directory for a freestanding C program (docs/embedded.md)")
                    ->type_name("DIR"));
  refuse_empty(*form->add_option("--onnx", options.onnx,
                                 "ONNX file of integer operators, bit for bit (docs/exchange.md)")
                    ->type_name("FILE"));
  refuse_empty(*form->add_option("--qdq", options.qdq,
                                 "ONNX file between QuantizeLinear and DequantizeLinear, not exact")
                    ->type_name("FILE"));
  form->require_option(1, 3);
}

void add_options(CLI::App& command, TraceOptions& options) {
  command.add_option("model", options.model, "integer model (.safetensors)")->required();
  command
      .add_option("image", options.image,
                  "JPEG, PNG, BMP or GIF file, or .npy of bytes [H][W][C], of the model's size")
      ->required();
  refuse_empty(*command.add_option("--layer", options.layer,
                                   "trace this layer alone; default: every layer"));
  refuse_empty(*command
                    .add_option("--pixel", options.pixel,
                                "output pixel of the layer (default: of the last layer), after its "
                                "max-pool; default: the one that matters most to the next layer")
                    ->type_name("Y,X"));
  command
      .add_option("--channel", options.channel,
                  "output channel of the layer; default: likewise, and of the last layer the class "
                  "with the largest logit")
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--zeros", options.zeros, "list the products with a factor 0 as well");
  command.add_flag("--fit", options.fit, "cut and resize the image to the model's input, as infer");
  command.add_flag("--invert", options.invert, "255 - pixel first, as infer");
  refuse_empty(
      *command.add_option("--save", options.save, "also write every tensor there, as .npy files")
           ->type_name("DIR"));
  command.add_option("--algorithm", options.algorithm,
                     "kernels of the engine that is compared with: auto, ref, or one by name");
}

void add_options(CLI::App& command, ReportOptions& options) {
  refuse_empty(*command
                    .add_option("--run", options.runs,
                                "run directory; a sweep's may be given several times for one "
                                "page")
                    ->type_name("DIR")
                    ->required());
  refuse_empty(
      *command.add_option("--output", options.output, "HTML file; default: DIR/report.html"));
  refuse_empty(*command.add_option("--markdown", options.markdown,
                                   "Markdown file of a sweep, its plots beside it; default: "
                                   "DIR/report.md"));
}

}  // namespace intandem
