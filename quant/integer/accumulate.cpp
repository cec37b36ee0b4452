#include "quant/integer/accumulate.hpp"

#include "core/memory.hpp"
#include "quant/integer/direct.hpp"
#include "quant/integer/plan.hpp"

namespace intandem {

TensorS32 accumulate(IntLayer layer, const TensorU8& codes) {
  const ConvShape& shape = layer.shape;
  const std::int64_t N = codes.dim(0);
  INTANDEM_CHECK(codes.size() == N * shape.H * shape.W * shape.C,
                 "codes of shape " + codes.shape().str() + " for " + shape.str());
  // A layer without requantization, shortcut and max-pool, as the last one is.
  layer.max_code = 0;
  layer.add = -1;
  layer.pool_kernel = layer.pool_stride = 0;
  layer.scale.clear();
  layer.add_m.clear();
  std::unique_ptr<PreparedLayer> prepared = prepare_direct(layer);
  if (prepared == nullptr) prepared = prepare_reference(layer);
  TensorS32 accumulators({N, shape.P(), shape.Q(), shape.K});
  const auto scratch = allocate_aligned(static_cast<std::size_t>(prepared->scratch_bytes(N)));
  LayerRun run;
  run.N = N;
  run.input = codes.data();
  run.accumulators = accumulators.data();
  run.scratch = scratch.get();
  prepared->run(run);
  return accumulators;
}

}  // namespace intandem
