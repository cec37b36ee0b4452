// intandem_plan_check: is the choice of a measured plan the right one? Over all layers of
// bench/shapes at W8A8, W4A4 and W2A2, batches of 1 and 16: plans the layer as an engine does, then
// times every admissible algorithm by turns, for longer, and prints where the choice is furthest
// behind the best, and where 2 bits are furthest behind 4.
//
//     intandem_plan_check [--network=alexnet224,…] [--bits=8,4,2] [--batch=1,16] [--out=DIR]
//
// Results go to DIR/plan_check.json too. At batch 1 linear layers run with cold caches.
#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "bench/bench_options.hpp"
#include "bench/int_case.hpp"
#include "bench/machine.hpp"
#include "bench/shapes.hpp"
#include "core/cpu.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/json.hpp"
#include "core/parallel.hpp"

namespace intandem::bench {
namespace {

constexpr std::size_t kShown = 10;
constexpr int kLeastTimes = 15;
constexpr double kEnough_s = 0.15;  // of an algorithm

struct Result {
  std::string layer;  ///< "alexnet224/conv2, 16 images"
  std::int32_t bits = 0;
  std::string chosen;
  std::map<std::string, double> best_us;

  double chosen_us() const { return best_us.at(chosen); }
  std::string quickest() const {
    const auto less = [](const auto& a, const auto& b) { return a.second < b.second; };
    return std::min_element(best_us.begin(), best_us.end(), less)->first;
  }
  double behind() const { return chosen_us() / best_us.at(quickest()); }
};

Result check(const NamedShape& named, std::int32_t bits, std::int64_t N) {
  ConvShape shape = named.shape;
  shape.N = N;
  const IntLayer layer = random_layer(shape, bits);
  MeasuredLayer subject(layer, N);
  Result result;
  result.layer = named.network + "/" + named.layer + ", " + std::to_string(N) + " images";
  result.bits = bits;
  result.chosen = subject.choose().name;
  const std::vector<Candidate> candidates = find_candidates(layer);
  std::map<std::string, double>& best = result.best_us;
  double spent_ns = 0;
  for (int turn = 0;
       turn <= kLeastTimes || spent_ns < 1e9 * kEnough_s * static_cast<double>(candidates.size());
       ++turn) {
    for (const Candidate& c : candidates) {
      subject.run_ns(*c.layer);  // that of another algorithm has been there since
      const auto ns = static_cast<double>(subject.run_ns(*c.layer));
      spent_ns += 2 * ns;
      if (turn == 0) continue;
      const auto [at, is_new] = best.try_emplace(c.name, 1e-3 * ns);
      if (!is_new) at->second = std::min(at->second, 1e-3 * ns);
    }
  }
  return result;
}

void print_worst(std::vector<Result> results) {
  std::sort(results.begin(), results.end(),
            [](const Result& a, const Result& b) { return a.behind() > b.behind(); });
  std::printf("\nfurthest behind the best admissible algorithm, of %zu:\n", results.size());
  for (std::size_t i = 0; i < std::min(kShown, results.size()); ++i) {
    const Result& r = results[i];
    const std::string best = r.quickest();
    std::printf("%6.3f  %-34s W%dA%d  %s %.1f us, %s %.1f us\n", r.behind(), r.layer.c_str(),
                r.bits, r.bits, r.chosen.c_str(), r.chosen_us(), best.c_str(), r.best_us.at(best));
  }
}

void print_two_against_four(const std::vector<Result>& results) {
  std::map<std::string, std::map<std::int32_t, const Result*>> by_layer;
  for (const Result& r : results) by_layer[r.layer][r.bits] = &r;
  std::vector<std::pair<double, std::string>> ratios;
  for (const auto& [layer, of] : by_layer) {
    if (of.count(2) + of.count(4) < 2) continue;
    ratios.emplace_back(of.at(2)->chosen_us() / of.at(4)->chosen_us(), layer);
  }
  std::sort(ratios.rbegin(), ratios.rend());
  std::printf("\nW2A2 over W4A4, of %zu:\n", ratios.size());
  for (std::size_t i = 0; i < std::min(kShown, ratios.size()); ++i) {
    const auto& of = by_layer.at(ratios[i].second);
    std::printf("%6.3f  %-34s %s, %s\n", ratios[i].first, ratios[i].second.c_str(),
                of.at(2)->chosen.c_str(), of.at(4)->chosen.c_str());
  }
}

void run(const BenchOptions& options) {
  std::vector<Result> results;
  std::set<std::string> seen;  // layers of several networks have one shape
  for (const NamedShape& named : read_all_shapes()) {
    const auto& wanted = options.networks;
    if (!wanted.empty() && std::count(wanted.begin(), wanted.end(), named.network) == 0) continue;
    ConvShape shape = named.shape;
    shape.N = 1;
    if (!seen.insert(shape.str()).second) continue;
    for (const std::int64_t N : options.batches) {
      for (const std::int32_t bits : options.bits) {
        results.push_back(check(named, bits, N));
        const Result& r = results.back();
        std::printf("%-34s W%dA%d  %s", r.layer.c_str(), bits, bits, r.chosen.c_str());
        for (const auto& [name, us] : r.best_us) std::printf("  %s %.1f", name.c_str(), us);
        std::printf("\n");
        std::fflush(stdout);
      }
    }
  }
  if (results.empty()) return;
  print_worst(results);
  print_two_against_four(results);
  Json json = {{"machine", describe_machine()},
               {"instruction_set", isa_name(active_isa())},
               {"threads", thread_count()},
               {"layers", Json::array()}};
  for (const Result& r : results) {
    json["layers"].push_back(
        {{"layer", r.layer}, {"bits", r.bits}, {"chosen", r.chosen}, {"us", r.best_us}});
  }
  make_directory(options.directory);
  write_file_atomic(options.directory + "/plan_check.json", to_text(json, 1) + "\n");
}

}  // namespace
}  // namespace intandem::bench

int main(int argc, char** argv) {
  using namespace intandem;
  try {
    const auto is_batch = [](const char* a) { return std::string(a).rfind("--batch=", 0) == 0; };
    const bool batch_given = std::any_of(argv + 1, argv + argc, is_batch);
    bench::BenchOptions options = bench::take_options(argc, argv);
    if (!batch_given) options.batches = {1, 16};
    if (argc > 1) {
      throw Error(argv[1], "unknown option", "see the top of bench/plan_check.cpp",
                  ExitCode::usage);
    }
    bench::run(options);
  } catch (const Error& e) {
    std::fprintf(stderr, "intandem: error: %s\n", e.what());
    return static_cast<int>(e.code());
  }
  return 0;
}
