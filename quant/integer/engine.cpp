#include "quant/integer/engine.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "core/error.hpp"
#include "core/memory.hpp"
#include "core/rng.hpp"
#include "quant/integer/measure.hpp"
#include "quant/integer/ops_ref.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kAlign = static_cast<std::int64_t>(kAlignment_bytes);

std::int64_t aligned(std::int64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

/// In integers, like everything here.
std::int64_t now_ns() {
  using std::chrono::nanoseconds;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<nanoseconds>(now).count();
}

/// A place in the activation arena.
struct Slot {
  std::int64_t offset = 0, bytes = 0;
};

}  // namespace

/// The plan. Two arenas: `lean` for run(), where a layer's codes live only until their last reader
/// is done, and `full` for run_prefix(), where all codes are kept; it is allocated on first use.
struct Engine::State {
  State(const IntModel& m, std::int64_t batch) : model(m), max_batch(batch) {}

  const IntModel& model;
  const std::int64_t max_batch;
  std::vector<Candidate> layers;
  std::vector<Slot> lean, full;  // output codes of every layer that gives codes
  std::int64_t lean_bytes = 0, full_bytes = 0, scratch_bytes = 0;
  std::shared_ptr<std::byte> lean_arena, full_arena, scratch, accumulators;
  bool kept = false;  // full_arena holds the codes of the last run
  bool timing = false;
  std::vector<std::int64_t> layer_ns;

  void plan_arenas();
  void measure(Plan& plan);
  /// The last layer that reads the codes of layer k (k itself if none does): the one after which
  /// the codes of layer k are no longer needed.
  int last_reader(int k) const;
  std::uint8_t* codes_of(int k) const;
  void run_layer(const PreparedLayer& prepared, int k, const std::uint8_t* images, std::int64_t N,
                 std::int32_t* logits) const;
  void run_layers(const std::uint8_t* images, std::int64_t N, int last, std::int32_t* logits);
};

int Engine::State::last_reader(int k) const {
  int last = k;
  for (int j = k + 1; j < static_cast<int>(model.layers.size()); ++j) {
    if (model.input_of(j) == k || model.layers[static_cast<std::size_t>(j)].add == k) last = j;
  }
  return last;
}

// First fit, in the order of the layers: a slot must not overlap any other that is still read when
// the layer writes its codes.
void Engine::State::plan_arenas() {
  const int count = static_cast<int>(model.layers.size());
  lean.resize(model.layers.size());
  full.resize(model.layers.size());
  for (int k = 0; k < count; ++k) {
    const auto i = static_cast<std::size_t>(k);
    if (model.layers[i].is_last()) continue;
    const std::int64_t bytes = aligned(max_batch * model.layers[i].output_size());
    full[i] = {full_bytes, bytes};
    full_bytes += bytes;

    std::vector<Slot> live;
    for (int j = 0; j < k; ++j) {
      if (last_reader(j) >= k) live.push_back(lean[static_cast<std::size_t>(j)]);
    }
    std::sort(live.begin(), live.end(),
              [](const Slot& a, const Slot& b) { return a.offset < b.offset; });
    std::int64_t offset = 0;
    for (const Slot& other : live) {
      if (offset + bytes <= other.offset) break;
      offset = std::max(offset, other.offset + other.bytes);
    }
    lean[i] = {offset, bytes};
    lean_bytes = std::max(lean_bytes, offset + bytes);
  }
}

std::uint8_t* Engine::State::codes_of(int k) const {
  const auto i = static_cast<std::size_t>(k);
  std::byte* base = kept ? full_arena.get() + full[i].offset : lean_arena.get() + lean[i].offset;
  return reinterpret_cast<std::uint8_t*>(base);
}

void Engine::State::run_layer(const PreparedLayer& prepared, int k, const std::uint8_t* images,
                              std::int64_t N, std::int32_t* logits) const {
  const IntLayer& layer = model.layers[static_cast<std::size_t>(k)];
  LayerRun args;
  args.N = N;
  const int input = model.input_of(k);
  args.input = input < 0 ? images : codes_of(input);
  if (layer.add >= 0) args.shortcut = codes_of(layer.add);
  if (layer.is_last()) {
    args.accumulators = logits;
  } else {
    args.codes = codes_of(k);
  }
  args.scratch = scratch.get();
  prepared.run(args);
}

void Engine::State::run_layers(const std::uint8_t* images, std::int64_t N, int last,
                               std::int32_t* logits) {
  for (int k = 0; k < last; ++k) {
    const auto i = static_cast<std::size_t>(k);
    const std::int64_t start = timing ? now_ns() : 0;
    run_layer(*layers[i].layer, k, images, N, logits);
    if (timing) layer_ns[i] += now_ns() - start;
  }
}

// Passes over images of pseudo-random pixels, in the memory of run().
void Engine::State::measure(Plan& plan) {
  const PlanMachine here = this_machine(max_batch);
  if (plan.machine != here) plan = {here, {}};
  const std::int64_t N = here.batch;
  const Rng rng = Rng(1).stream("plan");
  const auto largest =
      static_cast<std::uint32_t>(model.layers.empty() ? 0 : model.layers[0].in_max);
  TensorU8 images({N * model.height * model.width * model.channels});
  for (std::int64_t i = 0; i < images.size(); ++i) {
    images[i] = static_cast<std::uint8_t>(rng.below(static_cast<std::uint64_t>(i), largest + 1));
  }
  const bool complete = !model.layers.empty() && model.layers.back().is_last();
  TensorS32 logits({complete ? N * model.layers.back().output_size() : 0});
  lean_arena = allocate_aligned(static_cast<std::size_t>(lean_bytes));
  std::int64_t room_bytes = -1;
  layers = prepare_measured(
      model, plan,
      [&](const std::vector<const PreparedLayer*>& tried, std::vector<std::int64_t>& ns) {
        std::int64_t most = 0;
        for (const PreparedLayer* layer : tried) most = std::max(most, layer->scratch_bytes(N));
        if (most > room_bytes) scratch = allocate_aligned(static_cast<std::size_t>(most));
        room_bytes = std::max(room_bytes, most);
        for (std::size_t k = 0; k < tried.size(); ++k) {
          const std::int64_t start = now_ns();
          run_layer(*tried[k], static_cast<int>(k), images.data(), N, logits.data());
          ns[k] = now_ns() - start;
        }
      });
}

