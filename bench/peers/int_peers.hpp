// The parts of the program int_peers.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/peers/int_peer.hpp"
#include "bench/shapes.hpp"

namespace intandem::bench {

struct PeersOptions {
  int threads = 1;
  int rounds = 5;
  std::string filter;      ///< part of "network/layer"; "whole" selects the whole network
  std::string limit;       ///< what both sides are limited to, see selected()
  std::string ort_worker;  ///< command that starts bench/peers/ort_worker.py; empty: not available
};

/// Whether a layer is compared at batch N under an instruction-set limit: every one without a limit
/// ("none"), AlexNet and VGG-16 under "avx512vnni", AlexNet and two layers of VGG-16 under "avx2",
/// where both sides and the reference's check take long.
bool selected(const NamedShape& named, std::int64_t N, const std::string& limit);

/// The peers' libraries that can be loaded. What cannot is said in `problems`.
std::vector<const IntPeer*> load_peers(const std::vector<std::string>& libraries,
                                       nlohmann::json& problems);

/// One layer at batch N: our W8A8 direct, W4A4, W2A2 and W1A1 as planned, against every peer, on
/// the same 8-bit operands. Prints a line, returns the JSON row.
nlohmann::json compare_layer(const NamedShape& named, std::int64_t N, bool cold,
                             const std::vector<const IntPeer*>& peers, const PeersOptions& options);

/// AlexNet from pixels to logits at batch N, against chains of the peers' primitives and ONNX
/// Runtime.
nlohmann::json compare_network(std::int64_t N, bool cold, const std::vector<const IntPeer*>& peers,
                               const PeersOptions& options, nlohmann::json& problems);

/// "GOPS", ratios and table line shared by both: contenders in order, ours first.
struct Scored {
  std::string name;
  double seconds = 0;
};
nlohmann::json score(const std::string& name, double operations, double peak_gops,
                     const std::vector<Scored>& ours, const std::vector<Scored>& theirs);

}  // namespace intandem::bench
