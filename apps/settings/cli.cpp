#include "apps/settings/cli.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <map>

#include "apps/commands/commands.hpp"
#include "apps/commands/tandem_job.hpp"
#include "apps/run/processes.hpp"
#include "apps/run/shell.hpp"
#include "apps/run/threads.hpp"
#include "apps/settings/cli_config.hpp"
#include "apps/settings/cli_options.hpp"
#include "apps/settings/recorded_config.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/mpi_transport.hpp"
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
    app_.set_version_flag("--version", "intandem " + intandem_version() + " (commit " +
                                           intandem_commit() + "; MPI: " + mpi_description() + ")");
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
    add_pack();
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
    const CLI::App* command = app_.get_subcommands().front();
    if (!is_parallel(*command)) refuse_processes(command->get_name());
    use_threads(0);
    return static_cast<int>(actions_.at(app_.get_subcommands().front())());
  }

 private:
  /// Commands that several processes do together.
  static bool is_parallel(const CLI::App& command) {
    const std::vector<std::string> all = {"train", "distill", "baseline", "verify", "eval"};
    return std::find(all.begin(), all.end(), command.get_name()) != all.end();
  }

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
    add_options(*command, verify_);
    actions_[command] = [this] { return verify_command(verify_); };
  }

  void add_eval() {
    CLI::App* command = app_.add_subcommand("eval", "accuracy and speed on the test images");
    add_options(*command, eval_);
    actions_[command] = [this] { return eval_command(eval_); };
  }

  void add_pack() {
    CLI::App* command = app_.add_subcommand("pack", "write the images of a folder into one file");
    add_options(*command, pack_);
    actions_[command] = [this] { return pack_command(pack_); };
  }

  void add_inspect() {
    CLI::App* command = app_.add_subcommand("inspect", "layers, bits, scales, bounds of a model");
    add_options(*command, inspect_);
    actions_[command] = [this] { return inspect_command(inspect_); };
  }

  void add_infer() {
    CLI::App* command = app_.add_subcommand("infer", "classify image files in integers");
    add_options(*command, infer_);
    actions_[command] = [this] { return infer_command(infer_); };
  }

  void add_export() {
    CLI::App* command = app_.add_subcommand("export", "an integer model for other programs");
    add_options(*command, export_);
    actions_[command] = [this] { return export_command(export_); };
  }

  void add_trace() {
    CLI::App* command = app_.add_subcommand(
        "trace", "one image through an integer model, product by product (docs/trace.md)");
    add_options(*command, trace_);
    actions_[command] = [this] { return trace_command(trace_); };
  }

  void add_report() {
    CLI::App* command =
        app_.add_subcommand("report", "write report.html of a run, or the report of sweeps");
    add_options(*command, report_);
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
  PackCommandOptions pack_;
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
