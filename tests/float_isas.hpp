// What tests of float kernels do on every instruction set of this CPU.
#pragma once

#include <vector>

#include "core/cpu.hpp"
#include "core/parallel.hpp"

namespace intandem {

/// Puts the instruction set and the number of threads back.
struct RestoreSettings {
  ~RestoreSettings() {
    set_active_isa(isa);
    set_thread_count(threads);
  }
  Isa isa = active_isa();
  int threads = thread_count();
};

/// Those with float kernels of their own.
inline std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avx512}) {
    if (isa <= detected_isa()) isas.push_back(isa);
  }
  return isas;
}

}  // namespace intandem
