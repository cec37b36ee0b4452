#include "distill/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>

#include "core/progress.hpp"
#include "nn/ops.hpp"
#include "quant/fake_quant.hpp"
#include "quant/integer/engine.hpp"
#include "quant/lower.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kTop = 5;

/// Of N rows of logits [N][classes], those whose label is among the first five.
template <class T>
std::int64_t count_top5(const T* logits, std::int64_t N, std::int64_t classes,
                        const std::int32_t* labels) {
  std::int64_t correct = 0;
  for (std::int64_t n = 0; n < N; ++n) {
    correct += label_rank(logits + n * classes, classes, labels[n]) < kTop;
  }
  return correct;
}

/// What one batch contributes.
struct BatchOutcome {
  std::vector<std::int32_t> predicted;
  std::int64_t correct_top5 = 0;
};

/// Hands logits on to the sink in the order of the images, whichever shards have them: at once
/// where there is one shard, else after the last batch, so each keeps its own rows till then.
template <class T>
class LogitCollector {
 public:
  LogitCollector(const LogitSink<T>& sink, Communicator& shards, std::int64_t images,
                 std::int64_t batch, std::int64_t classes)
      : sink_(sink), shards_(shards), images_(images), batch_(batch), classes_(classes) {}

  void add(std::int64_t first, std::int64_t N, const T* logits) {
    if (!sink_) return;
    if (shards_.size() == 1) return sink_(first, N, logits);
    const std::string_view bytes(reinterpret_cast<const char*>(logits),
                                 static_cast<std::size_t>(N * classes_) * sizeof(T));
    rows_.emplace_back(bytes);
  }

  /// All shards call it when they are done; the first one's sink gets the rows.
  void finish() {
    if (!sink_ || shards_.size() == 1) return;
    const std::int64_t round = batch_ * shards_.size();
    for (std::int64_t begin = 0, r = 0; begin < images_; begin += round, ++r) {
      const auto mine = static_cast<std::size_t>(r);
      const std::string none, &sent = mine < rows_.size() ? rows_[mine] : none;
      const std::vector<std::string> all = shards_.all_gather(sent);
      if (!shards_.is_first()) continue;
      std::int64_t first = begin;
      for (const std::string& rows : all) {
        const auto count = static_cast<std::int64_t>(rows.size() / sizeof(T));
        std::vector<T> logits(static_cast<std::size_t>(count));
        std::memcpy(logits.data(), rows.data(), rows.size());
        if (count > 0) sink_(first, count / classes_, logits.data());
        first += count / classes_;
      }
    }
  }

 private:
  const LogitSink<T>& sink_;
  Communicator& shards_;
  std::int64_t images_, batch_, classes_;
  std::vector<std::string> rows_;  // of this shard's batches, in order
};

/// evaluate(first, N) for every batch, dealt to the shards; then everything but the seconds.
template <class F>
void count(Evaluation& result, const Dataset& data, std::int64_t batch, Communicator& shards,
           const F& evaluate) {
  const std::int64_t batches = (data.size() + batch - 1) / batch;
  const auto outcomes = deal(shards, batches, [&](std::int64_t i) {
    const BatchOutcome outcome = evaluate(i * batch, std::min(batch, data.size() - i * batch));
    std::vector<double> values(outcome.predicted.begin(), outcome.predicted.end());
    values.push_back(static_cast<double>(outcome.correct_top5));
    return values;
  });
  for (const std::vector<double>& values : outcomes) {
    for (std::size_t n = 0; n + 1 < values.size(); ++n) {
      result.predicted.push_back(static_cast<std::int32_t>(values[n]));
    }
    result.correct_top5 += std::llround(values.back());
  }
  result.images = data.size();
  result.confusion.assign(static_cast<std::size_t>(data.classes * data.classes), 0);
  for (std::size_t n = 0; n < data.labels.size(); ++n) {
    const std::int64_t truth = data.labels[n];
    result.correct += truth == result.predicted[n];
    ++result.confusion[static_cast<std::size_t>(truth * data.classes + result.predicted[n])];
  }
}

