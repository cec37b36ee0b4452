// Test-set figures of teachers, students and integer models.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/communicator.hpp"
#include "data/dataset.hpp"
#include "nn/network.hpp"
#include "quant/integer/engine.hpp"
#include "quant/integer/model.hpp"
#include "quant/student.hpp"

namespace intandem {

struct Evaluation {
  std::int64_t images = 0;
  std::int64_t correct = 0;       ///< the largest logit, the first if tied, is the label's
  std::int64_t correct_top5 = 0;  ///< label_rank below 5; all images when there are ≤ 5 classes
  double seconds = 0;             ///< inference alone
  std::vector<std::int64_t> confusion;  ///< [true class][predicted class]
  std::vector<std::int32_t> predicted;  ///< [images]

  double top1_percent() const {
    return images == 0 ? 0.0 : 100.0 * static_cast<double>(correct) / static_cast<double>(images);
  }
};

/// How many classes stand before `label` in a row of logits when sorted from the largest; of equal
/// logits the lower class comes first, as in argmax. 0: the prediction is right. What is not a
/// number stands before a label's logit, and a label whose own is none comes last.
template <class T>
std::int64_t label_rank(const T* logits, std::int64_t classes, std::int64_t label) {
  std::int64_t rank = 0;
  const T own = logits[label];
  for (std::int64_t c = 0; c < classes; ++c) {
    rank += c != label && !(logits[c] < own) && !(logits[c] == own && c > label);
  }
  return rank;
}

/// Images for which both predict the same class. Both are of the same images.
std::int64_t count_agreeing(const Evaluation& a, const Evaluation& b);

/// Rows of logits [N][classes] whose largest element, the first if tied, is at the label.
std::int64_t count_correct(const TensorF& logits, const std::vector<std::int32_t>& labels);

/// The largest logit's index per row of [N][classes], the first if tied.
std::vector<std::int32_t> predicted_classes(const TensorF& logits);

/// Called with the logits [N][classes] of images first … first + N − 1, from the first image on. Of
/// several shards all give one, and the first one's is called.
template <class T>
using LogitSink = std::function<void(std::int64_t first, std::int64_t N, const T* logits)>;

/// The integer engine over a dataset. Here and below the
/// batches are dealt to the shards, all of which call this with the same arguments, and all get the
/// result; seconds are then this shard's.
Evaluation evaluate_integer(const IntModel& model, const Dataset& data, std::int64_t batch,
                            const EngineOptions& engine_options = {},
                            const LogitSink<std::int32_t>& sink = {},
                            Communicator& shards = Communicator::alone());
/// The float network in evaluation mode.
Evaluation evaluate_float(FloatNetwork& network, const Normalization& normalization,
                          const Dataset& data, std::int64_t batch,
                          const LogitSink<float>& sink = {},
                          Communicator& shards = Communicator::alone());

/// Per unit, 10·log10(Σ y² / Σ (y − ŷ)²) in dB with y the teacher's output of the unit (after ReLU
/// and pooling; logits of the last unit) and ŷ the student's codes times their step, over `data`.
std::vector<double> layer_sqnr_db(FloatNetwork& teacher, Student& student, const Dataset& data,
                                  std::int64_t batch);

/// The first difference between the simulated student and the integer engine, code by code.
struct Mismatch {
  std::int64_t count = 0;   ///< differing codes and accumulators in all
  std::int64_t images = 0;  ///< images with at least one
  int layer = -1;           ///< first differing layer of the first differing image
  std::int64_t image = 0, index = 0;
  std::int64_t simulated = 0, integer = 0;
};
Mismatch compare_with_simulation(Student& student, const IntModel& model, const Dataset& data,
                                 std::int64_t batch, const EngineOptions& engine_options = {},
                                 Communicator& shards = Communicator::alone());

}  // namespace intandem
