#include "nn/gradient_reducer.hpp"

#include <algorithm>
#include <utility>

namespace intandem {

GradientReducer::GradientReducer(Communicator& shards, const std::vector<Parameter*>& parameters)
    : shards_(shards), left_(parameters) {}

void GradientReducer::ready(Parameter& p) {
  if (shards_.size() == 1) return;
  const auto found = std::find(left_.begin(), left_.end(), &p);
  if (found == left_.end()) return;
  left_.erase(found);
  add({p.grad.data(), static_cast<std::size_t>(p.grad.size())});
}

void GradientReducer::add(std::span<float> values) {
  bucket_.push_back(values);
  bucket_elements_ += static_cast<std::int64_t>(values.size());
  if (bucket_elements_ >= kBucketElements) send();
}

void GradientReducer::send() {
  if (!bucket_.empty()) shards_.start_all_reduce_sum(std::exchange(bucket_, {}));
  bucket_elements_ = 0;
}

void GradientReducer::finish(const std::vector<std::span<float>>& others) {
  if (shards_.size() == 1) return;
  for (Parameter* p : std::exchange(left_, {})) {
    add({p->grad.data(), static_cast<std::size_t>(p->grad.size())});
  }
  for (const std::span<float>& values : others) add(values);
  send();
  shards_.finish();
}

}  // namespace intandem
