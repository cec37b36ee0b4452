// Tests change process-wide settings; this puts them back.
#pragma once

#include "core/cpu.hpp"
#include "core/parallel.hpp"

namespace intandem {

/// Puts the instruction set, the traits of the CPU and the number of threads back.
struct RestoreSettings {
  ~RestoreSettings() {
    set_active_isa(isa);
    set_cache_sizes(caches);
    set_thread_count(threads);
  }
  Isa isa = active_isa();
  CacheSizes caches = cache_sizes();
  int threads = thread_count();
};

}  // namespace intandem
