// `intandem verify`: the simulation that trained a student against the integers that are deployed.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/commands/commands.hpp"
#include "apps/commands/tandem_job.hpp"
#include "apps/run/data_check.hpp"
#include "apps/run/load_data.hpp"
#include "apps/run/processes.hpp"
#include "apps/run/run_dir.hpp"
#include "apps/run/threads.hpp"
#include "core/container.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "quant/plan_file.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kBatch = 64;

void print_mismatch(const Mismatch& mismatch, const IntModel& model) {
  std::printf(
      "%lld mismatches in %lld images; first: image %lld, layer %s, element %lld: "
      "simulated %lld, integer %lld\n",
      static_cast<long long>(mismatch.count), static_cast<long long>(mismatch.images),
      static_cast<long long>(mismatch.image),
      model.layers[static_cast<std::size_t>(mismatch.layer)].name.c_str(),
      static_cast<long long>(mismatch.index), static_cast<long long>(mismatch.simulated),
      static_cast<long long>(mismatch.integer));
}

}  // namespace

ExitCode verify_command(const VerifyOptions& options) {
  use_threads(options.threads);
  ShardGroup group(processes(), processes().size());
  std::optional<DirectoryLock> lock;
  if (is_first_process()) lock.emplace(options.run);
  const std::string base = options.run + "/" + options.name;
  const Container latent = Container::load(base + ".student.safetensors", "student");
  const Container deployed = Container::load(base + ".safetensors", "integer-model");
  Student student = load_student(latent);
  const IntModel model = load_model(deployed);
  DistillConfig config;
  config.name = options.name;
  complete(config, options.run);
  const ModelInfo info = load_info(deployed);
  const std::string data_dir = resolve_data_dir(
      info.dataset,
      data_directory(options.data_dir, info, deployed.path(), recorded_data_dir(options.run)));
  DataRequest request = request_of(info, data_dir);
  if (options.limit > 0) request.limit = options.limit;
  request.memory_gb = options.data_memory;
  const Dataset test = load_test_data(request, student.spec(), info.class_names);
  check_same_classes(info, deployed.path(), test, options.other_data);
  PlanSource plan(options.plan, kBatch);
  const EngineOptions engine_options = plan.options(options.algorithm);
  Mismatch mismatch;
  run_shards(group, [&](Communicator& shard) {
    mismatch = compare_with_simulation(student, model, test, kBatch, engine_options, shard);
  });
  if (!is_first_process()) return mismatch.count > 0 ? ExitCode::mismatch : ExitCode::ok;
  plan.keep();
  merge_student(options.run, options.name,
                {{"mismatches", mismatch.count}, {"verified_images", test.size()}});
  if (mismatch.count > 0) {
    print_mismatch(mismatch, model);
    return ExitCode::mismatch;
  }
  std::printf("%s: 0 mismatches in %lld images, %zu layers: simulation and integers agree\n",
              options.name.c_str(), static_cast<long long>(test.size()), model.layers.size());
  std::printf("images: %s, %s\n", info.dataset.c_str(), printable(data_dir).c_str());
  return ExitCode::ok;
}

}  // namespace intandem
