// `intandem train`: config → data → TeacherTrainer → teacher.safetensors and results.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/commands/commands.hpp"
#include "apps/commands/tandem_job.hpp"
#include "apps/commands/training_profile.hpp"
#include "apps/print/figures.hpp"
#include "apps/run/data_check.hpp"
#include "apps/run/load_data.hpp"
#include "apps/run/processes.hpp"
#include "apps/run/run_files.hpp"
#include "apps/run/stop_signal.hpp"
#include "apps/run/threads.hpp"
#include "core/container.hpp"
#include "core/cpu.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/progress.hpp"
#include "core/version.hpp"
#include "distill/evaluate.hpp"
#include "distill/teacher.hpp"
#include "quant/quantized_network.hpp"

namespace intandem {
namespace {

Augment augment_of(const TrainConfig& config) {
  return augment_for(preprocessing_from_name(config.preprocessing, "--preprocessing"), config.shift,
                     config.flip, config.colour_jitter);
}

TeacherOptions teacher_options(const TrainConfig& config) {
  TeacherOptions options;
  options.epochs = config.epochs;
  options.batch = config.batch;
  options.warmup_epochs = config.warmup_epochs;
  options.lr = config.lr;
  options.schedule = schedule_from_name(config.schedule);
  options.sgd.momentum = static_cast<float>(config.momentum);
  options.sgd.nesterov = config.nesterov;
  options.sgd.weight_decay = static_cast<float>(config.weight_decay);
  options.sgd.clip_norm = static_cast<float>(config.clip_norm);
  options.label_smoothing = static_cast<float>(config.label_smoothing);
  options.augment = augment_of(config);
  options.seed = static_cast<std::uint64_t>(config.seed);
  options.winograd = config.winograd;
  options.synchronized_batch_norm = config.batch_norm == "sync";
  options.quantizers = chosen_quantizers(config);
  return options;
}

ModelInfo teacher_info(const TrainConfig& config, const Dataset& train, const Fingerprint& data) {
  ModelInfo info;
  info.dataset = config.dataset;
  info.data_dir = config.data_dir;
  info.data = data;
  info.class_names = train.class_names;
  info.seed = static_cast<std::uint64_t>(config.seed);
  info.limit = config.limit;
  info.augment = augment_of(config);
  info.preprocessing = preprocessing_from_name(config.preprocessing, "--preprocessing");
  info.skip_bad = config.skip_bad;
  info.commit = intandem_commit();
  return info;
}

/// The input size is known before the number of classes, which the data tell.
constexpr std::int64_t kAnyClasses = 10;

/// A built-in network by name, or one described in a file. `classes` of the data; 0: not known yet.
NetworkSpec chosen_network(const TrainConfig& config, std::int64_t classes) {
  const std::string name = choose_network(config.network, config.dataset);
  if (!name.ends_with(".json")) {
    return make_network(name, config.width, classes == 0 ? kAnyClasses : classes);
  }
  if (config.width != 1.0) {
    throw Error("--width", "is for the built-in networks, but --network is the file " + name,
                "write the channel counts into the file", ExitCode::usage);
  }
  const NetworkSpec spec = network_from_file(name);
  if (classes != 0 && spec.classes != classes) {
    throw Error(name,
                "the network has " + std::to_string(spec.classes) + " classes, " + config.dataset +
                    " has " + std::to_string(classes),
                "set its classes and the last unit's out to " + std::to_string(classes));
  }
  return spec;
}

/// held_out: as configured; 0 becomes the default for so many images. What cannot be trained is
/// refused before the images are read.
TrainTest load_training_data(const TrainConfig& config, const NetworkSpec& spec,
                             std::int64_t& held_out) {
  TrainTest data = load_data(request_of(config), spec, [&](const DataCounts& counts) {
    if (held_out == 0) held_out = default_held_out(counts.train_images);
    chosen_network(config, counts.classes);
    check_held_out(config.dataset, counts.train_images, held_out);
    check_batch(config.dataset, counts.train_images - held_out, config.batch);
  });
  if (has_photos(config.dataset)) note_image_size(spec, data.train.streamed());
  return data;
}

/// A resumed run goes on with the network it began with; the file may say something else by now.
void check_same_network(const Container& checkpoint, const NetworkSpec& spec) {
  const std::string& file = checkpoint.path();
  if (network_from_json(checkpoint.get("architecture"), file) != spec) {
    throw Error(file, "the run was started with another network than " + spec.name + " is now",
                "restore the network file, or start again with --overwrite", ExitCode::usage);
  }
}

constexpr std::int64_t kTestBatch = 256;
constexpr const char* kProfileFile = "profile.json";

/// The run as it is watched: log, progress line, checkpoints.
class TrainJob {
 public:
  TrainJob(RunDir& run, const ConfigKeys& keys, const TrainConfig& config, const Fingerprint& data,
           TeacherTrainer& trainer, double seconds_before, bool profile)
      : run_(run),
        keys_(keys),
        data_(data),
        config_(config),
        trainer_(trainer),
        seconds_before_(seconds_before),
        profile_(profile) {
    // An earlier try's profile would pass for this one's.
    if (!profile) std::filesystem::remove(run.path(kProfileFile));
  }

