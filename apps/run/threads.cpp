#include "apps/run/threads.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "apps/run/processes.hpp"
#include "core/parallel.hpp"
#include "core/processors.hpp"

namespace intandem {

void use_threads(std::int64_t wanted) {
  const std::int64_t asked = wanted > 0 ? wanted : thread_count();
  const std::int64_t processors = usable_processors();
  const bool somebody_asked = wanted > 0 || std::getenv("OMP_NUM_THREADS") != nullptr;
  if (asked > processors && somebody_asked) {
    print_note(std::to_string(asked) + " threads asked for, using " + std::to_string(processors) +
               ": one per processor");
  }
  set_thread_count(static_cast<int>(std::min(asked, processors)));
}

}  // namespace intandem