Engine::Engine(const IntModel& model, std::int64_t max_batch, const EngineOptions& options)
    : state_(std::make_unique<State>(model, max_batch)) {
  State& s = *state_;
  INTANDEM_CHECK(max_batch >= 1, "an engine needs a batch of at least one image");
  check_layers(model, "integer model");
  const char* forced = std::getenv("INTANDEM_INT_ALGORITHM");
  const bool from_environment = options.algorithm == "auto" && forced != nullptr && *forced != '\0';
  const std::string algorithm = from_environment ? forced : options.algorithm;
  s.plan_arenas();
  if (algorithm == "auto" && options.plan != nullptr) {
    s.measure(*options.plan);
  } else {
    for (const IntLayer& layer : model.layers) {
      s.layers.push_back(prepare_candidate(layer, algorithm, max_batch));
    }
  }
  for (const Candidate& layer : s.layers) {
    s.scratch_bytes = std::max(s.scratch_bytes, layer.layer->scratch_bytes(max_batch));
  }
  s.scratch = allocate_aligned(static_cast<std::size_t>(s.scratch_bytes));
  if (s.lean_arena == nullptr && !model.layers.empty() && model.layers.back().is_last()) {
    s.lean_arena = allocate_aligned(static_cast<std::size_t>(s.lean_bytes));
  }
}

Engine::~Engine() = default;

const IntModel& Engine::model() const { return state_->model; }

const PreparedLayer& Engine::layer(int k) const {
  INTANDEM_CHECK(k >= 0 && k < static_cast<int>(state_->layers.size()),
                 "no layer " + std::to_string(k));
  return *state_->layers[static_cast<std::size_t>(k)].layer;
}

const std::string& Engine::algorithm(int k) const {
  INTANDEM_CHECK(k >= 0 && k < static_cast<int>(state_->layers.size()),
                 "no layer " + std::to_string(k));
  return state_->layers[static_cast<std::size_t>(k)].name;
}

void Engine::run(const std::uint8_t* images, std::int64_t N, std::int32_t* logits) {
  State& s = *state_;
  INTANDEM_CHECK(!s.model.layers.empty() && s.model.layers.back().is_last(),
                 "the model has no last layer yet, so it gives no logits");
  s.kept = false;
  const std::int64_t image_bytes = s.model.height * s.model.width * s.model.channels;
  const std::int64_t outputs = s.model.layers.back().output_size();
  const int count = static_cast<int>(s.layers.size());
  for (std::int64_t n = 0; n < N; n += s.max_batch) {
    s.run_layers(images + n * image_bytes, std::min(s.max_batch, N - n), count,
                 logits + n * outputs);
  }
}

void Engine::run_prefix(const std::uint8_t* images, std::int64_t N, int last) {
  State& s = *state_;
  INTANDEM_CHECK(N >= 0 && N <= s.max_batch,
                 "batch of " + std::to_string(N) + ", planned for " + std::to_string(s.max_batch));
  INTANDEM_CHECK(last >= 0 && last <= static_cast<int>(s.layers.size()),
                 "no prefix of " + std::to_string(last) + " layers");
  if (s.full_arena == nullptr) {
    s.full_arena = allocate_aligned(static_cast<std::size_t>(s.full_bytes));
    const bool complete = !s.model.layers.empty() && s.model.layers.back().is_last();
    const std::int64_t outputs = complete ? s.max_batch * s.model.layers.back().output_size() : 0;
    s.accumulators = allocate_aligned(static_cast<std::size_t>(outputs) * sizeof(std::int32_t));
  }
  s.kept = true;
  s.run_layers(images, N, last, reinterpret_cast<std::int32_t*>(s.accumulators.get()));
}

const std::uint8_t* Engine::codes(int k) const {
  INTANDEM_CHECK(state_->kept && k >= 0 && k < static_cast<int>(state_->layers.size()) &&
                     !state_->model.layers[static_cast<std::size_t>(k)].is_last(),
                 "codes of layer " + std::to_string(k) + " were not kept");
  return state_->codes_of(k);
}

const std::int32_t* Engine::accumulators() const {
  INTANDEM_CHECK(state_->kept, "accumulators were not kept");
  return reinterpret_cast<const std::int32_t*>(state_->accumulators.get());
}

void Engine::time_layers(bool on) {
  state_->timing = on;
  if (on) state_->layer_ns.assign(state_->layers.size(), 0);
}

const std::vector<std::int64_t>& Engine::layer_ns() const { return state_->layer_ns; }

void argmax_rows(const std::int32_t* logits, std::int64_t N, std::int64_t classes,
                 std::int32_t* result) {
  for (std::int64_t n = 0; n < N; ++n) result[n] = argmax_ref(logits + n * classes, classes);
}

}  // namespace intandem