  bool train() {
    TeacherTrainer::Events events;
    events.on_step = [this](std::int64_t step, double loss) { return after_step(step, loss); };
    events.on_epoch = [this](const TeacherEpoch& epoch) { return after_epoch(epoch); };
    events.on_stop = [this] { checkpoint(); };
    if (profile_) peaks_ = measure_machine_peaks();
    const UseProfiler use(profile_ ? &profiler_ : nullptr);
    return trainer_.run(events);
  }

  double seconds() const { return seconds_before_ + watch_.seconds(); }

 private:
  bool after_step(std::int64_t step, double loss) {
    const std::int64_t per_epoch = trainer_.steps_per_epoch();
    if (!progress_) {
      progress_.emplace("teacher epoch " + std::to_string(step / per_epoch + 1) + "/" +
                            std::to_string(config_.epochs),
                        per_epoch);
    }
    progress_->update(step % per_epoch, "loss " + fixed(loss, 3));
    if (step % config_.checkpoint_every == 0) checkpoint();
    return stop_requested();
  }

  bool after_epoch(const TeacherEpoch& epoch) {
    const double held_out = percent(epoch.held_out_correct, epoch.held_out_images);
    if (progress_) progress_->update(trainer_.steps_per_epoch());
    if (progress_) progress_->finish("held-out " + fixed(held_out, 2) + " %");
    progress_.reset();
    run_.log({{"phase", "teacher"},
              {"epoch", epoch.epoch},
              {"step", epoch.step},
              {"loss", epoch.loss},
              {"train_top1", percent(epoch.train_correct, epoch.train_images)},
              {"held_out_top1", held_out},
              {"held_out_correct", epoch.held_out_correct},
              {"lr", epoch.lr},
              {"seconds", rounded(seconds(), 1)}});
    checkpoint();
    if (profile_) write_profile();
    return stop_requested();
  }

  void write_profile() {
    const Json profile = profile_to_json(profiler_, peaks_);
    write_file_atomic(run_.path(kProfileFile), to_text(profile, 1) + "\n");
    std::fprintf(stderr, "%s", profile_table(profile).c_str());
  }

  void checkpoint() {
    if (trainer_.step() == saved_step_) return;
    Container file("checkpoint");
    trainer_.store(file);
    run_.stamp(file, keys_);
    store_fingerprint(data_, file);
    file.put("seconds", Tensor<double>::full(Shape{1}, seconds()));
    file.save(run_.checkpoint_path());
    saved_step_ = trainer_.step();
  }