void check_fits(const Dataset& data, std::int64_t height, std::int64_t width, std::int64_t channels,
                std::int64_t classes, const std::string& network) {
  const Shape expected{height, width, channels};
  if (!(data.image_shape() == expected) || data.classes != classes) {
    throw Error(network,
                "it takes images " + expected.str() + " in " + std::to_string(classes) +
                    " classes, but " + data.name + " has " + data.image_shape().str() + " in " +
                    std::to_string(data.classes),
                "choose the network and the dataset to match");
  }
}

}  // namespace

std::int64_t count_agreeing(const Evaluation& a, const Evaluation& b) {
  INTANDEM_CHECK(a.predicted.size() == b.predicted.size(), "predictions of different images");
  std::int64_t same = 0;
  for (std::size_t n = 0; n < a.predicted.size(); ++n) same += a.predicted[n] == b.predicted[n];
  return same;
}

std::vector<std::int32_t> predicted_classes(const TensorF& logits) {
  const std::int64_t N = logits.dim(0), classes = logits.dim(1);
  std::vector<std::int32_t> predicted;
  for (std::int64_t n = 0; n < N; ++n) {
    const float* row = logits.data() + n * classes;
    predicted.push_back(static_cast<std::int32_t>(std::max_element(row, row + classes) - row));
  }
  return predicted;
}

std::int64_t count_correct(const TensorF& logits, const std::vector<std::int32_t>& labels) {
  const std::vector<std::int32_t> predicted = predicted_classes(logits);
  std::int64_t correct = 0;
  for (std::size_t n = 0; n < labels.size(); ++n) correct += predicted[n] == labels[n];
  return correct;
}

Evaluation evaluate_integer(const IntModel& model, const Dataset& data, std::int64_t batch,
                            const EngineOptions& engine_options,
                            const LogitSink<std::int32_t>& sink, Communicator& shards) {
  check_fits(data, model.height, model.width, model.channels, model.classes, model.network);
  Engine engine(model, batch, engine_options);
  Evaluation result;
  LogitCollector<std::int32_t> collector(sink, shards, data.size(), batch, model.classes);
  TensorS32 logits({batch, model.classes});
  const std::int64_t pixels = model.height * model.width * model.channels;
  count(result, data, batch, shards, [&](std::int64_t first, std::int64_t N) {
    BatchOutcome outcome;
    outcome.predicted.resize(static_cast<std::size_t>(N));
    const TensorU8 read = data.streamed() ? image_range(data, first, N) : TensorU8();
    const Stopwatch watch;
    engine.run(data.streamed() ? read.data() : data.images.data() + first * pixels, N,
               logits.data());
    argmax_rows(logits.data(), N, model.classes, outcome.predicted.data());
    result.seconds += watch.seconds();
    collector.add(first, N, logits.data());
    outcome.correct_top5 = count_top5(logits.data(), N, model.classes, data.labels.data() + first);
    return outcome;
  });
  collector.finish();
  return result;
}

Evaluation evaluate_float(FloatNetwork& network, const Normalization& normalization,
                          const Dataset& data, std::int64_t batch, const LogitSink<float>& sink,
                          Communicator& shards) {
  const NetworkSpec& spec = network.spec();
  check_fits(data, spec.height, spec.width, spec.channels, spec.classes, spec.name);
  Evaluation result;
  LogitCollector<float> collector(sink, shards, data.size(), batch, spec.classes);
  count(result, data, batch, shards, [&](std::int64_t first, std::int64_t N) {
    const TensorU8 images = image_range(data, first, N);
    const Stopwatch watch;
    const TensorF logits = network.predict(normalize(images, normalization));
    result.seconds += watch.seconds();
    collector.add(first, N, logits.data());
    return BatchOutcome{predicted_classes(logits),
                        count_top5(logits.data(), N, spec.classes, data.labels.data() + first)};
  });
  collector.finish();
  return result;
}

