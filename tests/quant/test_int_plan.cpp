// Plans: by estimate, by measurement, from a file.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "core/error.hpp"
#include "core/file.hpp"
#include "quant/plan_file.hpp"
#include "tests/quant/small_net.hpp"
#include "tests/restore_settings.hpp"
#include "tests/temporary_directory.hpp"
#include "tests/with_variable.hpp"

using namespace intandem;
using namespace intandem::testing;

namespace {

std::vector<std::string> algorithms_of(const Engine& engine) {
  std::vector<std::string> names;
  for (int k = 0; k < static_cast<int>(engine.model().layers.size()); ++k) {
    names.push_back(engine.algorithm(k));
  }
  return names;
}

}  // namespace

TEST_CASE("a plan by estimate is the same every time", "[integer][plan]") {
  const IntModel model = small_net(31, false);
  CHECK(algorithms_of(Engine(model, 4)) == algorithms_of(Engine(model, 4)));
}

TEST_CASE("a measured plan has the quickest of what was timed, and the same integers",
          "[integer][plan]") {
  const RestoreSettings restore;
  Draw draw(32);
  constexpr std::int64_t N = 3;
  const auto images = random_codes(N * 300, 255, draw);
  const IntModel model = small_net(33, true);
  const auto wanted = naive_logits(model, N, images);
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    INFO(isa_name(isa));
    Plan plan;
    Engine engine(model, N, {"auto", &plan});
    CHECK(engine_logits(engine, N, images) == wanted);
    CHECK(plan.machine == this_machine(N));
    REQUIRE(plan.layers.size() == 5);
    for (std::size_t k = 0; k < 5; ++k) {
      const PlannedLayer& planned = plan.layers.at(plan_key(model, model.layers[k]));
      CHECK(planned.algorithm == engine.algorithm(static_cast<int>(k)));
      REQUIRE(planned.time_ns.count(planned.algorithm) == 1);
      for (const auto& [name, ns] : planned.time_ns) {
        CHECK(ns >= planned.time_ns.at(planned.algorithm));
        CHECK(prepare_exactly(model.layers[k], name) != nullptr);
      }
    }
    // The next engine goes by it; whatever it says, the integers stay.
    for (int turn = 0; turn < 3; ++turn) {
      for (auto& [key, planned] : plan.layers) {
        auto other = planned.time_ns.find(planned.algorithm);
        if (++other == planned.time_ns.end()) other = planned.time_ns.begin();
        planned.algorithm = other->first;
      }
      const Plan before = plan;
      Engine forced(model, N, {"auto", &plan});
      for (int k = 0; k < 5; ++k) {
        const std::string key = plan_key(model, model.layers[static_cast<std::size_t>(k)]);
        CHECK(forced.algorithm(k) == before.layers.at(key).algorithm);
        CHECK(plan.layers.at(key).time_ns == before.layers.at(key).time_ns);  // not measured again
      }
      CHECK(engine_logits(forced, N, images) == wanted);
    }
    // An algorithm that is not admissible is not believed.
    const std::string first = plan_key(model, model.layers[0]);
    plan.layers[first] = {"packed2", {{"packed2", 1}}};
    Engine mended(model, N, {"auto", &plan});
    CHECK(plan.layers.at(first).algorithm != "packed2");
    CHECK(engine_logits(mended, N, images) == wanted);
  }
}

TEST_CASE("a plan of another number of threads or images is made anew", "[integer][plan]") {
  const RestoreSettings restore;
  const IntModel model = small_net(34, false);
  Plan plan;
  Engine(model, 2, {"auto", &plan});
  const std::string first = plan_key(model, model.layers[0]);
  plan.layers.at(first) = {"ref", {{"ref", 1}}};
  set_thread_count(thread_count() + 1);
  Engine(model, 2, {"auto", &plan});
  CHECK(plan.machine.threads == thread_count());
  CHECK(plan.layers.at(first).time_ns.count("ref") == (active_isa() == Isa::ref ? 1 : 0));
  Engine(model, 3, {"auto", &plan});
  CHECK(plan.machine.batch == 3);
  Engine(model, 500, {"auto", &plan});
  CHECK(plan.machine.batch == kMostPlannedImages);
}

