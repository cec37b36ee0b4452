#include <cstdio>
#include <memory>

#include "bench/int_case.hpp"
#include "bench/peers/contest.hpp"
#include "bench/peers/int_peers.hpp"
#include "core/error.hpp"
#include "quant/integer/plan.hpp"
#include "quant/multiplier.hpp"

namespace intandem::bench {
namespace {

struct OurLayer {
  IntLayer layer;
  std::vector<std::uint8_t> input;
  std::unique_ptr<Workload> workload;
};

/// Ours at so many bits, checked against the reference on the first image. algorithm: "auto", by a
/// plan measured here and now, or as prepare_layer.
OurLayer prepare_ours(const NamedShape& named, std::int64_t N, std::int32_t bits,
                      const std::string& algorithm) {
  OurLayer ours;
  ours.layer = random_layer(named.shape, bits);
  const ConvShape& s = ours.layer.shape;
  ours.input = random_codes(N * s.H * s.W * s.C, ours.layer.in_max);
  auto prepared = algorithm == "auto" ? MeasuredLayer(ours.layer, N).choose().layer
                                      : prepare_layer(ours.layer, algorithm, N);
  ours.workload = std::make_unique<Workload>(std::move(prepared), ours.layer, N, ours.input);
  ours.workload->run();
  const auto& exact = reference_codes(ours.layer, ours.input, s.str() + std::to_string(bits));
  if (!std::equal(exact.begin(), exact.end(), ours.workload->codes().begin())) {
    throw Error(named.network + "/" + named.layer, "our codes differ from the reference's",
                "run the tests", ExitCode::mismatch);
  }
  return ours;
}

PeerLayer peer_layer(const IntLayer& layer) {
  const ConvShape& s = layer.shape;
  PeerLayer l{};
  l.H = s.H, l.W = s.W, l.C = s.C, l.K = s.K, l.R = s.R, l.S = s.S;
  l.stride = s.stride, l.pad = s.pad;
  l.weights = layer.weights.data();
  l.bias = layer.bias.data();
  l.scale = static_cast<float>(multiplier_value(layer.scale[0]));
  l.max_code = layer.max_code;
  l.linear = layer.kind == IntLayerKind::linear;
  return l;
}

}  // namespace

nlohmann::json compare_layer(const NamedShape& named, std::int64_t N, bool cold,
                             const std::vector<const IntPeer*>& peers,
                             const PeersOptions& options) {
  const OurLayer w8 = prepare_ours(named, N, 8, "auto");
  const OurLayer w4 = prepare_ours(named, N, 4, "auto");
  const OurLayer w2 = prepare_ours(named, N, 2, "auto");
  const OurLayer w1 = prepare_ours(named, N, 1, "auto");
  std::vector<Contender> contenders = {{"W8A8", [&] { w8.workload->run(); }},
                                       {"W4A4", [&] { w4.workload->run(); }},
                                       {"W2A2", [&] { w2.workload->run(); }},
                                       {"W1A1", [&] { w1.workload->run(); }}};
  const std::size_t our_count = contenders.size();
  const PeerLayer layer = peer_layer(w8.layer);
  nlohmann::json errors, unavailable, implementations;
  std::vector<std::shared_ptr<PeerNetwork>> networks;
  for (const IntPeer* peer : peers) {
    for (const bool lossy : {false, true}) {
      const ConvShape& s = named.shape;
      if (lossy && (s.R != 3 || s.S != 3 || s.stride != 1)) continue;
      const std::string name = std::string(peer->name) + (lossy ? " lossy Winograd" : "");
      char why[256] = "";
      PeerNetwork* made = peer->create(&layer, 1, N, lossy, why, sizeof why);
      if (made == nullptr) {
        unavailable[name] = why;
        continue;
      }
      std::shared_ptr<PeerNetwork> network(made, peer->destroy);
      peer->set_input(made, w8.input.data());
      peer->run(made);
      std::vector<std::uint8_t> codes(w8.workload->codes().size());
      peer->get_output(made, codes.data());
      const Deviation d = deviation(w8.workload->codes(), codes);
      errors[name] = {
          {"largest", d.largest}, {"mean", d.mean}, {"differing_percent", d.differing_percent}};
      implementations[name] = peer->implementation(made, 0);
      contenders.push_back({name, [peer, made] { peer->run(made); }});
      networks.push_back(std::move(network));
    }
  }
  const ContestResult result = contest(contenders, {options.rounds, cold});
  std::vector<Scored> ours, theirs;
  for (std::size_t c = 0; c < contenders.size(); ++c) {
    (c < our_count ? ours : theirs).push_back({contenders[c].name, result.seconds[c]});
  }
  const double operations = 2.0 * static_cast<double>(N * w8.layer.shape.macs());
  nlohmann::json row = score(named.network + "/" + named.layer + "/b" + std::to_string(N),
                             operations, result.peak_gops, ours, theirs);
  row["cache"] = cold ? "cold" : "hot";
  row["our_algorithms"] = {{"W8A8", w8.workload->prepared().algorithm()},
                           {"W4A4", w4.workload->prepared().algorithm()},
                           {"W2A2", w2.workload->prepared().algorithm()},
                           {"W1A1", w1.workload->prepared().algorithm()}};
  row["peer_implementations"] = implementations;
  row["code_difference_to_exact"] = errors;
  if (!unavailable.empty()) row["peers_cannot"] = unavailable;
  for (const auto& [name, e] : errors.items()) {
    std::fprintf(stderr, "; %s off by %lld at most, %.4f on average", name.c_str(),
                 static_cast<long long>(e["largest"].get<std::int64_t>()), e["mean"].get<double>());
  }
  std::fprintf(stderr, "%s\n", cold ? " [cold]" : " [hot]");
  return row;
}

}  // namespace intandem::bench