  RunDir& run_;
  const ConfigKeys& keys_;
  const Fingerprint& data_;
  const TrainConfig& config_;
  TeacherTrainer& trainer_;
  double seconds_before_;
  bool profile_;
  std::int64_t saved_step_ = -1;
  Profiler profiler_;
  MachinePeaks peaks_;
  Stopwatch watch_;
  std::optional<Progress> progress_;
};

/// The other shards train along and write nothing. False: stopped.
bool train_along(TeacherTrainer& trainer) {
  TeacherTrainer::Events events;
  events.on_step = [](std::int64_t, double) { return stop_requested(); };
  events.on_epoch = [](const TeacherEpoch&) { return stop_requested(); };
  return trainer.run(events);
}

/// The only place where a run touches the test images.
void finish_run(RunDir& run, const TrainConfig& config, TeacherTrainer& trainer,
                const ModelInfo& info, const Dataset& test, double seconds, Communicator& shard) {
  if (shard.is_first()) {
    save_teacher(trainer.network(), info, run.path("teacher.safetensors"));
  }
  const Evaluation result =
      evaluate_float(trainer.network(), info.norm, test, kTestBatch, {}, shard);
  if (!shard.is_first()) return;
  merge_results(run.directory(), {{"dataset", config.dataset},
                                  {"network", trainer.network().spec().name},
                                  {"seed", config.seed},
                                  {"class_names", info.class_names},
                                  {"teacher_crc", file_crc(run.path("teacher.safetensors"))},
                                  {"teacher_top1", percent(result.correct, test.size())},
                                  {"teacher_top5", percent(result.correct_top5, test.size())},
                                  {"teacher_arithmetic", describe_quantizers(trainer.network())},
                                  {"teacher_correct", result.correct},
                                  {"images", test.size()},
                                  {"teacher_seconds", rounded(seconds, 1)},
                                  {"seconds_total", rounded(seconds, 1)}});
  run.finish();
}

}  // namespace

ExitCode train_command(TrainConfig config, const JobOptions& job) {
  const ConfigKeys keys = describe(config);
  // Recorded for --resume, which may be typed elsewhere.
  if (!config.init.empty()) {
    config.init = std::filesystem::absolute(config.init).lexically_normal().string();
  }
  ShardGroup group(processes(), static_cast<int>(config.shards));
  exit_on_stop_signals();
  RunDir run(job, "train");
  if (!run.already_finished(keys)) {
    use_threads(config.threads);
    config.data_dir = resolve_data_dir(config.dataset, config.data_dir);
    const std::optional<Container> resume = run.open_checkpoint(keys);
    NetworkSpec spec = chosen_network(config, 0);
    const TeacherOptions options = teacher_options(config);
    if (options.quantizers) resolve_quantizers(spec, *options.quantizers);
    std::optional<Container> init;
    if (!config.init.empty() && !resume) init = Container::load(config.init, "teacher");
    std::int64_t held_out = config.held_out;
    TrainTest data = load_training_data(config, spec, held_out);
    spec = chosen_network(config, data.train.classes);
    check_class_names(data.train.class_names, config.data_dir);
    const Fingerprint found = fingerprint(data.train);
    if (resume) check_same_images(*resume, found, job.other_data);
    if (resume) check_same_network(*resume, spec);
    ModelInfo info = teacher_info(config, data.train, found);
    info.held_out = held_out;
    const Split split = split_held_out(std::move(data.train), held_out, info.seed);
    info.norm = measure_normalization(split.train);
    watch_stop_signals();
    bool finished = true;
    run_shards(
        group,
        [&](Communicator& shard) {
          check_same_everywhere(
              shard, {{"version", intandem_version() + " " + intandem_commit()},
                      {"instruction set", std::string(isa_name(active_isa()))},
                      {"configuration", results_text(keys)},
                      {"set of images", found.labels + ", " + found.pixels + found.files},
                      {"network", to_json(spec)}});
          TeacherTrainer trainer(spec, split, info.norm, options, resume ? &*resume : nullptr,
                                 init ? &*init : nullptr, shard);
          shard.barrier();  // every process has read what the first one is about to change
          double seconds = 0;
          bool reached_end = false;
          if (shard.is_first()) {
            run.begin(keys, true);
            run.open_log(resume ? &*resume : nullptr);
            if (!data.bad_files.empty()) {
              run.log({{"phase", "data"}, {"bad_files", data.bad_files}});
            }
            const double seconds_before = resume ? recorded_seconds(*resume) : 0.0;
            TrainJob work(run, keys, config, found, trainer, seconds_before, job.profile);
            reached_end = work.train();
            seconds = work.seconds();
          } else {
            reached_end = train_along(trainer);
          }
          if (reached_end) {
            finish_run(run, config, trainer, info, data.test, seconds, shard);
          } else if (shard.is_first()) {
            std::fprintf(stderr, "stopped at step %lld of %lld; go on with --resume\n",
                         static_cast<long long>(trainer.step()),
                         static_cast<long long>(trainer.total_steps()));
          }
          if (!reached_end && shard.index() == group.first()) finished = false;
        },
        job.trace);
    if (!finished) return ExitCode::interrupted;
  }
  if (!is_first_process()) return ExitCode::ok;
  const std::string path = job.run + "/results.json";
  const Json results = read_results_file(path);
  const auto number = [&](const char* key) { return required_number(results, key, path); };
  std::printf("teacher top-1 %.2f %% (%.0f of %.0f test images), top-5 %.2f %%\n",
              number("teacher_top1"), number("teacher_correct"), number("images"),
              number("teacher_top5"));
  return ExitCode::ok;
}

}  // namespace intandem
