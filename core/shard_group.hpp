// The shards that one process holds: a thread each, and one thread that communicates for them all.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/transport.hpp"

namespace intandem {

class Communicator;

/// First shard of process `process` of `processes`: consecutive ranges, sizes that differ by at
/// most one. first_shard(p + 1) is the end of its range.
int first_shard(int process, int processes, int shards);

/// One collective operation: complete when every local shard has posted its part.
struct ShardOperation {
  enum class Kind { sum_float, sum_double, gather };
  struct Part {
    Kind kind = Kind::gather;
    std::vector<std::span<float>> floats;  ///< sum_float, in place
    std::span<double> doubles;             ///< sum_double, in place
    std::string bytes;                     ///< gather
    bool is_posted = false;
  };
  std::vector<Part> parts;  ///< by local shard
  int posted = 0;
  std::vector<std::string> gathered;  ///< by shard, of the whole group
  bool is_done = false;
};

/// Operations run in the order in which the shards post them, which is the same everywhere, so that
/// processes never wait for each other in a circle.
///
/// A large sum over processes is made in pieces: process p gets everybody's partial sums of piece
/// p, adds them, and sends the result to all. Each process sends and receives the size of the
/// values about twice, whatever the number of processes, as in a ring, and the order of the
/// additions is that of the tree. Of small ones everybody gets all partial sums at once: one
/// message's delay.
class ShardGroup {
 public:
  /// The transport must outlive the group. Usage error if there are more processes than shards.
  ShardGroup(Transport& transport, int shards);
  ~ShardGroup();
  ShardGroup(const ShardGroup&) = delete;
  ShardGroup& operator=(const ShardGroup&) = delete;

  int shards() const { return shards_; }
  int first() const { return first_; }
  int local() const { return local_; }

  /// Calls work(shard) on a thread for each local shard, and returns when all have returned. The
  /// first exception, of a shard or of the communication, is rethrown; the other shards are then
  /// thrown out of what they wait for.
  void run(const std::function<void(Communicator& shard)>& work);

  /// Used by Communicator.
  std::shared_ptr<ShardOperation> post(int shard, ShardOperation::Part part);
  void wait(const ShardOperation& operation);

 private:
  void communicate();
  void execute(ShardOperation& operation);
  template <class T>
  void sum(std::vector<std::vector<std::span<T>>> parts);
  void gather(ShardOperation& operation);
  void fail(std::exception_ptr error);

  Transport& transport_;
  int shards_, first_, local_;

  std::mutex mutex_;
  std::condition_variable posted_, done_;
  std::deque<std::shared_ptr<ShardOperation>> pending_;
  std::vector<std::uint64_t> next_;  // by local shard: number of its next operation
  std::uint64_t executed_ = 0;       // operations taken from pending_
  std::exception_ptr error_;
  bool stop_ = false;
  std::thread thread_;  // last: starts when everything else exists
};

}  // namespace intandem
