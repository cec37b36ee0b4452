#include "distill/tandem.hpp"

namespace intandem {

// The algorithm. Teacher T = T_L∘…∘T_1 is frozen; student S = S_L∘…∘S_1 has no batch norm. A stage
// trains the window of layers S_j … S_k, j = max(1, k − window + 1): with a window of 1 layer k
// alone, with the whole prefix j = 1.
//
//   for k = 1 … L
//     init      S_k ← fold(T_k), quantized; scale and bias in closed form        Q12, Q14, Q15
//               freeze S_1 … S_{j−1} as integers
//     evaluate  the stage loss on held-out images; keep S_j … S_k if best        D5, D6
//     repeat
//       train     S_j … S_k on the stage loss: the prefix's codes in,
//                 T's activation and logits as targets                           D1 … D5
//       evaluate
//     until the budget is used up or patience is out                             D6
//     freeze    S_j … S_k ← best
//   stage L + 1, the same with all layers on the joint loss, scales fixed        D7
//
// The schedule (distill/schedule.hpp) says which line is next, so that the loop can stop and resume
// at any of them; stages count from 0 in code. The losses are stage_loss and joint_loss in
// distill/loss.cpp; one step is StageTrainer::step.
bool Tandem::run() {
  for (Action action = schedule_.next(); action.kind != ActionKind::done && !stopped_;
       action = schedule_.next()) {
    switch (action.kind) {
      case ActionKind::init:
        init(action.stage);
        schedule_.finished();
        break;
      case ActionKind::train:
        train(action);
        break;
      case ActionKind::evaluate:
        evaluate(action.stage);
        break;
      case ActionKind::freeze:
        restore_best(action.stage);
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
