// A small teacher trained for a few steps, its data, and options of a short distillation.
#pragma once

#include <vector>

#include "core/progress.hpp"
#include "data/loader.hpp"
#include "distill/options.hpp"
#include "nn/network.hpp"
#include "nn/sgd.hpp"
#include "tests/quant/tiny.hpp"

namespace intandem::tiny {

inline const Dataset& train_data() {
  static const Dataset data = images(512, 21);
  return data;
}
inline const Dataset& held_out_data() {
  static const Dataset data = images(128, 22);
  return data;
}

/// A teacher trained for a few steps.
inline FloatNetwork trained_teacher(const NetworkSpec& spec = network()) {
  FloatNetwork net(spec, Rng(5));
  Sgd sgd(net.parameters(), SgdOptions{});
  const Normalization norm = normalization();
  Loader::Options loading;
  loading.batch = 32;
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    Loader loader(train_data(), norm, loading, epoch);
    for (Batch batch; loader.next(batch);) {
      Tape tape;
      std::vector<Var> values(static_cast<std::size_t>(net.unit_count()));
      FloatNetwork::Mode mode;
      mode.training = mode.train_parameters = true;
      const Var logits = net.forward(tape, 0, net.unit_count(),
                                     tape.constant(normalize(batch.images, norm)), values, mode);
      sgd.zero_grad();
      tape.backward(cross_entropy(tape, logits, batch.labels, 0.0f));
      sgd.step(0.05f);
    }
  }
  return net;
}

inline DistillOptions quick_options(int bits) {
  DistillOptions options;
  options.student.weight_bits = options.student.activation_bits = bits;
  options.batch = 32;
  options.calibration_images = 256;
  options.epochs_per_stage = 1.0;
  options.evals_per_stage = 2;
  options.joint_epochs = 1.0;
  options.joint_evals = 2;
  return options;
}

inline std::vector<float> all_latents(Student& student) {
  std::vector<float> all;
  for (int k = 0; k < student.unit_count(); ++k) {
    for (const Parameter* p : student.unit(k).state()) {
      all.insert(all.end(), p->value.begin(), p->value.end());
    }
  }
  return all;
}

struct Quiet {
  Quiet() { Progress::set_quiet(true); }
  ~Quiet() { Progress::set_quiet(false); }
};

}  // namespace intandem::tiny
