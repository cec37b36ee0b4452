// The integer engine beside oneDNN's int8 and ONNX Runtime's: "their int8, our W8A8 / W4A4 / …".
// Usage: int_peers THREADS ROUNDS FILTER LIMIT ORT_COMMAND LIBRARY…  → JSON on standard output, a
// table on standard error. LIMIT says what the caller has limited both sides to by their
// environment variables: none, avx512vnni or avx2. Built and run by `make bench-peers`
// (docs/benchmarks.md).
#include "bench/peers/int_peers.hpp"

#include <dlfcn.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <vector>

#include "bench/machine.hpp"
#include "bench/peers/contest.hpp"
#include "core/cpu.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"

namespace intandem::bench {
namespace {

/// The last `threads` processors of those that the process may use.
std::vector<int> choose_processors(int threads) {
  std::vector<int> chosen;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return chosen;
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0 && static_cast<int>(chosen.size()) < threads; --cpu) {
    if (CPU_ISSET(cpu, &allowed)) chosen.push_back(cpu);
  }
  return chosen;
}

/// One of OpenMP's threads, which all contenders of this process share, to each processor: two that
/// wake up on the same one share it for milliseconds.
void bind_threads(const std::vector<int>& processors) {
#pragma omp parallel for schedule(static, 1)
  for (std::size_t i = 0; i < processors.size(); ++i) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processors[i], &one);
    sched_setaffinity(0, sizeof one, &one);
  }
}

/// A process with threads of its own, which may use all of these processors.
std::string unbound(const std::string& command, const std::vector<int>& processors) {
  if (command.empty() || processors.empty()) return command;
  std::string list;
  for (const int cpu : processors) list += (list.empty() ? "" : ",") + std::to_string(cpu);
  return "taskset -c " + list + " " + command;
}

std::string shape_key(const ConvShape& s) {
  ConvShape one = s;
  one.N = 1;
  return one.str();
}

nlohmann::json compare_all(const std::vector<const IntPeer*>& peers, const PeersOptions& options,
                           nlohmann::json& problems) {
  nlohmann::json rows = nlohmann::json::array();
  const auto wanted = [&](const std::string& name) {
    return name.find(options.filter) != std::string::npos;
  };
  for (const std::int64_t N : {1, 16}) {
    const bool cold = N == 1;
    const std::string name = "alexnet/whole/b" + std::to_string(N) + (cold ? "/cold" : "/hot");
    if (wanted(name)) rows.push_back(compare_network(N, cold, peers, options, problems));
  }
  for (const std::int64_t N : {1, 16}) {
    std::set<std::string> seen;
    for (const NamedShape& named : read_all_shapes()) {
      // At batch 1 the weights of a linear layer come from memory in any network.
      const bool cold = N == 1 && named.shape.is_linear();
      const std::string name = named.network + "/" + named.layer + "/b" + std::to_string(N);
      if (!selected(named, N, options.limit)) continue;
      if (!seen.insert(shape_key(named.shape)).second || !wanted(name)) continue;
      rows.push_back(compare_layer(named, N, cold, peers, options));
    }
  }
  return rows;
}

}  // namespace

bool selected(const NamedShape& named, std::int64_t N, const std::string& limit) {
  if (limit == "none" || named.network == "alexnet224") return true;
  if (named.network == "resnet18_cifar") return limit == "avx512vnni" && named.layer == "conv2";
  if (named.network != "vgg16") return false;
  return limit != "avx2" || (N == 1 && (named.layer == "conv2_2" || named.layer == "conv3_2"));
}

std::vector<const IntPeer*> load_peers(const std::vector<std::string>& libraries,
                                       nlohmann::json& problems) {
  std::vector<const IntPeer*> peers;
  for (const std::string& library : libraries) {
    // Symbols stay local: two versions of one library have the same ones.
    void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const std::string why = std::string("not available: ") + dlerror();
      std::fprintf(stderr, "%s\n", why.c_str());
      problems.push_back(why);
      continue;
    }
    const auto get = reinterpret_cast<const IntPeer* (*)()>(dlsym(handle, "intandem_int_peer"));
    peers.push_back(get());
  }
  return peers;
}

