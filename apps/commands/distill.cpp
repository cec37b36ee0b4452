// `intandem distill`: config → teacher and data → Tandem → integer model and results.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.hpp"
#include "apps/commands/tandem_job.hpp"
#include "apps/print/figures.hpp"
#include "apps/run/data_check.hpp"
#include "apps/run/processes.hpp"
#include "apps/run/run_files.hpp"
#include "apps/run/stop_signal.hpp"
#include "apps/run/threads.hpp"
#include "core/cpu.hpp"
#include "core/error.hpp"
#include "core/progress.hpp"
#include "core/version.hpp"
#include "distill/tandem.hpp"
#include "quant/lower.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kTestBatch = 256;
constexpr std::int64_t kSqnrImages = 1024;

/// A line of log.jsonl (schema: apps/report/report.hpp).
Json event_json(const TandemEvent& event, const std::string& student, double seconds) {
  Json line = {{"phase", event.joint ? "joint" : "stage"},
               {"student", student},
               {"stage", event.stage + 1},
               {"unit", event.unit},
               {"eval", event.eval},
               {"step", event.step}};
  if (event.step > 0) {  // before the first step there are no training losses
    line["lr"] = event.lr;
    line["loss"] = event.training.total;
    if (event.joint) {
      line["ce_loss"] = event.training.ce;
    } else {
      line["local_loss"] = event.training.local;
    }
    line["kd_loss"] = event.training.kd;
    line["inner_loss"] = event.training.inner;
  }
  line["held_out_loss"] = event.held_out.total;
  line["hybrid_top1"] = rounded(100.0 * event.held_out.top1, 2);
  line["best"] = event.new_best;
  line["seconds"] = rounded(seconds, 1);
  return line;
}

void print_event(const TandemEvent& event, const std::string& student) {
  std::fprintf(stderr, "%s %-8s eval %lld step %-5lld held-out loss %.4f, hybrid %.2f %%%s\n",
               student.c_str(), event.unit.c_str(), static_cast<long long>(event.eval),
               static_cast<long long>(event.step), event.held_out.total,
               100.0 * event.held_out.top1, event.new_best ? " *" : "");
}

double total_seconds(const Json& results) {
  double total = results.value("teacher_seconds", 0.0);
  for (const auto& [name, student] : results.at("students").items()) {
    total += student.value("seconds", 0.0);
  }
  return rounded(total, 1);
}

ModelInfo student_info(const ModelInfo& teacher, const DistillConfig& config) {
  ModelInfo info = teacher;
  info.seed = static_cast<std::uint64_t>(config.seed);
  info.commit = intandem_commit();
  return info;
}

/// A checkpoint's frozen layers imitate one teacher; going on with another would mix two.
void check_same_teacher(const Container& checkpoint, const std::string& teacher_crc,
                        const std::string& teacher_path) {
  if (checkpoint.get("teacher_crc") == teacher_crc) return;
  throw Error(teacher_path, "is not the teacher that " + checkpoint.path() + " was made with",
              "restore that teacher, or use --overwrite", ExitCode::usage);
}

/// The two files of a student.
IntModel save_student(RunDir& run, const DistillConfig& config, const TandemInputs& inputs,
                      Student& student) {
  const ModelInfo info = student_info(inputs.teacher.info, config);
  Container latent("student");
  store_student(student, latent);
  store_info(info, latent);
  latent.save(run.path(config.name + ".student.safetensors"));

  const IntModel model = lower(student, student.unit_count());
  const std::string model_path = run.path(config.name + ".safetensors");
  check_model(model, model_path);
  Container file("integer-model");
  store_model(model, file);
  store_info(info, file);
  file.save(model_path);
  return model;
}

/// Lowers the student, looks at the test images once, and writes everything down. All shards look,
/// the first one writes.
void finish_student(RunDir& run, const DistillConfig& config, TandemInputs& inputs,
                    FloatNetwork& teacher_net, Student& student, double seconds,
                    Communicator& shard) {
  const IntModel model = shard.is_first() ? save_student(run, config, inputs, student)
                                          : lower(student, student.unit_count());
  const Evaluation test = evaluate_integer(model, inputs.test, kTestBatch, {}, {}, shard);
  const Evaluation teacher = evaluate_teacher(run.directory(), config, inputs, teacher_net, shard);
  if (!shard.is_first()) return;
  const Dataset& held_out = inputs.split.held_out;
  std::vector<std::int32_t> few(static_cast<std::size_t>(std::min(kSqnrImages, held_out.size())));
  for (std::size_t i = 0; i < few.size(); ++i) few[i] = static_cast<std::int32_t>(i);
  Json sqnr = Json::array();
  for (const double db : layer_sqnr_db(teacher_net, student, subset(held_out, few), config.batch)) {
    sqnr.push_back(rounded(db, 2));
  }
  save_samples(run.path(config.name + ".samples.json"), inputs.test, test);
  const LoggedStages logged = read_logged_stages(run.path("log.jsonl"), run.job());
  const double passes = static_cast<double>(logged.steps * config.batch) /
                        static_cast<double>(inputs.split.train.size());
  Json figures = student_figures(config, teacher);
  figures.update(test_figures("student_", test, teacher));
  if (logged.joint_held_out_loss) figures["held_out_loss"] = *logged.joint_held_out_loss;
  figures.update({{"train_images", inputs.split.train.size()},
                  {"passes", rounded(passes, 3)},
                  {"model_bytes", model.model_bytes()},
                  {"seconds", rounded(seconds, 1)},
                  {"stage_hybrid_top1", logged.hybrid_top1},
                  {"sqnr_db", sqnr},
                  {"confusion", confusion_json(test, model.classes)},
                  {"layers", layers_json(model)},
                  {"mismatches", nullptr}});  // an earlier verification is void
  merge_student(run.directory(), config.name, figures);
  merge_results(run.directory(), {{"seconds_total", total_seconds(read_results(run.directory()))}});
  run.finish();
}

