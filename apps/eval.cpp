// `intandem eval`: top-1 of a teacher or an integer model on its dataset's test part.
#include <algorithm>
#include <cstdio>
#include <set>

#include "apps/commands.hpp"
#include "apps/evaluate.hpp"
#include "apps/figures.hpp"
#include "core/container.hpp"
#include "core/cpu.hpp"
#include "core/parallel.hpp"
#include "core/progress.hpp"
#include "distill/teacher.hpp"
#include "quant/integer/engine.hpp"

namespace intandem {

std::vector<std::int32_t> classify(Engine& engine, const TensorU8& images, std::int64_t batch) {
  const std::int64_t N = images.dim(0);
  const std::int64_t image_bytes = images.size() / std::max<std::int64_t>(1, N);
  const std::int64_t classes = engine.model().classes;
  TensorS32 logits(Shape{batch, classes});
  std::vector<std::int32_t> predicted(static_cast<std::size_t>(N));
  for (std::int64_t first = 0; first < N; first += batch) {
    const std::int64_t n = std::min(batch, N - first);
    engine.run(images.data() + first * image_bytes, n, logits.data());
    argmax_rows(logits.data(), n, classes, predicted.data() + first);
  }
  return predicted;
}

void check_fits(const IntModel& model, const Dataset& data, const std::string& source) {
  NetworkSpec spec;
  spec.name = model.network;
  spec.height = model.height;
  spec.width = model.width;
  spec.channels = model.channels;
  spec.classes = model.classes;
  check_fits(spec, data, source);
}

std::int64_t count_correct(const std::vector<std::int32_t>& predicted, const Dataset& data) {
  std::int64_t correct = 0;
  for (std::size_t i = 0; i < predicted.size(); ++i) correct += predicted[i] == data.labels[i];
  return correct;
}

std::string default_data_dir(const std::string& dataset) {
  return "/usr/share/datasets/" + dataset;
}

std::string algorithm_list(const Engine& engine) {
  std::set<std::string> names;
  for (int k = 0; k < static_cast<int>(engine.model().layers.size()); ++k) {
    names.insert(engine.layer(k).algorithm());
  }
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

namespace {

struct Evaluation {
  std::int64_t correct = 0;
  double seconds = 0;
  std::string how;
};

Evaluation eval_integer(const Container& file, const Dataset& test, const EvalOptions& options) {
  const IntModel model = load_model(file);
  check_fits(model, test, options.model);
  Engine engine(model, options.batch, options.algorithm);
  const Stopwatch watch;
  const auto predicted = classify(engine, test.images, options.batch);
  return {count_correct(predicted, test), watch.seconds(), algorithm_list(engine)};
}

Evaluation eval_teacher(const Dataset& test, const EvalOptions& options) {
  Teacher teacher = load_teacher(options.model);
  check_fits(teacher.net.spec(), test, options.model);
  const Stopwatch watch;
  const std::int64_t correct = count_correct(teacher.net, teacher.info.norm, test);
  return {correct, watch.seconds(), "float network"};
}

}  // namespace

ExitCode eval_command(const EvalOptions& options) {
  if (options.threads > 0) set_thread_count(static_cast<int>(options.threads));
  const Container file = Container::load(options.model);
  const bool is_teacher = file.kind() == "teacher";
  if (!is_teacher && file.kind() != "integer-model") {
    throw Error(options.model, "is a '" + file.kind() + "' file",
                "give a teacher or an integer model");
  }
  const ModelInfo info = load_info(file);
  const std::string data_dir =
      options.data_dir.empty() ? default_data_dir(info.dataset) : options.data_dir;
  const Dataset test = load_dataset(info.dataset, data_dir, options.limit).test;
  const Evaluation result =
      is_teacher ? eval_teacher(test, options) : eval_integer(file, test, options);
  std::printf("top-1 %.2f %% (%lld of %lld test images)\n", percent(result.correct, test.size()),
              static_cast<long long>(result.correct), static_cast<long long>(test.size()));
  std::printf("%.0f images/s (%s; %d threads, batch %lld)\n",
              static_cast<double>(test.size()) / std::max(result.seconds, 1e-9), result.how.c_str(),
              thread_count(), static_cast<long long>(options.batch));
  return ExitCode::ok;
}

}  // namespace intandem
