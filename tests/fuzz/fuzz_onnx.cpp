// An ONNX file as `import` reads it: refused, or a network that may be computed.
#include "nn/onnx/onnx_import.hpp"
#include "tests/fuzz/harness.hpp"

using namespace intandem;

INTANDEM_FUZZ(onnx) {
  if (!has_onnx()) return;
  const fuzz::MemoryFile file(input);
  const OnnxGraph graph = read_onnx(file.path());
  ImportedNetwork imported = import_onnx(graph, "fuzzed");
  const NetworkSpec& spec = imported.net.spec();
  if (imported.gain.size() != static_cast<std::size_t>(spec.channels)) {
    fuzz::fail("a gain per channel is missing");
  }
  std::int64_t work = 0;
  for (const UnitGeometry& g : imported.net.geometry()) {
    work += g.product.size() * (g.shape.reduction() < 4096 ? g.shape.reduction() : 4096);
  }
  if (work > 1'000'000) return;
  imported.net.predict(TensorF::full({1, spec.height, spec.width, spec.channels}, 0.5f));
}
