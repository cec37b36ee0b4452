#include "apps/run/threads.hpp"

#include <omp.h>

#include <algorithm>
#include <cstdio>

#include "core/parallel.hpp"

namespace intandem {

void use_threads(std::int64_t wanted) {
  const std::int64_t asked = wanted > 0 ? wanted : thread_count();
  const std::int64_t processors = std::max(1, omp_get_num_procs());
  if (asked > processors) {
    std::fprintf(stderr, "intandem: note: %lld threads asked for, using %lld: one per processor\n",
                 static_cast<long long>(asked), static_cast<long long>(processors));
  }
  set_thread_count(static_cast<int>(std::min(asked, processors)));
}

}  // namespace intandem
