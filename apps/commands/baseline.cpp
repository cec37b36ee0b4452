// `intandem baseline`: what the teacher gives in integers without any training.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.hpp"
#include "apps/commands/tandem_job.hpp"
#include "apps/print/figures.hpp"
#include "apps/run/processes.hpp"
#include "apps/run/run_files.hpp"
#include "apps/run/stop_signal.hpp"
#include "apps/run/threads.hpp"
#include "core/progress.hpp"
#include "distill/folded_baseline.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kTestBatch = 256;

}  // namespace

ExitCode baseline_command(DistillConfig config, const JobOptions& job) {
  complete(config, job.run);
  const ConfigKeys keys = describe(config);
  // Nothing is trained: a shard for each process, whatever --shards says.
  ShardGroup group(processes(), processes().size());
  exit_on_stop_signals();  // seconds of work, all of it done again by --resume
  RunDir run(job, "baseline-" + config.name);
  if (!run.already_finished(keys)) {
    use_threads(config.threads);
    TandemInputs inputs = load_inputs(config, job, false);
    const DistillOptions options = distill_options(config, inputs.teacher.info);
    if (is_first_process()) run.begin(keys);
    run_shards(group, [&](Communicator& shard) {
      const Evaluation teacher =
          evaluate_teacher(run.directory(), config, inputs, inputs.teacher.net, shard);
      Json figures = student_figures(config, teacher);
      double seconds = 0;
      for (const bool per_channel : {true, false}) {
        const Stopwatch watch;
        const IntModel model = folded_baseline(
            inputs.teacher.net, inputs.teacher.info.norm, inputs.split.train,
            std::min(config.calibration_images, inputs.split.train.size()), per_channel,
            step_method_from_name(config.uniform_method), options.student);
        seconds += watch.seconds();
        const Evaluation test = evaluate_integer(model, inputs.test, kTestBatch, {}, {}, shard);
        figures.update(
            test_figures(per_channel ? "folded_per_channel_" : "folded_per_layer_", test, teacher));
      }
      if (!shard.is_first()) return;
      figures["baseline_seconds"] = rounded(seconds, 1);
      merge_student(run.directory(), config.name, figures);
      run.finish();
    });
  }
  if (!is_first_process()) return ExitCode::ok;
  const std::string path = job.run + "/results.json";
  const Json results = read_results_file(path);
  const Json& student =
      required_object(required_object(results, "students", path), config.name.c_str(), path);
  std::printf("%s folded without training: per channel %.2f %%, per layer %.2f %% top-1\n",
              config.name.c_str(), required_number(student, "folded_per_channel_top1", path),
              required_number(student, "folded_per_layer_top1", path));
  return ExitCode::ok;
}

}  // namespace intandem
