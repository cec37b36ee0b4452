// `eval --predictions`: what a model says of every image, as a CSV file.
#pragma once

#include <string>

#include "core/file.hpp"
#include "data/dataset.hpp"
#include "distill/evaluate.hpp"

namespace intandem {

/// Header and a line per image: image (its index in the test part, from 0), label, label_name,
/// prediction, prediction_name, logit_0 … logit_<classes − 1>. Logits of integer models are the
/// accumulators; those of teachers floats with nine digits, which give the same float back. Names
/// are quoted as RFC 4180 has it. The file is there whole after commit(), or not at all.
class PredictionFile {
 public:
  /// Error, before any work, if `path` cannot be written.
  explicit PredictionFile(const std::string& path) : file_(path) {}

  /// Writes the header and takes the logits of `data`, which must outlive the sink. T: float or
  /// int32.
  template <class T>
  LogitSink<T> sink(const Dataset& data);
  void commit() { file_.commit(); }

 private:
  AtomicWriter file_;
};

}  // namespace intandem
