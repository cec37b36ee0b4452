#include "apps/settings/cli.hpp"

#include <CLI/CLI.hpp>
#include <functional>
#include <map>

#include "apps/commands/commands.hpp"
#include "apps/commands/tandem_job.hpp"
#include "apps/run/shell.hpp"
#include "apps/run/threads.hpp"
#include "apps/settings/cli_config.hpp"
#include "apps/settings/cli_trace.hpp"
#include "apps/settings/recorded_config.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/progress.hpp"
#include "core/text.hpp"
#include "core/version.hpp"

namespace intandem {
namespace {

constexpr const char* kDescription =
    "BN-free, fully integer neural networks by progressive tandem learning.\n"
    "A typical run: train, distill, verify, eval, report. See README.md.";

constexpr const char* kFooter =
    "Exit codes: 0 ok, 1 data or run-time error, 2 usage, 3 integers differ (verify),\n"
    "75 stopped with a checkpoint (run again with --resume).";

/// Everything the command line can set, and what to run for each command.
class Program {
 public:
  Program() : app_(kDescription, "intandem") {
    app_.set_version_flag("--version",
                          "intandem " + intandem_version() + " (commit " + intandem_commit() + ")");
    app_.footer(kFooter);
    app_.require_subcommand(1);
    app_.add_flag("--quiet", job_.quiet, "no progress on standard error");
    app_.fallthrough();
    app_.option_defaults()->always_capture_default();
    add_train();
    add_import();
    add_tandem("distill", "train a student stage by stage, end in integers", distill_command);
    add_tandem("baseline", "the folded teacher in integers, untrained", baseline_command);
    add_verify();
    add_eval();
    add_inspect();
    add_infer();
    add_export();
    add_trace();
    add_report();
    add_sweep();
  }

  int run(int argc, const char* const* argv) {
    for (int i = 0; i < argc; ++i) {
      job_.command_line += (i > 0 ? " " : "") + shell_word(argv[i]);
    }
    if (argc > 0) program_ = argv[0];
    if (argc <= 1) {
      std::fprintf(stderr, "%s", app_.help().c_str());
      return static_cast<int>(ExitCode::usage);
    }
    try {
      app_.parse(argc, argv);
    } catch (const CLI::Success& help_or_version) {
      if (!app_.remaining(true).empty()) refuse_extras();
      return app_.exit(help_or_version);
    } catch (const CLI::ParseError& error) {
      if (!app_.remaining(true).empty()) refuse_extras();
      throw Error("command line", error.what(), "see " + help_hint(), ExitCode::usage);
    }
    Progress::set_quiet(job_.quiet);
    use_threads(0);
    return static_cast<int>(actions_.at(app_.get_subcommands().front())());
  }

 private:
  std::string help_hint() const {
    const auto used = app_.get_subcommands();
    return used.empty() ? "intandem --help" : "intandem " + used.front()->get_name() + " --help";
  }

  /// Names the first argument nobody asked for and the nearest that is known.
  [[noreturn]] void refuse_extras() {
    const std::string extra = app_.remaining(true).front();
    const std::string first = extra.substr(0, extra.find('='));
    const auto used = app_.get_subcommands();
    std::vector<std::string> known;
    if (used.empty()) {
      for (const auto& [command, action] : actions_) known.push_back(command->get_name());
    } else if (first.rfind("--", 0) == 0) {
      for (const CLI::Option* option : used.front()->get_options()) {
        known.push_back(option->get_name());
      }
    }
    throw Error(
        "command line", "unknown argument '" + first + "'",
        (known.empty() ? "see " : "did you mean '" + closest_name(known, first) + "'? See ") +
            help_hint(),
        ExitCode::usage);
  }

  /// Runs record the command line and the paths in it as JSON.
  void check_command_line() const {
    if (is_utf8(job_.command_line)) return;
    throw Error("command line", "is not UTF-8: " + job_.command_line, "rename that file or folder",
                ExitCode::usage);
  }

  /// --resume: the configuration of the job that the flags mean.
  void recall_student(const ConfigFlags& flags, const std::string& prefix) {
    DistillConfig asked;
    flags.apply(describe(asked));
    std::string name = student_name(asked);
    if (!flags.has_any({"name", "weight_bits", "activation_bits"})) {
      const std::string found = job_to_resume(job_.run, prefix);
      if (!found.empty()) name = found;
    }
    apply_recorded_config(describe(distill_), job_.run, prefix + name);
    // A run that has been moved brings its teacher along.
    if (!file_exists(distill_.teacher)) distill_.teacher.clear();
  }

  void add_train() {
    CLI::App* command = app_.add_subcommand("train", "train the teacher");
    add_job_options(*command, job_);
    command->add_flag("--profile", job_.profile,
                      "time every layer: a table after each epoch, profile.json, report.html");
    train_flags_.add_to(*command, describe(train_));
    actions_[command] = [this] {
      check_command_line();
      if (job_.resume) apply_recorded_config(describe(train_), job_.run, "train");
      train_flags_.apply(describe(train_));
      return train_command(train_, job_);
    };
  }

