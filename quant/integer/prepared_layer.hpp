// The seam between the engine and its kernels: a layer made ready to run.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/cpu.hpp"
#include "quant/integer/model.hpp"

namespace intandem {

/// What one call computes: N images of one layer.
struct LayerRun {
  std::int64_t N = 0;
  const std::uint8_t* input = nullptr;     ///< codes [N][H][W][C]
  const std::uint8_t* shortcut = nullptr;  ///< codes [N][P][Q][K] before pooling; with add only
  std::uint8_t* codes = nullptr;           ///< out: codes [N][pooled P][pooled Q][K]
  std::int32_t* accumulators = nullptr;    ///< out: accumulators [N][P][Q][K]; last layer only
  std::byte* scratch = nullptr;            ///< scratch_bytes(N) of 64-byte aligned memory
};

/// A count of what N images take: products, each as many as 8-bit products take the same
/// instructions (16-bit ones two), and bytes that are packed weights or pass through the caches
/// between two steps.
struct Work {
  std::int64_t products = 0, bytes = 0;
};

/// A layer with its weights packed for one algorithm. Immutable after construction, so one object
/// may serve several threads; run() allocates nothing and is parallel inside (core/parallel.hpp).
/// Every implementation gives the integers of ops_ref.hpp, bit for bit.
class PreparedLayer {
 public:
  virtual ~PreparedLayer() = default;
  /// Name of the algorithm and instruction set, e.g. "direct_avx512vnni", "winograd4_avx512vnni".
  virtual std::string algorithm() const = 0;
  /// Why it was chosen, for `inspect --plan`.
  virtual std::string reason() const { return {}; }
  /// Bytes of packed weights and tables.
  virtual std::int64_t packed_bytes() const = 0;
  /// Products actually executed for one image (direct: shape.macs()).
  virtual std::int64_t executed_macs() const = 0;
  /// What an estimate counts for N images at once.
  virtual Work work(std::int64_t N) const { return {N * executed_macs(), packed_bytes()}; }
  virtual std::int64_t scratch_bytes(std::int64_t N) const = 0;
  virtual void run(const LayerRun& args) const = 0;
};

/// Makes a layer ready with the named algorithm; null if this algorithm cannot run this layer on
/// this instruction set (shape, code ranges, transformed-weight range).
using PrepareFn = std::unique_ptr<PreparedLayer> (*)(const IntLayer& layer);

}  // namespace intandem
