#include "core/communicator.hpp"

#include <cstring>

#include "core/error.hpp"
#include "core/shard_group.hpp"

namespace intandem {

ShardRows shard_rows(std::int64_t images, int index, int shards) {
  const std::int64_t first = images * index / shards;
  return {first, images * (index + 1) / shards - first};
}

void check_shards(std::int64_t batch, int shards) {
  if (shards <= batch) return;
  throw Error("--shards", std::to_string(shards) + " for batches of " + std::to_string(batch),
              "each needs an image: use fewer shards or larger batches", ExitCode::usage);
}

Communicator::Communicator(ShardGroup& group, int index)
    : group_(&group), index_(index), size_(group.shards()) {}

Communicator& Communicator::alone() {
  static Communicator one;  // has no state that could be shared
  return one;
}

void Communicator::all_reduce_sum(std::span<float> values) {
  if (size_ == 1) return;
  ShardOperation::Part part;
  part.kind = ShardOperation::Kind::sum_float;
  part.floats = {values};
  group_->wait(*group_->post(index_, std::move(part)));
}

void Communicator::all_reduce_sum(std::span<double> values) {
  if (size_ == 1) return;
  ShardOperation::Part part;
  part.kind = ShardOperation::Kind::sum_double;
  part.doubles = values;
  group_->wait(*group_->post(index_, std::move(part)));
}

void Communicator::start_all_reduce_sum(std::vector<std::span<float>> values) {
  if (size_ == 1) return;
  ShardOperation::Part part;
  part.kind = ShardOperation::Kind::sum_float;
  part.floats = std::move(values);
  last_ = group_->post(index_, std::move(part));
}

void Communicator::finish() {
  if (!last_) return;
  group_->wait(*last_);  // operations end in the order they were started in
  last_.reset();
}

std::vector<std::string> Communicator::all_gather(std::string_view mine) {
  if (size_ == 1) return {std::string(mine)};
  ShardOperation::Part part;
  part.bytes = mine;
  const auto operation = group_->post(index_, std::move(part));
  group_->wait(*operation);
  return operation->gathered;
}

std::vector<std::vector<double>> Communicator::all_gather(const std::vector<double>& mine) {
  if (size_ == 1) return {mine};
  const std::string_view bytes(reinterpret_cast<const char*>(mine.data()),
                               mine.size() * sizeof(double));
  std::vector<std::vector<double>> all;
  for (const std::string& one : all_gather(bytes)) {
    all.emplace_back(one.size() / sizeof(double));
    if (!one.empty()) std::memcpy(all.back().data(), one.data(), one.size());
  }
  return all;
}

void Communicator::broadcast(std::span<float> values) {
  if (size_ == 1) return;
  const std::string_view bytes(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  const std::vector<std::string> all = all_gather(is_first() ? bytes : std::string_view());
  std::memcpy(values.data(), all.front().data(), values.size_bytes());
}

void Communicator::barrier() { all_gather(std::string_view()); }

bool Communicator::any(bool mine) {
  double count = mine ? 1.0 : 0.0;
  all_reduce_sum(std::span<double>(&count, 1));
  return count > 0.0;
}

}  // namespace intandem