  void add_import() {
    CLI::App* command =
        app_.add_subcommand("import", "take a teacher trained elsewhere (docs/exchange.md)");
    command->add_option("model", import_model_, "ONNX file, or state_dict (.safetensors)")
        ->required();
    refuse_empty(*command->add_option("--run", job_.run, "run directory, created if needed")
                      ->type_name("DIR")
                      ->required());
    command->add_flag(
        "--overwrite", job_.overwrite,
        "start again although the run directory holds a teacher; its results are lost");
    import_flags_.add_to(*command, describe(import_));
    actions_[command] = [this] {
      check_command_line();
      import_flags_.apply(describe(import_));
      return import_command(import_model_, import_, job_);
    };
  }

  void add_tandem(const char* name, const char* help,
                  ExitCode (*command_function)(DistillConfig, const JobOptions&)) {
    CLI::App* command = app_.add_subcommand(name, help);
    add_job_options(*command, job_);
    ConfigFlags& flags = distill_flags_[command];
    flags.add_to(*command, describe(distill_));
    actions_[command] = [this, &flags, command_function, prefix = std::string(name) + "-"] {
      check_command_line();
      if (job_.resume) recall_student(flags, prefix);
      flags.apply(describe(distill_));
      return command_function(distill_, job_);
    };
  }

  void add_verify() {
    CLI::App* command =
        app_.add_subcommand("verify", "check the training simulation against the integers");
    refuse_empty(
        *command->add_option("--run", verify_.run, "run directory")->type_name("DIR")->required());
    refuse_empty(*command->add_option("--name", verify_.name, "name of the student")->required());
    refuse_empty(*command->add_option("--data-dir", verify_.data_dir,
                                      "directory of the dataset; default: the student's"));
    command->add_flag("--other-data", verify_.other_data,
                      "go on although the images are not of the student's classes");
    command->add_option("--limit", verify_.limit, "use only so many test images; 0: all")
        ->check(CLI::NonNegativeNumber);
    command->add_option("--threads", verify_.threads, "threads; 0: all processors")
        ->check(CLI::Range(0, 4096));
    command->add_option("--algorithm", verify_.algorithm,
                        "kernels of the integer engine: auto, ref, or one by name");
    add_plan(*command, verify_.plan);
    actions_[command] = [this] { return verify_command(verify_); };
  }

  static void add_plan(CLI::App& command, std::string& plan) {
    command
        .add_option("--plan", plan,
                    "algorithm of each layer: measure on this machine and keep in the cache, "
                    "estimate, or FILE: that plan, made there if missing")
        ->type_name("HOW|FILE")
        ->capture_default_str();
  }

  void add_eval() {
    CLI::App* command = app_.add_subcommand("eval", "accuracy and speed on the test images");
    command->add_option("model", eval_.model, "integer model or teacher (.safetensors)")
        ->required();
    refuse_empty(
        *command->add_option("--data-dir", eval_.data_dir,
                             "directory of the dataset; default: where the model is from"));
    command->add_flag("--other-data", eval_.other_data,
                      "go on although the images are not of the model's classes");
    command->add_option("--limit", eval_.limit, "use only so many test images; 0: all")
        ->check(CLI::NonNegativeNumber);
    command->add_option("--batch", eval_.batch, "images per call of the engine")
        ->check(CLI::Range(1, 65536));
    command->add_option("--threads", eval_.threads, "threads; 0: all processors")
        ->check(CLI::Range(0, 4096));
    command->add_option("--algorithm", eval_.algorithm,
                        "kernels of the integer engine: auto, ref, or one by name");
    add_plan(*command, eval_.plan);
    command->add_flag("--profile", eval_.profile, "also time every layer of an integer model");
    refuse_empty(*command
                      ->add_option("--logits", eval_.logits,
                                   "also write the integers that the class is chosen from, int32 "
                                   "[images][classes]")
                      ->type_name("FILE.npy"));
    refuse_empty(*command
                      ->add_option("--predictions", eval_.predictions,
                                   "also write label, prediction and logits of every image there")
                      ->type_name("FILE.csv"));
    refuse_empty(*command
                      ->add_option("--pixels", eval_.pixels,
                                   "also write the images as the model sees them, uint8 "
                                   "[images][H][W][C]")
                      ->type_name("FILE.npy"));
    actions_[command] = [this] { return eval_command(eval_); };
  }

  void add_inspect() {
    CLI::App* command = app_.add_subcommand("inspect", "layers, bits, scales, bounds of a model");
    command->add_option("model", inspect_.model, "any .safetensors file of intandem")->required();
    command->add_flag("--plan", inspect_.plan, "also show the algorithm chosen for each layer");
    command
        ->add_option("--plan-from", inspect_.plan_from,
                     "measure (and keep), estimate, or a file as of --plan of eval")
        ->type_name("HOW|FILE")
        ->capture_default_str();
    command->add_option("--threads", inspect_.threads, "threads that the plan is for; 0: all")
        ->check(CLI::Range(0, 4096));
    command->add_option("--batch", inspect_.batch, "images at a time that the plan is for")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str();
    actions_[command] = [this] { return inspect_command(inspect_); };
  }

