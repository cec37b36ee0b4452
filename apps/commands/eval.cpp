// `intandem eval`: top-1 and top-5 of a teacher or an integer model on its dataset's test part.
#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>

#include "apps/commands/commands.hpp"
#include "apps/commands/predictions.hpp"
#include "apps/commands/profile.hpp"
#include "apps/print/figures.hpp"
#include "apps/run/data_check.hpp"
#include "apps/run/load_data.hpp"
#include "apps/run/processes.hpp"
#include "apps/run/threads.hpp"
#include "core/container.hpp"
#include "core/npy.hpp"
#include "core/parallel.hpp"
#include "core/text.hpp"
#include "distill/evaluate.hpp"
#include "distill/teacher.hpp"
#include "quant/integer/engine.hpp"
#include "quant/plan_file.hpp"
#include "quant/quantized_network.hpp"

namespace intandem {
namespace {

/// Of a data set of any size.
constexpr std::int64_t kProfiledImages = 10'000;

/// The algorithms in use, each once: "direct_avx512vnni, fc_packed4_avx512vnni".
std::string algorithm_list(const IntModel& model, std::int64_t batch,
                           const EngineOptions& options) {
  const Engine engine(model, batch, options);
  std::set<std::string> names;
  for (int k = 0; k < static_cast<int>(model.layers.size()); ++k) {
    names.insert(engine.layer(k).algorithm());
  }
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

Dataset load_test(const ModelInfo& info, const EvalOptions& options, const std::string& network,
                  std::int64_t height, std::int64_t width, std::int64_t channels,
                  std::string* data_dir) {
  NetworkSpec input;
  input.name = network;
  input.height = height;
  input.width = width;
  input.channels = channels;
  *data_dir = resolve_data_dir(info.dataset, data_directory(options.data_dir, info, options.model));
  DataRequest request = request_of(info, *data_dir);
  request.limit = options.limit;
  request.memory_gb = options.data_memory;
  Dataset test = load_test_data(request, input, info.class_names);
  check_same_classes(info, options.model, test, options.other_data);
  if (!options.pixels.empty() && is_first_process()) {
    save_npy(options.pixels, image_range(test, 0, test.size()));
  }
  return test;
}

/// What a teacher has not.
void refuse_for_teacher(const std::string& option, bool given, const std::string& problem) {
  if (given) throw Error(option, problem, "give an integer model", ExitCode::usage);
}

/// Of the times that the processes took.
double slowest(Communicator& shard, double seconds) {
  double most = 0;
  for (const std::vector<double>& one : shard.all_gather(std::vector<double>{seconds})) {
    most = std::max(most, one.front());
  }
  return most;
}

}  // namespace

ExitCode eval_command(const EvalOptions& options) {
  use_threads(options.threads);
  const Container file = Container::load(options.model);
  ShardGroup group(processes(), processes().size());
  Evaluation result;
  std::string how, profile, data_dir, dataset;
  std::optional<PredictionFile> predictions;
  const bool writes = is_first_process();
  if (!options.predictions.empty() && writes) predictions.emplace(options.predictions);
  if (file.kind() == "teacher") {
    refuse_for_teacher("--profile", options.profile,
                       "times the layers of integer models, and this is a teacher");
    refuse_for_teacher("--logits", !options.logits.empty(),
                       "writes the integers of integer models, and this is a teacher");
    Teacher teacher = load_teacher(options.model);
    const NetworkSpec& spec = teacher.net.spec();
    const Dataset test = load_test(teacher.info, options, spec.name, spec.height, spec.width,
                                   spec.channels, &data_dir);
    LogitSink<float> sink;
    if (predictions) {
      sink = predictions->sink<float>(test);
    } else if (!options.predictions.empty()) {
      sink = [](std::int64_t, std::int64_t, const float*) {};  // the first process writes
    }
    run_shards(group, [&](Communicator& shard) {
      result = evaluate_float(teacher.net, teacher.info.norm, test, options.batch, sink, shard);
      result.seconds = slowest(shard, result.seconds);
    });
    how = describe_quantizers(teacher.net);
    dataset = teacher.info.dataset;
  } else if (file.kind() == "integer-model") {
    const IntModel model = load_model(file);
    const ModelInfo info = load_info(file);
    dataset = info.dataset;
    const Dataset test = load_test(info, options, model.network, model.height, model.width,
                                   model.channels, &data_dir);
    PlanSource plan(options.plan, options.batch);
    const EngineOptions engine_options = plan.options(options.algorithm);
    how = algorithm_list(model, options.batch, engine_options);
    if (is_first_process()) plan.keep();
    LogitSink<std::int32_t> lines;
    if (predictions) lines = predictions->sink<std::int32_t>(test);
    TensorS32 logits;
    if (!options.logits.empty() && writes) logits = TensorS32(Shape{test.size(), model.classes});
    LogitSink<std::int32_t> sink;
    if (!(options.predictions + options.logits).empty()) {
      sink = [&](std::int64_t first, std::int64_t N, const std::int32_t* rows) {
        if (lines) lines(first, N, rows);
        if (logits.empty()) return;
        std::copy_n(rows, N * model.classes, logits.data() + first * model.classes);
      };
    }
    run_shards(group, [&](Communicator& shard) {
      result = evaluate_integer(model, test, options.batch, engine_options, sink, shard);
      result.seconds = slowest(shard, result.seconds);
    });
    if (!options.logits.empty() && writes) save_npy(options.logits, logits);
    if (options.profile && test.size() > 0) {
      const std::int64_t images = std::min(test.size(), kProfiledImages);
      const TensorU8 pixels = image_range(test, 0, images);
      profile = "\n" + profile_text(profile_model(model, pixels.data(), images, options.batch,
                                                  engine_options));
    }
  } else {
    throw Error(options.model, "is of kind '" + file.kind() + "'",
                "give a teacher or an integer model");
  }
  if (predictions) predictions->commit();
  std::printf("top-1 %.2f %% (%lld of %lld test images), top-5 %.2f %% (%lld)\n",
              percent(result.correct, result.images), static_cast<long long>(result.correct),
              static_cast<long long>(result.images), percent(result.correct_top5, result.images),
              static_cast<long long>(result.correct_top5));
  const std::string each =
      group.shards() > 1 ? std::to_string(group.shards()) + " processes of " : "";
  std::printf("%.0f images/s (%s; %s%d threads, batch %lld)\n",
              static_cast<double>(result.images) / std::max(result.seconds, 1e-9), how.c_str(),
              each.c_str(), thread_count(), static_cast<long long>(options.batch));
  std::printf("images: %s, %s\n", dataset.c_str(), printable(data_dir).c_str());
  std::printf("%s", profile.c_str());
  return ExitCode::ok;
}

}  // namespace intandem
