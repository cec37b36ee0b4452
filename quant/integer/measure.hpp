// Chooses algorithms by trying them: whole passes of the network, in which every layer runs now by
// one, now by another, so that each finds the caches as it will find them later.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "quant/integer/plan.hpp"

namespace intandem {

/// Runs the model once on plan.machine.batch images by these layers, one per layer of the model,
/// and writes the nanoseconds that each took.
using TimedPass = std::function<void(const std::vector<const PreparedLayer*>& layers,
                                     std::vector<std::int64_t>& ns)>;

/// The layers of the model by what `plan` says, after the candidates of layers that it does not
/// know, or whose algorithm is not admissible, have been timed and entered. Layers of one plan_key
/// are timed once. Candidates more than half slower than the best are not tried again, and the
/// quickest time of each counts; all is over after 1.5 s unless three passes per candidate take
/// longer.
std::vector<Candidate> prepare_measured(const IntModel& model, Plan& plan, const TimedPass& pass);

}  // namespace intandem
