// What a step of distillation costs beside a training step of the teacher: docs/benchmarks.md.
// Usage: distill_steps [NETWORK [WIDTH [BATCH [TURNS [BITS]]]]]
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/print/figures.hpp"
#include "apps/print/text_table.hpp"
#include "bench/machine.hpp"
#include "core/cpu.hpp"
#include "core/file.hpp"
#include "core/parallel.hpp"
#include "core/profile.hpp"
#include "core/progress.hpp"
#include "distill/hybrid.hpp"
#include "distill/local_init.hpp"
#include "distill/stage_trainer.hpp"
#include "distill/teacher.hpp"

namespace {

using namespace intandem;

constexpr std::int64_t kBatchesPerEpoch = 16;
constexpr std::int64_t kStepsPerTurn = 5;  // the first is not counted

/// Random pixels: no time depends on what they show.
Dataset random_images(const NetworkSpec& spec, std::int64_t count, std::uint64_t seed) {
  Dataset data;
  data.name = "random";
  data.classes = spec.classes;
  data.images = TensorU8({count, spec.height, spec.width, spec.channels});
  const Rng rng(seed);
  for (std::int64_t i = 0; i < data.images.size(); ++i) {
    data.images[i] = static_cast<std::uint8_t>(rng.block(static_cast<std::uint64_t>(i))[0] >> 24);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    data.labels.push_back(static_cast<std::int32_t>(i % spec.classes));
  }
  for (std::int64_t c = 0; c < spec.classes; ++c) data.class_names.push_back(std::to_string(c));
  return data;
}

/// Seconds: of the process on one thread, which others do not slow down; else of the wall.
double seconds_now() {
  timespec now{};
  clock_gettime(thread_count() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The steps of one kind: their times, and what the operations in them took.
class Contender {
 public:
  explicit Contender(std::string contender) : name(std::move(contender)) {}

  void begin_turn() { steps_ = 0, last_ = seconds_now(); }
  /// After every step; true: enough for this turn.
  bool stepped() {
    if (steps_++ > 0) ms_.push_back(1e3 * (seconds_now() - last_));
    ++all_steps_;
    last_ = seconds_now();
    return steps_ == kStepsPerTurn;
  }
  /// What has passed since the last step does not count.
  void forget() { last_ = seconds_now(); }

  double median_ms() const {
    std::vector<double> sorted = ms_;
    std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
    return sorted[sorted.size() / 2];
  }
  /// Mean ms per step by phase, all units together.
  std::map<std::string, double> phases() const {
    std::map<std::string, double> ms;
    for (const ProfileRow& row : profiler.rows()) {
      ms[row.phase] += 1e3 * row.seconds / static_cast<double>(all_steps_);
    }
    return ms;
  }

  const std::string name;
  Profiler profiler;

 private:
  std::int64_t steps_ = 0, all_steps_ = 0;
  double last_ = 0;
  std::vector<double> ms_;
};

class Benchmark {
 public:
  Benchmark(const NetworkSpec& spec, std::int64_t batch, int bits)
      : data_{random_images(spec, kBatchesPerEpoch * batch, 1), random_images(spec, batch, 2)},
        norm_(measure_normalization(data_.train)),
        teacher_options_(options_of_teacher(batch)),
        options_(options_of_student(batch, bits)),
        trainer_(spec, data_, norm_, teacher_options_),
        student_(spec, norm_, options_.student, Rng(1)),
        hybrid_(trainer_.network(), student_, batch),
        stages_(hybrid_, options_, data_.train, data_.held_out) {
    contenders_.emplace_back("teacher");
    run_teacher(contenders_.front(), true);  // statistics for its batch norms
    for (int k = 0; k < student_.unit_count(); ++k) {
      hybrid_.freeze(k);
      local_init(hybrid_, k, data_.train, options_);
    }
    contenders_.emplace_back("joint");
    for (const UnitSpec& unit : spec.units) contenders_.emplace_back(unit.name);
  }

  void turn() {
    run_teacher(contenders_[0], false);
    run_stage(contenders_[1], student_.unit_count());
    for (int k = 0; k < student_.unit_count(); ++k) {
      run_stage(contenders_[static_cast<std::size_t>(k) + 2], k);
    }
  }

  void print() const {
    const double teacher_ms = contenders_[0].median_ms();
    TextTable steps({"step", "ms", "of the teacher's"});
    double sum = 0;
    const auto add = [&](const std::string& name, double ms) {
      steps.add({name, fixed(ms, 1), fixed(ms / teacher_ms, 2)});
    };
    for (const Contender& c : contenders_) {
      add(c.name, c.median_ms());
      sum += c.median_ms();
    }
    const double stage_count = static_cast<double>(contenders_.size()) - 2;
    add("mean of the stages", (sum - teacher_ms - contenders_[1].median_ms()) / stage_count);
    std::printf("%s\n", steps.str().c_str());
    print_phases();
  }

  /// One entry per step: name, ms (median), phases (mean ms by name).
  nlohmann::json results() const {
    nlohmann::json rows = nlohmann::json::array();
    for (const Contender& c : contenders_) {
      rows.push_back({{"name", c.name}, {"ms", c.median_ms()}, {"phases", c.phases()}});
    }
    return rows;
  }

 private:
  static TeacherOptions options_of_teacher(std::int64_t batch) {
    TeacherOptions options;
    options.batch = batch;
    options.epochs = 1 << 20;
    options.lr = 1e-3;
    return options;
  }
  static DistillOptions options_of_student(std::int64_t batch, int bits) {
    DistillOptions options;
    options.batch = batch;
    options.student.weight_bits = options.student.activation_bits = bits;
    options.calibration_images = batch;
    options.lr = options.joint_lr = 1e-6;  // stages are measured again and again
    return options;
  }

  void run_teacher(Contender& contender, bool untimed) {
    TeacherTrainer::Events events;
    std::int64_t left = kStepsPerTurn;
    events.on_step = [&](std::int64_t, double) {
      return untimed ? --left == 0 : contender.stepped();
    };
    events.on_epoch = [&](const TeacherEpoch&) {
      contender.forget();
      return false;
    };
    const UseProfiler use(untimed ? nullptr : &contender.profiler);
    contender.begin_turn();
    trainer_.run(events);
  }

  void run_stage(Contender& contender, int stage) {
    stages_.begin(stage);
    const UseProfiler use(&contender.profiler);
    contender.begin_turn();
    stages_.train({ActionKind::train, stage, 0, kStepsPerTurn}, kStepsPerTurn,
                  [&] { return contender.stepped(); });
  }

  void print_phases() const {
    std::vector<std::string> header = {"ms per step"};
    std::map<std::string, std::vector<double>> rows;
    for (std::size_t i = 0; i < contenders_.size(); ++i) {
      header.push_back(contenders_[i].name);
      double accounted = 0;
      for (const auto& [phase, ms] : contenders_[i].phases()) {
        rows[phase].resize(contenders_.size());
        rows[phase][i] = ms;
        accounted += ms;
      }
      rows["~"].resize(contenders_.size());
      rows["~"][i] = std::max(0.0, contenders_[i].median_ms() - accounted);
    }
    TextTable table(header);
    for (const auto& [phase, ms] : rows) {
      std::vector<std::string> cells = {phase == "~" ? "everything else" : phase};
      for (const double v : ms) cells.push_back(v > 0 ? fixed(v, 1) : "-");
      table.add(cells);
    }
    std::printf("%s", table.str().c_str());
  }

  Split data_;
  Normalization norm_;
  TeacherOptions teacher_options_;
  DistillOptions options_;
  TeacherTrainer trainer_;
  Student student_;
  Hybrid hybrid_;
  StageTrainer stages_;
  std::vector<Contender> contenders_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, const char* otherwise) {
    return argc > i ? argv[i] : otherwise;
  };
  try {
    Progress::set_quiet(true);
    const NetworkSpec spec =
        make_network(argument(1, "cifar-alexnet-64"), std::atof(argument(2, "0.5")), 10);
    const std::int64_t batch = std::atoll(argument(3, "128")), turns = std::atoll(argument(4, "5"));
    const int bits = std::atoi(argument(5, "4"));
    if (batch < 1 || turns < 1 || bits < 1 || bits > 8) {
      std::fprintf(stderr, "usage: distill_steps [NETWORK [WIDTH [BATCH [TURNS [BITS]]]]]\n");
      return 2;
    }
    std::printf("%s, width %s, batch %lld, W%dA%d, threads %d, %s: medians of %lld turns\n",
                spec.name.c_str(), argument(2, "0.5"), static_cast<long long>(batch), bits, bits,
                thread_count(), isa_name(active_isa()).data(), static_cast<long long>(turns));
    Benchmark benchmark(spec, batch, bits);
    for (std::int64_t turn = 0; turn < turns; ++turn) benchmark.turn();
    benchmark.print();
    const nlohmann::json report = {{"machine", bench::describe_machine()},
                                   {"network", spec.name},
                                   {"width", std::atof(argument(2, "0.5"))},
                                   {"batch", batch},
                                   {"turns", turns},
                                   {"bits", bits},
                                   {"threads", thread_count()},
                                   {"isa", std::string(isa_name(active_isa()))},
                                   {"results", benchmark.results()}};
    std::filesystem::create_directories("build/bench");
    write_file_atomic("build/bench/distill_steps.json", report.dump(1) + "\n");
    std::printf("\nbuild/bench/distill_steps.json\n");
  } catch (const Error& error) {
    std::fprintf(stderr, "intandem: error: %s\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
