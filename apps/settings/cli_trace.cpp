#include "apps/settings/cli_trace.hpp"

#include <CLI/CLI.hpp>

#include "apps/settings/cli_config.hpp"

namespace intandem {

void add_trace_options(CLI::App& command, TraceOptions& options) {
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

}  // namespace intandem