nlohmann::json score(const std::string& name, double operations, double peak_gops,
                     const std::vector<Scored>& ours, const std::vector<Scored>& theirs) {
  nlohmann::json row = {{"name", name}, {"operations", operations}, {"int8_peak_gops", peak_gops}};
  double best = 0.0, best_direct = 0.0;
  std::string best_name = "none";
  for (const Scored& s : theirs) {
    row["ms"][s.name] = 1e3 * s.seconds;
    row["gops"][s.name] = operations / s.seconds * 1e-9;
    if (best == 0.0 || s.seconds < best) best = s.seconds, best_name = s.name;
    const bool lossy = s.name.find("lossy") != std::string::npos;
    if (!lossy && (best_direct == 0.0 || s.seconds < best_direct)) best_direct = s.seconds;
  }
  std::fprintf(stderr, "%-26s", name.c_str());
  for (const Scored& s : theirs)
    std::fprintf(stderr, " %s %.3f ms;", s.name.c_str(), 1e3 * s.seconds);
  for (const Scored& s : ours) {
    row["ms"][s.name] = 1e3 * s.seconds;
    row["gops"][s.name] = operations / s.seconds * 1e-9;
    if (best > 0.0) row["ratio_to_fastest_peer"][s.name] = best / s.seconds;
    if (best_direct > 0.0) {
      row["ratio_to_fastest_direct_peer"][s.name] = best_direct / s.seconds;
    }
    std::fprintf(stderr, " our %s %.3f ms", s.name.c_str(), 1e3 * s.seconds);
    if (best > 0.0) std::fprintf(stderr, " %.2fx", best / s.seconds);
  }
  if (!ours.empty()) {
    row["our_w8a8_percent_of_peak"] = 100.0 * operations / ours[0].seconds * 1e-9 / peak_gops;
    std::fprintf(stderr, " (W8A8 %.0f %% of peak)", row["our_w8a8_percent_of_peak"].get<double>());
  }
  row["peer"] = best_name;
  if (best > 0.0) row["peer_ms"] = 1e3 * best;
  return row;
}

}  // namespace intandem::bench

int main(int count, char** arguments) {
  using namespace intandem;
  bench::PeersOptions options;
  if (count < 6) {
    std::fprintf(stderr, "usage: int_peers THREADS ROUNDS FILTER LIMIT ORT_COMMAND LIBRARY...\n");
    return 2;
  }
  try {
    options.threads = std::max(1, std::atoi(arguments[1]));
    options.rounds = std::max(1, std::atoi(arguments[2]));
    options.filter = arguments[3];
    options.limit = arguments[4];
    options.ort_worker = arguments[5];
    const nlohmann::json machine = bench::describe_machine();  // before threads are bound
    set_thread_count(options.threads);
    const std::vector<int> processors = bench::choose_processors(options.threads);
    bench::bind_threads(processors);
    options.ort_worker = bench::unbound(options.ort_worker, processors);
    nlohmann::json problems = nlohmann::json::array();
    const auto peers = bench::load_peers({arguments + 6, arguments + count}, problems);
    std::fprintf(
        stderr,
        "their int8, our W8A8 / W4A4 / W2A2 / W1A1; %d thread(s), isa %s, limit %s, %d rounds\n",
        options.threads, std::string(isa_name(active_isa())).c_str(), options.limit.c_str(),
        options.rounds);
    nlohmann::json versions = nlohmann::json::array();
    for (const IntPeer* peer : peers) versions.push_back(peer->name);
    const nlohmann::json rows = bench::compare_all(peers, options, problems);
    const nlohmann::json report = {
        {"machine", machine},
        {"isa", std::string(isa_name(active_isa()))},
        {"limit", options.limit},
        {"threads", options.threads},
        {"clock", options.threads == 1 ? "process CPU time" : "wall clock"},
        {"rounds", options.rounds},
        {"statistic", "median over alternating turns; peers run int8 on 8-bit operands"},
        {"peers", versions},
        {"problems", problems},
        {"results", rows}};
    std::printf("%s\n", report.dump(1).c_str());
  } catch (const Error& e) {
    std::fprintf(stderr, "intandem: error: %s\n", e.what());
    return 1;
  }
  return 0;
}
