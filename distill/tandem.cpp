#include "distill/tandem.hpp"

#include "distill/local_init.hpp"

namespace intandem {

// The algorithm. Teacher T_L∘…∘T_1 is frozen; student S has no batch norm.
//
//   for k = 1 … L:
//     freeze S_{k−1}∘…∘S_1 as integers                          freeze_prefix
//     S_k ← fold(T_k), quantized; scale and bias in closed form  local_init
//     repeat
//       train S_k alone: codes of the prefix in, T's activation and logits as targets
//       evaluate on held-out images, keep the best               D6
//     until patience or budget is exhausted
//     S_k ← best
//   fine-tune S_1 … S_L together, scales fixed                   joint phase, D7
//
// The schedule (distill/schedule.hpp) says which line is next, so that the loop can stop and resume
// at any of them.
bool Tandem::run() {
  for (Action action = schedule_.next(); action.kind != ActionKind::done && !stopped_;
       action = schedule_.next()) {
    const int k = action.stage;
    switch (action.kind) {
      case ActionKind::init:
        if (!schedule_.is_joint()) {
          hybrid_.freeze_prefix(k);
          local_init(hybrid_, k, train_, options_);
        }
        trainer_.begin(k);
        schedule_.finished();
        break;
      case ActionKind::train:
        train(action);
        break;
      case ActionKind::evaluate:
        evaluate(k);
        break;
      case ActionKind::freeze:
        restore_best(k);
        schedule_.finished();
        break;
      case ActionKind::done:
        break;
    }
    if (action.kind != ActionKind::init) save_checkpoint();
  }
  return !stopped_;
}

}  // namespace intandem
