#include <cstdio>
#include <fstream>
#include <map>
#include <memory>

#include "bench/int_case.hpp"
#include "bench/int_network.hpp"
#include "bench/peers/contest.hpp"
#include "bench/peers/int_peers.hpp"
#include "bench/peers/worker.hpp"
#include "bench/sweep.hpp"
#include "core/container.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "quant/integer/engine.hpp"
#include "quant/multiplier.hpp"

namespace intandem::bench {
namespace {

constexpr const char* kModelFile = "build/bench/alexnet_w8a8.safetensors";
constexpr const char* kImagesFile = "build/bench/alexnet_images.u8";

/// Both models, made once.
const IntModel& alexnet_of(std::int32_t bits) {
  static std::map<std::int32_t, IntModel> models;
  auto [at, is_new] = models.try_emplace(bits);
  if (is_new) at->second = random_alexnet(bits);
  return at->second;
}

std::vector<PeerLayer> peer_layers(const IntModel& model) {
  std::vector<PeerLayer> layers;
  std::int64_t H = model.height, W = model.width, C = model.channels;
  for (const IntLayer& layer : model.layers) {
    PeerLayer l{};
    l.linear = layer.kind == IntLayerKind::linear;
    l.H = H, l.W = W, l.C = C, l.K = layer.shape.K;
    l.R = l.linear ? H : layer.shape.R;
    l.S = l.linear ? W : layer.shape.S;
    l.stride = layer.shape.stride;
    l.pad = layer.shape.pad;
    l.pool_kernel = layer.pool_kernel, l.pool_stride = layer.pool_stride;
    l.weights = layer.weights.data();
    l.bias = layer.bias.data();
    l.max_code = layer.max_code;
    if (!layer.is_last()) l.scale = static_cast<float>(multiplier_value(layer.scale[0]));
    layers.push_back(l);
    H = layer.pooled_P(), W = layer.pooled_Q(), C = layer.shape.K;
  }
  return layers;
}

/// ONNX Runtime in its own process; null with the reason among the problems if there is none.
std::unique_ptr<Worker> start_ort(std::int64_t N, const std::vector<std::uint8_t>& images,
                                  const PeersOptions& options, std::string& name,
                                  nlohmann::json& problems) {
  std::string why = "no virtual environment with onnxruntime (bench/peers/setup_venv.sh)";
  if (options.limit != "none") {
    why = "its instruction set cannot be limited (here: to " + options.limit + ")";
  } else if (!options.ort_worker.empty()) {
    try {
      Container file("integer-model");
      store_model(alexnet_of(8), file);
      file.save(kModelFile);
      std::ofstream(kImagesFile, std::ios::binary)
          .write(reinterpret_cast<const char*>(images.data()),
                 static_cast<std::streamsize>(images.size()));
      auto worker = std::make_unique<Worker>(
          options.ort_worker + " " + kModelFile + " " + kImagesFile + " " + std::to_string(N) +
          " " + std::to_string(options.threads) + " " + std::to_string(sweep_bytes()));
      name = "onnxruntime " + worker->ask("version");
      return worker;
    } catch (const Error& e) {
      why = e.what();
    }
  }
  problems.push_back("ONNX Runtime: " + why);
  std::fprintf(stderr, "ONNX Runtime not available: %s\n", why.c_str());
  return nullptr;
}

/// The logits the worker wrote, [N][classes] as float; empty if it wrote none.
std::vector<std::int32_t> worker_logits(Worker& worker, std::int64_t size) {
  std::ifstream in(worker.ask("logits"), std::ios::binary);
  std::vector<std::int32_t> logits(static_cast<std::size_t>(size));
  in.read(reinterpret_cast<char*>(logits.data()),
          static_cast<std::streamsize>(logits.size() * sizeof(std::int32_t)));
  return logits;
}

nlohmann::json logit_error(const std::vector<std::int32_t>& exact,
                           const std::vector<std::int32_t>& theirs, std::int64_t N) {
  const Deviation d = deviation(exact, theirs);
  std::int64_t range = 1, same_class = 0;
  for (const std::int32_t v : exact) range = std::max(range, std::abs(std::int64_t{v}));
  const std::int64_t classes = static_cast<std::int64_t>(exact.size()) / N;
  std::vector<std::int32_t> a(static_cast<std::size_t>(N)), b(a);
  argmax_rows(exact.data(), N, classes, a.data());
  argmax_rows(theirs.data(), N, classes, b.data());
  for (std::size_t n = 0; n < a.size(); ++n) same_class += a[n] == b[n];
  return {{"largest_logit_difference", d.largest},
          {"mean_logit_difference", d.mean},
          {"largest_logit", range},
          {"same_class_of_images", {same_class, N}}};
}

}  // namespace

nlohmann::json compare_network(std::int64_t N, bool cold, const std::vector<const IntPeer*>& peers,
                               const PeersOptions& options, nlohmann::json& problems) {
  const IntModel &w8 = alexnet_of(8), &w4 = alexnet_of(4);
  const auto images = random_codes(N * w8.height * w8.width * w8.channels, 255);
  std::vector<std::int32_t> logits(static_cast<std::size_t>(N * w8.classes)), exact, unused(logits);
  Plan plan;  // measured here and now, as eval does
  Engine engine8(w8, N, {"auto", &plan}), engine4(w4, N, {"auto", &plan}), reference(w8, N, "ref");
  std::vector<Contender> contenders = {
      {"W8A8", [&] { engine8.run(images.data(), N, logits.data()); }},
      {"W4A4", [&] { engine4.run(images.data(), N, unused.data()); }}};
  exact = logits;
  reference.run(images.data(), 1, exact.data());
  contenders[0].run();
  if (!std::equal(exact.begin(), exact.begin() + w8.classes, logits.begin())) {
    throw Error("alexnet W8A8", "our logits differ from the reference's", "run the tests",
                ExitCode::mismatch);
  }
  exact = logits;

  nlohmann::json errors, unavailable;
  const std::vector<PeerLayer> layers = peer_layers(w8);
  std::vector<std::shared_ptr<PeerNetwork>> networks;
  for (const IntPeer* peer : peers) {
    char why[256] = "";
    PeerNetwork* made =
        peer->create(layers.data(), static_cast<int>(layers.size()), N, 0, why, sizeof why);
    if (made == nullptr) {
      unavailable[peer->name] = why;
      problems.push_back(std::string(peer->name) + ", whole network: " + why);
      continue;
    }
    networks.emplace_back(made, peer->destroy);
    peer->set_input(made, images.data());
    peer->run(made);
    std::vector<std::int32_t> theirs(exact.size());
    peer->get_output(made, theirs.data());
    errors[peer->name] = logit_error(exact, theirs, N);
    contenders.push_back({peer->name, [peer, made] { peer->run(made); }});
  }
  std::string name;
  const std::unique_ptr<Worker> ort = start_ort(N, images, options, name, problems);
  if (ort != nullptr) {
    errors[name] = logit_error(exact, worker_logits(*ort, N * w8.classes), N);
    contenders.push_back(
        {name, {}, [&](bool sweep) { return std::stod(ort->ask(sweep ? "cold" : "hot")); }});
  }

  const ContestResult result = contest(contenders, {4 * options.rounds, cold});
  std::vector<Scored> ours, theirs;
  for (std::size_t c = 0; c < contenders.size(); ++c) {
    (c < 2 ? ours : theirs).push_back({contenders[c].name, result.seconds[c]});
  }
  double operations = 0.0;
  for (const IntLayer& layer : w8.layers) {
    operations += 2.0 * static_cast<double>(N * layer.shape.macs());
  }
  nlohmann::json row =
      score("alexnet/whole/b" + std::to_string(N), operations, result.peak_gops, ours, theirs);
  std::fprintf(stderr, "%s\n", cold ? " [cold]" : " [hot]");
  row["cache"] = cold ? "cold" : "hot";
  row["logit_difference_to_exact"] = errors;
  if (!unavailable.empty()) row["peers_cannot"] = unavailable;
  return row;
}

}  // namespace intandem::bench