  void add_infer() {
    CLI::App* command = app_.add_subcommand("infer", "classify image files in integers");
    command->add_option("model", infer_.model, "integer model (.safetensors)")->required();
    command
        ->add_option("images", infer_.images,
                     "JPEG, PNG, BMP or GIF files, resized to the model's input")
        ->required();
    command->add_flag("--invert", infer_.invert,
                      "255 - pixel first; Fashion-MNIST shows light items on black");
    command->add_option("--top", infer_.top, "classes printed per image")
        ->check(CLI::Range(1, 1000));
    command->add_flag("--json", infer_.json,
                      "a line of JSON per image: image, class, name, top, logits; or image, error");
    command->add_option("--algorithm", infer_.algorithm,
                        "kernels of the integer engine: auto, ref, or one by name");
    add_plan(*command, infer_.plan);
    actions_[command] = [this] { return infer_command(infer_); };
  }

  void add_export() {
    CLI::App* command = app_.add_subcommand("export", "an integer model for other programs");
    command->add_option("model", export_.model, "integer model (.safetensors)")->required();
    CLI::Option_group* form = command->add_option_group("form", "what to write");
    refuse_empty(*form->add_option("--c", export_.c_dir,
                                   "directory for a freestanding C program (docs/embedded.md)")
                      ->type_name("DIR"));
    refuse_empty(*form->add_option("--onnx", export_.onnx,
                                   "ONNX file of integer operators, bit for bit (docs/exchange.md)")
                      ->type_name("FILE"));
    refuse_empty(
        *form->add_option("--qdq", export_.qdq,
                          "ONNX file between QuantizeLinear and DequantizeLinear, not exact")
             ->type_name("FILE"));
    form->require_option(1, 3);
    actions_[command] = [this] { return export_command(export_); };
  }

  void add_trace() {
    CLI::App* command = app_.add_subcommand(
        "trace", "one image through an integer model, product by product (docs/trace.md)");
    add_trace_options(*command, trace_);
    actions_[command] = [this] { return trace_command(trace_); };
  }

  void add_report() {
    CLI::App* command =
        app_.add_subcommand("report", "write report.html of a run, or the report of sweeps");
    refuse_empty(*command
                      ->add_option("--run", report_.runs,
                                   "run directory; a sweep's may be given several times for one "
                                   "page")
                      ->type_name("DIR")
                      ->required());
    refuse_empty(
        *command->add_option("--output", report_.output, "HTML file; default: DIR/report.html"));
    refuse_empty(*command->add_option("--markdown", report_.markdown,
                                      "Markdown file of a sweep, its plots beside it; default: "
                                      "DIR/report.md"));
    actions_[command] = [this] { return report_command(report_); };
  }

  void add_sweep() {
    CLI::App* command = app_.add_subcommand(
        "sweep", "run the teachers and students of a file (docs/sweeps.md), then report");
    command->add_option("file", sweep_.file, "what to run, a JSON file")->required();
    refuse_empty(*command
                      ->add_option("--run", sweep_.run,
                                   "directory of the sweep; default: runs/<file's name>")
                      ->type_name("DIR"));
    command->add_flag("--list,--dry-run", sweep_.list,
                      "print the commands of all jobs, numbered, and run none");
    command->add_option("--only", sweep_.only,
                        "run these jobs (and the teachers they need), such as 3,5-7");
    refuse_empty(*command->add_option("--data-dir", sweep_.overrides.data_dir,
                                      "directory of the dataset; default: the file's"));
    command->add_option("--dataset", sweep_.overrides.dataset,
                        "dataset of every teacher that is trained; default: the file's");
    command
        ->add_option("--teacher", sweep_.overrides.teachers,
                     "NAME=FILE: take this teacher instead of training NAME")
        ->type_name("NAME=FILE");
    command->add_option("--threads", sweep_.overrides.threads, "threads; 0: all processors")
        ->check(CLI::Range(0, 4096));
    actions_[command] = [this] {
      sweep_.quiet = job_.quiet;
      sweep_.program = program_;
      return sweep_command(sweep_);
    };
  }

  CLI::App app_;
  JobOptions job_;
  TrainConfig train_;
  ConfigFlags train_flags_;
  std::string import_model_;
  ImportConfig import_;
  ConfigFlags import_flags_;
  DistillConfig distill_;
  std::map<const CLI::App*, ConfigFlags> distill_flags_;
  VerifyOptions verify_;
  EvalOptions eval_;
  InspectOptions inspect_;
  InferOptions infer_;
  ExportOptions export_;
  TraceOptions trace_;
  ReportOptions report_;
  SweepOptions sweep_;
  std::string program_;
  std::map<const CLI::App*, std::function<ExitCode()>> actions_;
};

}  // namespace

int run_cli(int argc, const char* const* argv) { return Program().run(argc, argv); }

}  // namespace intandem