/// What a distillation goes by: the same for every shard of this process.
struct DistillJob {
  RunDir& run;
  const ConfigKeys& keys;
  const DistillConfig& config;
  const JobOptions& options;
  TandemInputs& inputs;
  const std::optional<Container>& resume;
  const std::string& teacher_crc;
};

/// One shard's part, to the end (true) or to a checkpoint.
bool distill_shard(const DistillJob& job, FloatNetwork& teacher, Communicator& shard) {
  RunDir& run = job.run;
  TandemInputs& inputs = job.inputs;
  const std::string& name = job.config.name;
  const ModelInfo& info = inputs.teacher.info;
  check_same_everywhere(
      shard, {{"version", intandem_version() + " " + intandem_commit()},
              {"instruction set", std::string(isa_name(active_isa()))},
              {"configuration", results_text(job.keys)},
              {"set of images", info.data.labels + ", " + info.data.pixels + info.data.files},
              {"teacher", job.teacher_crc}});
  const DistillOptions options = distill_options(job.config, info);
  const double seconds_before = job.resume ? recorded_seconds(*job.resume) : 0.0;
  const Stopwatch watch;
  TandemHooks hooks;
  hooks.should_stop = stop_requested;
  if (shard.is_first()) {
    hooks.checkpoint_path = run.checkpoint_path();
    hooks.checkpoint_seconds = job.config.checkpoint_seconds;
    hooks.log = [&](const TandemEvent& event) {
      run.log(event_json(event, name, seconds_before + watch.seconds()));
      if (!job.options.quiet) print_event(event, name);
    };
    hooks.add_to_checkpoint = [&](Container& file) {
      run.stamp(file, job.keys);
      file.set("teacher_crc", job.teacher_crc);
      store_fingerprint(info.data, file);
      file.put("seconds", Tensor<double>::full(Shape{1}, seconds_before + watch.seconds()));
    };
  }
  Tandem tandem(teacher, info.norm, inputs.split.train, inputs.split.held_out, options, hooks,
                shard);
  if (job.resume) tandem.resume(*job.resume);
  shard.barrier();  // every process has read what the first one is about to change
  if (shard.is_first()) {
    run.begin(job.keys);
    run.open_log(job.resume ? &*job.resume : nullptr);
  }
  const bool reached_end = tandem.run();
  if (reached_end) {
    finish_student(run, job.config, inputs, teacher, tandem.student(),
                   seconds_before + watch.seconds(), shard);
  } else if (shard.is_first()) {
    const int stage = tandem.schedule().state().stage, stages = tandem.student().unit_count();
    const std::string where =
        stage == stages ? "joint fine-tuning"
                        : "stage " + std::to_string(stage + 1) + " of " + std::to_string(stages);
    std::fprintf(stderr, "stopped in %s; go on with --resume\n", where.c_str());
  }
  return reached_end;
}

}  // namespace

ExitCode distill_command(DistillConfig config, const JobOptions& job) {
  complete(config, job.run);
  const ConfigKeys keys = describe(config);
  ShardGroup group(processes(), static_cast<int>(config.shards));
  exit_on_stop_signals();
  RunDir run(job, "distill-" + config.name);
  if (!run.already_finished(keys)) {
    use_threads(config.threads);
    const std::optional<Container> resume = run.open_checkpoint(keys);
    TandemInputs inputs = load_inputs(config, job);
    if (resume) check_same_images(*resume, inputs.teacher.info.data, job.other_data);
    const std::string teacher_crc = file_crc(config.teacher);
    if (resume) check_same_teacher(*resume, teacher_crc, config.teacher);
    distill_options(config, inputs.teacher.info);  // its errors before any thread
    const DistillJob work{run, keys, config, job, inputs, resume, teacher_crc};
    watch_stop_signals();
    bool finished = true;
    run_shards(
        group,
        [&](Communicator& shard) {
          // A quantized teacher remembers its weights as it works, so each shard has its own.
          const bool is_first_here = shard.index() == group.first();
          std::optional<Teacher> own;
          if (!is_first_here) own = load_teacher(config.teacher);
          const bool reached_end = distill_shard(work, own ? own->net : inputs.teacher.net, shard);
          if (is_first_here) finished = reached_end;
        },
        job.trace);
    if (!finished) return ExitCode::interrupted;
  }
  if (!is_first_process()) return ExitCode::ok;
  const std::string path = job.run + "/results.json";
  const Json results = read_results_file(path);
  const Json& student =
      required_object(required_object(results, "students", path), config.name.c_str(), path);
  const auto number = [&](const char* key) { return required_number(student, key, path); };
  std::printf("%s top-1 %.2f %% (%.0f of %.0f test images), top-5 %.2f %%, teacher %.2f %%\n",
              config.name.c_str(), number("student_top1"), number("student_correct"),
              number("images"), number("student_top5"), number("teacher_top1"));
  return ExitCode::ok;
}

}  // namespace intandem