TEST_CASE("unfinished models are measured too", "[integer][plan]") {
  IntModel model = small_net(35, false);
  model.layers.resize(2);
  Plan plan;
  Engine engine(model, 2, {"auto", &plan});
  CHECK(plan.layers.size() == 2);
}

TEST_CASE("plan files: what was measured is kept, once", "[integer][plan]") {
  const RestoreSettings restore;
  const test::TemporaryDirectory directory;
  const test::WithVariable cache("XDG_CACHE_HOME", directory.path("cache"));
  const IntModel model = small_net(36, false);
  const std::string path = cached_plan_path(this_machine(4));
  CHECK(path.rfind(directory.path("cache") + "/intandem/plan-", 0) == 0);
  {
    PlanSource source("measure", 4);
    Engine(model, 4, source.options());
    source.keep();
  }
  const Plan kept = load_plan(path);
  CHECK(kept.machine == this_machine(4));
  CHECK(kept.layers.size() == 5);
  // The second run measures nothing, by the cache or by the same file as an option.
  for (const std::string& option : {std::string("measure"), path}) {
    PlanSource source(option, 4);
    Engine(model, 4, source.options());
    for (const auto& [key, layer] : source.plan()->layers) {
      CHECK(layer.time_ns == kept.layers.at(key).time_ns);
    }
  }
  CHECK(PlanSource("estimate", 4).plan() == nullptr);
  // Damaged: measured again.
  directory.write(std::filesystem::relative(path, directory.path()).string(), "{\"format\":");
  PlanSource mended("measure", 4);
  CHECK(mended.plan()->layers.empty());
  Engine(model, 4, mended.options());
  mended.keep();
  CHECK(load_plan(path).layers.size() == 5);
}

TEST_CASE("plan files: a missing one is made, a foreign or damaged one refused",
          "[integer][plan]") {
  const RestoreSettings restore;
  const test::TemporaryDirectory directory;
  const IntModel model = small_net(37, false);
  const std::string path = directory.path("plan.json");
  PlanSource source(path, 4);
  Engine(model, 4, source.options());
  source.keep();
  Plan plan = load_plan(path);
  CHECK(plan.layers.size() == 5);
  // One of an earlier version of the program is used.
  plan.machine.commit = "before";
  save_plan(path, plan);
  CHECK(PlanSource(path, 4).plan()->layers.size() == 5);
  CHECK_THROWS_AS(PlanSource(path, 5), Error);
  const auto refused = [&](const auto& change) {
    Plan foreign = plan;
    change(foreign.machine);
    save_plan(path, foreign);
    CHECK_THROWS_AS(PlanSource(path, 4), Error);
  };
  refused([](PlanMachine& m) { m.cpu = "Z80"; });
  refused([](PlanMachine& m) { m.instruction_set = "mmx"; });
  refused([](PlanMachine& m) { ++m.threads; });
  save_plan(path, plan);
  const std::string good = read_file(path, "");
  const auto damaged = [&](const std::string& text) {
    directory.write("plan.json", text);
    INFO(text.substr(0, 60));
    CHECK_THROWS_AS(PlanSource(path, 4), Error);
  };
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, good.size() / 2}) {
    damaged(good.substr(0, size));
  }
  damaged("[]");
  damaged("{\"format\": 1}");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    REQUIRE(text.find(from) != std::string::npos);
    return text.replace(text.find(from), from.size(), to);
  };
  damaged(with("intandem-plan", "intandem-model"));
  damaged(with("\"version\": 1", "\"version\": 2"));
  damaged(with("\"threads\": ", "\"threads\": 0."));
  damaged(with("\"layers\": {", "\"layers\": [], \"x\": {"));
  damaged(with("\"algorithm\": \"", "\"algorithm\": \"no "));
}
