// The shards of a global batch, seen from one of them: sums over all of them that do not depend on
// which process or thread holds which shard.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace intandem {

class ShardGroup;
struct ShardOperation;

/// Rows first … first + count − 1 of a batch of `images`, those of shard `index` of `shards`: whole
/// images, counts that differ by at most one.
struct ShardRows {
  std::int64_t first = 0, count = 0;
};
ShardRows shard_rows(std::int64_t images, int index, int shards);
/// Usage error unless every shard of a batch has an image.
void check_shards(std::int64_t batch, int shards);

/// One shard's way to the others. All shards of a group run the same program: each calls the same
/// functions in the same order, with the same sizes, from one thread. A sum over shards is the sum
/// of a fixed binary tree over their indices: sum(lo, hi) = sum(lo, mid) + sum(mid, hi) with
/// mid = lo + ⌈(hi − lo)/2⌉, rounded in T at every node. It depends on their number, and not on the
/// number of processes, threads, or the order in which they arrive.
///
/// If another shard or process fails, every function here may throw (core/shard_group.hpp).
class Communicator {
 public:
  /// The only shard: every function is free and leaves its values as they are.
  Communicator() = default;
  /// Shard `index` of a group, which must outlive this.
  Communicator(ShardGroup& group, int index);
  /// A communicator of one shard for who needs none.
  static Communicator& alone();

  int index() const { return index_; }
  int size() const { return size_; }
  /// Shard 0 is the one that writes files.
  bool is_first() const { return index_ == 0; }

  /// In place; returns when every shard has the sum.
  void all_reduce_sum(std::span<float> values);
  void all_reduce_sum(std::span<double> values);
  /// The same in the background. The values are not to be touched before finish() returns.
  void start_all_reduce_sum(std::vector<std::span<float>> values);
  /// Waits for everything that was started.
  void finish();
  /// What every shard gave, by index.
  std::vector<std::string> all_gather(std::string_view mine);
  std::vector<std::vector<double>> all_gather(const std::vector<double>& mine);
  /// Every shard gets the values of shard 0.
  void broadcast(std::span<float> values);
  /// Returns when every shard has called it.
  void barrier();
  /// Whether one of the shards says so.
  bool any(bool mine);

 private:
  ShardGroup* group_ = nullptr;
  int index_ = 0, size_ = 1;
  std::shared_ptr<ShardOperation> last_;  // started in the background
};

/// f(i) for i = 0 … count − 1, dealt to the shards in turn; every shard gets all results, in order.
/// f returns a vector<double>. What is summed of them in their order does not depend on the shards.
template <class F>
std::vector<std::vector<double>> deal(Communicator& shards, std::int64_t count, const F& f) {
  std::vector<double> mine;  // length, values, length, values, …
  for (std::int64_t i = shards.index(); i < count; i += shards.size()) {
    const std::vector<double> values = f(i);
    mine.push_back(static_cast<double>(values.size()));
    mine.insert(mine.end(), values.begin(), values.end());
  }
  const std::vector<std::vector<double>> all = shards.all_gather(mine);
  std::vector<std::size_t> at(all.size(), 0);
  std::vector<std::vector<double>> results;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto shard = static_cast<std::size_t>(i % shards.size());
    const std::vector<double>& from = all[shard];
    const auto begin = from.begin() + static_cast<std::ptrdiff_t>(at[shard]) + 1;
    const auto length = static_cast<std::size_t>(from[at[shard]]);
    results.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(length));
    at[shard] += 1 + length;
  }
  return results;
}

}  // namespace intandem
