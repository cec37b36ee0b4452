// What a peer of the integer engine offers: one shared library per peer, loaded at run time, so
// that two versions of the same peer fit into one process and a missing one is no build error.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

/// One layer as docs/quantization.md has it: code = clamp(round((Σ w·x + bias)·scale), 0, max_code)
/// with weights s8 [K][R][S][C], then max-pool. A linear layer takes the whole input: R = H, S = W,
/// stride 1, pad 0, and P = Q = 1. Padding is code 0.
struct PeerLayer {
  std::int64_t H, W, C, K, R, S, stride, pad;
  std::int64_t pool_kernel, pool_stride;  ///< 0: no pool
  const std::int8_t* weights;
  const std::int32_t* bias;
  float scale;
  std::int32_t max_code;  ///< 0: the accumulators themselves, s32
  int linear;
};

/// One or more layers in a row, planned for N images; opaque.
struct PeerNetwork;

struct IntPeer {
  const char* name;  ///< with version, e.g. "oneDNN 2.6.3"
  /// lossy: the peer's Winograd convolution, if it has one for these types. Null if the peer cannot
  /// run this, with the reason in message.
  PeerNetwork* (*create)(const PeerLayer* layers, int count, std::int64_t N, int lossy,
                         char* message, std::size_t message_bytes);
  /// Codes [N][H][W][C] to the peer's own layout.
  void (*set_input)(PeerNetwork*, const std::uint8_t* codes);
  void (*run)(PeerNetwork*);
  /// The last layer's output as [N][P][Q][K], u8 or s32.
  void (*get_output)(PeerNetwork*, void* output);
  /// The implementation chosen for layer k.
  const char* (*implementation)(const PeerNetwork*, int k);
  void (*destroy)(PeerNetwork*);
};

/// The one symbol a peer's library exports.
const IntPeer* intandem_int_peer();

}  // extern "C"
