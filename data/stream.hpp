// Whether photos are decoded once and kept, or whenever they are needed.
#pragma once

#include "data/dataset.hpp"

namespace intandem {

/// Reads all images of both parts, and forgets their sources, if they and a held-out tenth fit into
/// half of options.memory_bytes (the other half is for decoding). With Preprocessing::imagenet
/// every epoch wants other parts of the photos, so nothing is kept.
void keep_in_memory_if_small(TrainTest& both, const LoadOptions& options);

}  // namespace intandem
