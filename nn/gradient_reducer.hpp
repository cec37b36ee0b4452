// Gradients of the shards of a batch, summed while the backward pass goes on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/communicator.hpp"
#include "nn/tape.hpp"

namespace intandem {

/// One backward pass of one shard. Gradients that are complete are collected into buckets, and a
/// full bucket is summed over the shards in the background (Li et al. 2020, "PyTorch Distributed").
/// The sums do not depend on the buckets.
class GradientReducer {
 public:
  /// Elements of a bucket: 256 KiB are long beside a message's delay, and soon together.
  static constexpr std::int64_t kBucketElements = 1 << 16;

  GradientReducer(Communicator& shards, const std::vector<Parameter*>& parameters);

  /// p's gradient on this shard is complete; for Tape::backward. Not of `parameters`: ignored.
  void ready(Parameter& p);
  /// Sums what is left, `others` in addition, and waits: every gradient is now the batch's.
  void finish(const std::vector<std::span<float>>& others = {});

 private:
  void add(std::span<float> values);
  void send();

  Communicator& shards_;
  std::vector<Parameter*> left_;          // parameters whose gradient is not complete, in order
  std::vector<std::span<float>> bucket_;  // complete, not yet sent
  std::int64_t bucket_elements_ = 0;
};

}  // namespace intandem
