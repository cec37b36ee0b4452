// An architecture as JSON: refused, or read, written and read again to the same text.
#include "nn/network.hpp"
#include "tests/fuzz/harness.hpp"

using namespace intandem;

INTANDEM_FUZZ(network) {
  const NetworkSpec spec = network_from_json(fuzz::text_of(input), "network");
  const std::string text = to_json(spec);
  if (to_json(network_from_json(text, "network")) != text) fuzz::fail("a network changes its text");
}