std::vector<double> layer_sqnr_db(FloatNetwork& teacher, Student& student, const Dataset& data,
                                  std::int64_t batch) {
  const int L = student.unit_count();
  std::vector<double> signal(static_cast<std::size_t>(L));
  std::vector<double> noise(static_cast<std::size_t>(L));
  for (std::int64_t first = 0; first < data.size(); first += batch) {
    const TensorU8 images = image_range(data, first, std::min(batch, data.size() - first));
    Tape tape;
    std::vector<Var> values(static_cast<std::size_t>(L));
    teacher.forward(tape, 0, L, tape.constant(normalize(images, student.normalization())), values,
                    FloatNetwork::Mode{});
    const SimulatedOutputs outputs = simulate_student(student, images);
    for (int k = 0; k < L; ++k) {
      const auto unit = static_cast<std::size_t>(k);
      const bool last = student.is_last(k);
      const double step = last ? quantize_unit(student, k).unit
                               : static_cast<double>(student.unit(k).out_step.value[0]);
      const std::int32_t zero_point = student.zero_point(k);
      const TensorF& y = values[unit]->value;
      for (std::int64_t i = 0; i < y.size(); ++i) {
        const double code = last ? outputs.accumulators[i] : outputs.codes[unit][i] - zero_point;
        const double truth = static_cast<double>(y[i]);
        signal[unit] += truth * truth;
        noise[unit] += (truth - step * code) * (truth - step * code);
      }
    }
  }
  std::vector<double> sqnr_db;
  for (std::size_t k = 0; k < signal.size(); ++k) {
    sqnr_db.push_back(10.0 * std::log10(std::max(signal[k], 1e-30) / std::max(noise[k], 1e-30)));
  }
  return sqnr_db;
}

namespace {

/// Of images first … first + N − 1.
Mismatch compare_batch(Student& student, const IntModel& model, Engine& engine,
                       const TensorU8& images, std::int64_t first) {
  const int L = student.unit_count();
  const std::int64_t N = images.dim(0);
  const SimulatedOutputs outputs = simulate_student(student, images);
  engine.run_prefix(images.data(), N, L);
  Mismatch mismatch;
  for (std::int64_t n = 0; n < N; ++n) {
    bool differs = false;
    for (int k = 0; k < L; ++k) {
      const std::int64_t size = model.layers[static_cast<std::size_t>(k)].output_size();
      for (std::int64_t i = n * size; i < (n + 1) * size; ++i) {
        const std::int64_t simulated = student.is_last(k)
                                           ? outputs.accumulators[i]
                                           : outputs.codes[static_cast<std::size_t>(k)][i];
        const std::int64_t integer =
            student.is_last(k) ? engine.accumulators()[i] : engine.codes(k)[i];
        if (simulated == integer) continue;
        if (mismatch.count++ == 0) {
          mismatch.layer = k;
          mismatch.image = first + n;
          mismatch.index = i - n * size;
          mismatch.simulated = simulated;
          mismatch.integer = integer;
        }
        differs = true;
      }
    }
    mismatch.images += differs;
  }
  return mismatch;
}

}  // namespace

Mismatch compare_with_simulation(Student& student, const IntModel& model, const Dataset& data,
                                 std::int64_t batch, const EngineOptions& engine_options,
                                 Communicator& shards) {
  check_fits(data, model.height, model.width, model.channels, model.classes, model.network);
  if (static_cast<int>(model.layers.size()) != student.unit_count() ||
      model.network != student.spec().name) {
    throw Error(model.network, "student and integer model are not of the same network",
                "verify a student with the model lowered from it");
  }
  Engine engine(model, batch, engine_options);
  Mismatch all;
  Progress progress("verify", data.size());
  std::int64_t own = 0;
  const std::int64_t batches = (data.size() + batch - 1) / batch;
  const auto found = deal(shards, batches, [&](std::int64_t i) {
    const std::int64_t first = i * batch, N = std::min(batch, data.size() - first);
    const Mismatch one = compare_batch(student, model, engine, image_range(data, first, N), first);
    own += one.count;
    progress.update(first + N, std::to_string(own) + " mismatches");
    // 32-bit numbers and counts: exact in double.
    std::vector<double> values;
    for (const std::int64_t value : {one.count, one.images, std::int64_t{one.layer}, one.image,
                                     one.index, one.simulated, one.integer}) {
      values.push_back(static_cast<double>(value));
    }
    return values;
  });
  for (const std::vector<double>& one : found) {
    const auto value = [&](std::size_t i) { return static_cast<std::int64_t>(one[i]); };
    if (all.count == 0 && value(0) > 0) {
      all.layer = static_cast<int>(value(2));
      all.image = value(3);
      all.index = value(4);
      all.simulated = value(5);
      all.integer = value(6);
    }
    all.count += value(0);
    all.images += value(1);
  }
  return all;
}

}  // namespace intandem
