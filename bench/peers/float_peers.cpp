// The float kernels beside OpenBLAS and oneDNN. Every contender runs in a process of its own, so
// that only one library's threads exist at a time; the processes take turns.
// Usage: float_peers [threads] [rounds] [name filter]   → JSON on standard output,
// a table on standard error. Built by `make bench-peers` alone.
// (float_peers --worker CONTENDER THREADS FILTER is such a process.)
#include <cblas.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "bench/machine.hpp"
#include "bench/peers/float_cases.hpp"
#include "bench/peers/worker.hpp"
#include "core/cpu.hpp"
#include "core/error.hpp"
#include "core/machine_peak.hpp"
#include "core/parallel.hpp"

namespace {

using namespace intandem;
using namespace intandem::bench;

// A turn: two runs untimed, then runs for so long, but one at least.
constexpr double kTurn_s = 15e-3;
// Before each turn, until the last contender's threads sleep. (OpenBLAS's spin for 2²⁶ cycles.)
constexpr auto kPause = std::chrono::milliseconds(40);

// Seconds. On one thread the process's CPU time, which other processes disturb less.
double now_s() {
  timespec t{};
  clock_gettime(thread_count() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

// For every line with the number of a case, one turn: answers the seconds of its runs. The line
// "peak" is answered by the multiply-add peak, in GFLOPS.
int work(const std::string& contender, int threads, const std::string& filter) {
  set_thread_count(threads);
  openblas_set_num_threads(threads);
  const std::vector<FloatCase> cases = float_cases(filter);
  std::function<void()> run;
  std::string prepared;
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "peak") {
      std::printf("%.1f\n", peak_gflops_all_threads());
    } else {
      if (line != prepared) {
        run = nullptr;
        run = prepare(cases.at(std::stoul(line)), contender);
        prepared = line;
      }
      for (int i = 0; i < 2; ++i) run();
      std::string answer = "[";
      double spent_s = 0;
      do {
        const double start_s = now_s();
        run();
        const double elapsed_s = now_s() - start_s;
        spent_s += elapsed_s;
        answer += (answer.size() > 1 ? "," : "") + std::to_string(1e3 * elapsed_s);
      } while (spent_s < kTurn_s);
      std::printf("%s]\n", answer.c_str());
    }
    std::fflush(stdout);
  }
  return 0;
}

using Workers = std::map<std::string, std::unique_ptr<Worker>>;

std::string ask(const Workers& workers, const std::string& contender, const std::string& line) {
  std::this_thread::sleep_for(kPause);
  return workers.at(contender)->ask(line);
}

// The contenders in turn, another one first in each round; medians of all timed runs.
nlohmann::json compare(const FloatCase& c, std::size_t number, int rounds, const Workers& workers) {
  std::map<std::string, std::vector<double>> ms;
  std::vector<double> peak;
  for (int round = 0; round < rounds; ++round) {
    peak.push_back(std::stod(ask(workers, "intandem", "peak")));
    for (std::size_t i = 0; i < c.contenders.size(); ++i) {
      const std::string& name =
          c.contenders[(i + static_cast<std::size_t>(round)) % c.contenders.size()];
      const auto turn = nlohmann::json::parse(ask(workers, name, std::to_string(number)));
      for (const double run_ms : turn) ms[name].push_back(run_ms);
    }
  }
  nlohmann::json row = {{"name", c.name}, {"flop", c.flop}, {"fma_peak_gflops", median(peak)}};
  const double ours_ms = median(ms.at("intandem"));
  double peer_ms = 0;
  std::fprintf(stderr, "%-36s", c.name.c_str());
  for (const std::string& name : c.contenders) {
    const double time_ms = median(ms.at(name)), gflops = c.flop / time_ms * 1e-6;
    row["gflops"][name] = gflops;
    const bool ours = name == "intandem" || name == "winograd";
    if (!ours && (peer_ms == 0 || time_ms < peer_ms)) {
      peer_ms = time_ms;
      row["peer"] = name;
    }
    std::fprintf(stderr, " %s %7.1f", name.c_str(), gflops);
  }
  row["ours_ms"] = ours_ms;
  row["peer_ms"] = peer_ms;
  row["ratio"] = peer_ms / ours_ms;
  if (ms.contains("winograd")) {
    row["winograd_ms"] = median(ms["winograd"]);
    row["winograd_ratio"] = peer_ms / median(ms["winograd"]);
  }
  std::fprintf(stderr, "  peak %.1f (%.0f %%)  ratio %.3f\n", median(peak),
               c.flop / ours_ms * 1e-4 / median(peak), peer_ms / ours_ms);
  return row;
}

int compare_all(const std::string& self, int threads, int rounds, const std::string& filter) {
  unsetenv("OPENBLAS_CORETYPE");  // would make OpenBLAS run the kernels of another processor
  setenv("OMP_NUM_THREADS", std::to_string(threads).c_str(), 1);
  // Two threads that start on one processor may stay there for many runs.
  setenv("OMP_PROC_BIND", "true", 0);
  Workers workers;
  for (const std::string name : {"intandem", "openblas", "onednn", "winograd"}) {
    // OpenBLAS's threads would inherit the main thread's processor.
    const std::string unbound = name == "openblas" ? "env -u OMP_PROC_BIND " : "";
    workers[name] = std::make_unique<Worker>(unbound + self + " --worker " + name + " " +
                                             std::to_string(threads) + " '" + filter + "'");
  }
  nlohmann::json results = nlohmann::json::array();
  const std::vector<FloatCase> cases = float_cases(filter);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    results.push_back(compare(cases[i], i, rounds, workers));
  }
  const nlohmann::json report = {{"machine", describe_machine()},
                                 {"isa", std::string(isa_name(active_isa()))},
                                 {"threads", threads},
                                 {"clock", threads == 1 ? "process CPU time" : "wall clock"},
                                 {"repetitions", rounds},
                                 {"statistic", "median, a process each in turns, warm operands"},
                                 {"openblas", openblas_get_config()},
                                 {"results", results}};
  std::printf("%s\n", report.dump(1).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 5 && std::string(argv[1]) == "--worker") {
      return work(argv[2], std::atoi(argv[3]), argv[4]);
    }
    const int threads = argc > 1 ? std::atoi(argv[1]) : thread_count();
    const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 5;
    return compare_all(argv[0], threads, rounds, argc > 3 ? argv[3] : "");
  } catch (const Error& error) {
    std::fprintf(stderr, "intandem: error: %s\n", error.what());
    return static_cast<int>(error.code());
  }
}
