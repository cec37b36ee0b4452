#include "distill/tandem.hpp"

namespace intandem {

// The algorithm. Layers and stages count from 0, as in the code (from 1 in docs/method.md). Teacher
// T = T_{L−1}∘…∘T_0 is frozen; student S = S_{L−1}∘…∘S_0 has no batch norm. Stage k trains the
// window of layers S_j … S_k, j = max(0, k − window + 1): with a window of 1 layer k alone, with
// the whole prefix j = 0.
//
//   for k = 0 … L − 1
//     init      S_k ← fold(T_k), quantized; scale and bias in closed form        Q12, Q14, Q15
//               freeze S_0 … S_{j−1} as integers
//     evaluate  the stage loss on held-out images; keep S_j … S_k if best        D5, D6
//     repeat
//       train     S_j … S_k on the stage loss: the prefix's codes in,
//                 T's activation and logits as targets                           D1 … D5
//       evaluate
//     until the budget is used up or patience is out                             D6
//     freeze    S_j … S_k ← best
//   stage L, the same with all layers on the joint loss, scales fixed            D7
//
// The schedule (distill/schedule.hpp) says which line is next, so that the loop can stop and resume
// at any of them. The losses are stage_loss and joint_loss in distill/loss.cpp; one step is
// StageTrainer::step.
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
