#include "quant/integer/measure.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <set>
#include <string>

namespace intandem {
namespace {

// All is to be over after so long, but passes get some time even if the preparation took it all.
constexpr std::int64_t kBudget_ns = 1'500'000'000, kLeastPasses_ns = 300'000'000;
constexpr int kFewTimes = 2, kManyTimes = 24;  // of a candidate
constexpr std::int64_t kWorstEstimate = 4;     // times the best: candidates beyond are not tried
constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::max();

struct Contender {
  Candidate candidate;
  std::int64_t best_ns = kNoTime;
  int times = 0;
  bool in = true;  ///< may still win
};

/// The contenders of one plan_key, tried in the place of layer `index`.
struct Contest {
  std::size_t index = 0;
  std::string key;
  std::vector<Contender> contenders;
  std::size_t turn = 0;

  std::int64_t best_ns() const {
    std::int64_t best = kNoTime;
    for (const Contender& c : contenders) best = std::min(best, c.best_ns);
    return best;
  }
  /// The next that may still win.
  std::size_t next() {
    do turn = (turn + 1) % contenders.size();
    while (!contenders[turn].in);
    return turn;
  }
  /// Leaves out who is far behind: by half after two times, by a tenth after many.
  void drop_slow() {
    const std::int64_t best = best_ns();
    for (Contender& c : contenders) {
      if (c.times >= kFewTimes && c.best_ns / 3 > best / 2) c.in = false;
      if (c.times >= kManyTimes / 2 && c.best_ns / 11 > best / 10) c.in = false;
    }
  }
  bool decided() const {
    int in = 0, least = kManyTimes;
    for (const Contender& c : contenders) {
      if (!c.in) continue;
      ++in;
      least = std::min(least, c.times);
    }
    return least >= (in > 1 ? kManyTimes : kFewTimes);
  }
};

std::vector<Contender> find_contenders(const IntLayer& layer, std::int64_t batch) {
  std::vector<Candidate> candidates = find_candidates(layer);
  std::int64_t least = kNoTime;
  for (const Candidate& c : candidates) {
    least = std::min(least, estimate_cycles(*c.layer, batch));
  }
  std::vector<Contender> contenders;
  for (Candidate& c : candidates) {
    if (estimate_cycles(*c.layer, batch) / kWorstEstimate > least) continue;
    contenders.push_back({std::move(c)});
  }
  return contenders;
}

std::int64_t now_ns() {
  using std::chrono::nanoseconds;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<nanoseconds>(now).count();
}

void run_contests(std::vector<Contest>& contests, std::vector<const PreparedLayer*> layers,
                  const TimedPass& pass, std::int64_t begin_ns) {
  std::vector<std::int64_t> ns(layers.size());
  std::size_t most = 0;
  for (const Contest& contest : contests) most = std::max(most, contest.contenders.size());
  const std::size_t first_passes = (1 + kFewTimes) * most;  // the first time of each is thrown away
  std::int64_t end_ns = 0;
  for (std::size_t i = 0;; ++i) {
    if (i == first_passes) end_ns = std::max(begin_ns + kBudget_ns, now_ns() + kLeastPasses_ns);
    const auto decided = [](const Contest& contest) { return contest.decided(); };
    if (i >= first_passes &&
        (now_ns() > end_ns || std::all_of(contests.begin(), contests.end(), decided))) {
      return;
    }
    for (Contest& contest : contests) {
      layers[contest.index] = contest.contenders[contest.next()].candidate.layer.get();
    }
    pass(layers, ns);
    for (Contest& contest : contests) {
      Contender& tried = contest.contenders[contest.turn];
      if (i >= most) {
        tried.best_ns = std::min(tried.best_ns, ns[contest.index]);
        ++tried.times;
      }
      if (i >= first_passes) contest.drop_slow();
    }
  }
}

}  // namespace

std::vector<Candidate> prepare_measured(const IntModel& model, Plan& plan, const TimedPass& pass) {
  const std::int64_t begin_ns = now_ns(), batch = plan.machine.batch;
  std::vector<Candidate> layers(model.layers.size());
  std::vector<const PreparedLayer*> running(model.layers.size());
  std::vector<Contest> contests;
  std::set<std::string> measured;
  for (std::size_t k = 0; k < layers.size(); ++k) {
    const IntLayer& layer = model.layers[k];
    std::string key = plan_key(model, layer);
    const auto known = plan.layers.find(key);
    if (known != plan.layers.end() && is_algorithm(known->second.algorithm)) {
      const std::string& algorithm = known->second.algorithm;
      layers[k] = {algorithm, prepare_exactly(layer, algorithm)};
    }
    if (layers[k].layer == nullptr && measured.insert(key).second) {
      Contest contest{k, std::move(key), find_contenders(layer, batch)};
      running[k] = contest.contenders.front().candidate.layer.get();
      contests.push_back(std::move(contest));
      continue;
    }
    // Of a kind that is being measured: by estimate until then.
    if (layers[k].layer == nullptr) layers[k] = prepare_candidate(layer, "auto", batch);
    running[k] = layers[k].layer.get();
  }
  if (contests.empty()) return layers;
  run_contests(contests, std::move(running), pass, begin_ns);
  for (Contest& contest : contests) {
    const std::int64_t best = contest.best_ns();
    PlannedLayer planned;
    for (Contender& c : contest.contenders) {
      planned.time_ns[c.candidate.name] = c.best_ns;  // every one was timed
      if (c.best_ns != best || !planned.algorithm.empty()) continue;
      planned.algorithm = c.candidate.name;
      layers[contest.index] = std::move(c.candidate);
    }
    contest.contenders.clear();  // their packed weights
    for (std::size_t k = contest.index + 1; k < layers.size(); ++k) {
      if (plan_key(model, model.layers[k]) != contest.key) continue;
      // Another layer of the kind may have weights that are beyond the algorithm's range.
      auto chosen = prepare_exactly(model.layers[k], planned.algorithm);
      if (chosen != nullptr) layers[k] = {planned.algorithm, std::move(chosen)};
    }
    plan.layers[contest.key] = std::move(planned);
  }
  return layers;
}

}  // namespace intandem
