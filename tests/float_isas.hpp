// What tests of float kernels do on every instruction set of this CPU.
#pragma once

#include <vector>

#include "core/dispatch.hpp"
#include "tests/restore_settings.hpp"

namespace intandem {

/// Those with float kernels of their own.
inline std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avx512}) {
    if (isa_includes(detected_isa(), isa)) isas.push_back(isa);
  }
  return isas;
}

}  // namespace intandem
