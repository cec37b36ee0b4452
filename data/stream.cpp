#include "data/stream.hpp"

#include <algorithm>

namespace intandem {

void keep_in_memory_if_small(TrainTest& both, const LoadOptions& options) {
  const std::int64_t held_out = default_held_out(both.train.size());
  const std::int64_t images = both.train.size() + both.test.size() + held_out;
  if (options.input.preprocessing == Preprocessing::imagenet ||
      images > options.memory_bytes / 2 / options.input.size_bytes()) {
    return;
  }
  for (Dataset* part : {&both.train, &both.test}) {
    part->images = image_range(*part, 0, part->size());
    part->source = nullptr;
    part->members.clear();
  }
}

}  // namespace intandem
