#include "core/shard_group.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/communicator.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/shard_sum.hpp"
#include "core/trace.hpp"

namespace intandem {
namespace {

/// Values below which a sum is made by everybody, from everybody's partial sums.
constexpr std::size_t kFewValues = 4096;
/// Between two looks at the other processes while nothing is posted.
constexpr std::chrono::milliseconds kIdle{50};

/// Thrown out of wait() where another shard has failed; run() replaces it by that failure.
struct AnotherFailed {};

template <class T>
std::byte* bytes_of(T* values) {
  return reinterpret_cast<std::byte*>(values);
}

/// The nodes that the processes send: their largest ones, in order of the shards.
struct Nodes {
  std::vector<ShardRange> ranges;
  std::vector<int> process;
};

Nodes nodes_of(int processes, int shards) {
  Nodes nodes;
  for (int p = 0; p < processes; ++p) {
    const ShardRange part{first_shard(p, processes, shards), first_shard(p + 1, processes, shards)};
    append_nodes({0, shards}, part, nodes.ranges);
    nodes.process.resize(nodes.ranges.size(), p);
  }
  return nodes;
}

/// Piece p of n values cut into as many pieces as there are processes.
struct Piece {
  std::size_t first, count;
};
Piece piece_of(std::size_t n, int p, int processes) {
  const auto index = static_cast<std::size_t>(p), all = static_cast<std::size_t>(processes);
  const std::size_t first = n * index / all;
  return {first, n * (index + 1) / all - first};
}

/// `partial`: for each of my nodes, n values. Afterwards `result` holds the n sums of all.
template <class T>
void sum_over_processes(Transport& transport, int shards, const std::vector<T*>& partial,
                        std::size_t n, std::vector<T>& result) {
  const int processes = transport.size(), me = transport.index();
  const Nodes nodes = nodes_of(processes, shards);
  const bool few = n <= kFewValues;
  const auto piece = [&](int p) { return few ? Piece{0, n} : piece_of(n, p, processes); };
  const Piece mine = piece(me);
  std::vector<T> received(nodes.ranges.size() * mine.count);
  std::vector<Message> sends, receives;
  std::size_t own = 0;
  for (std::size_t i = 0; i < nodes.ranges.size(); ++i) {
    T* const to = received.data() + i * mine.count;
    if (nodes.process[i] != me) {
      receives.push_back({nodes.process[i], bytes_of(to), mine.count * sizeof(T)});
      continue;
    }
    T* const from = partial[own++];
    std::copy_n(from + mine.first, mine.count, to);
    for (int p = 0; p < processes; ++p) {
      if (p == me) continue;
      sends.push_back({p, bytes_of(from + piece(p).first), piece(p).count * sizeof(T)});
    }
  }
  transport.exchange(sends, receives);
  const T* const sum = tree_sum<T>({0, shards}, mine.count, [&](const ShardRange& range) -> T* {
    const auto found = std::find(nodes.ranges.begin(), nodes.ranges.end(), range);
    if (found == nodes.ranges.end()) return nullptr;
    return received.data() + static_cast<std::size_t>(found - nodes.ranges.begin()) * mine.count;
  });
  result.resize(n);
  std::copy_n(sum, mine.count, result.data() + mine.first);
  if (few) return;
  sends.clear();
  receives.clear();
  for (int p = 0; p < processes; ++p) {
    if (p == me) continue;
    sends.push_back({p, bytes_of(result.data() + mine.first), mine.count * sizeof(T)});
    receives.push_back({p, bytes_of(result.data() + piece(p).first), piece(p).count * sizeof(T)});
  }
  transport.exchange(sends, receives);
}

}  // namespace

int first_shard(int process, int processes, int shards) {
  return static_cast<int>(static_cast<std::int64_t>(shards) * process / processes);
}

ShardGroup::ShardGroup(Transport& transport, int shards)
    : transport_(transport),
      shards_(shards),
      first_(first_shard(transport.index(), transport.size(), shards)),
      local_(first_shard(transport.index() + 1, transport.size(), shards) - first_) {
  if (transport.size() > shards) {
    throw Error("--shards",
                std::to_string(shards) + " for " + std::to_string(transport.size()) +
                    " processes: each holds one at least",
                "give --shards " + std::to_string(transport.size()) +
                    " or more; results depend on that number, not on the processes",
                ExitCode::usage);
  }
  next_.assign(static_cast<std::size_t>(local_), 0);
  if (shards_ > 1) thread_ = std::thread([this] { communicate(); });
}

ShardGroup::~ShardGroup() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  posted_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void ShardGroup::run(const std::function<void(Communicator& shard)>& work) {
  const auto guarded = [&](int shard) {
    try {
      Communicator communicator;
      if (shards_ > 1) communicator = Communicator(*this, shard);
      work(communicator);
    } catch (const AnotherFailed&) {
    } catch (...) {
      fail(std::current_exception());
    }
  };
  if (local_ == 1) {
    guarded(first_);
  } else {
    // The processors are shared out, and a shard has one thread at least.
    const int threads = thread_count();
    std::vector<std::thread> workers;
    for (int i = 0; i < local_; ++i) {
      workers.emplace_back([&, i] {
        set_thread_count(threads * (i + 1) / local_ - threads * i / local_);
        guarded(first_ + i);
      });
    }
    for (std::thread& worker : workers) worker.join();
  }
  const std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
}

void ShardGroup::fail(std::exception_ptr error) {
  {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
  }
  done_.notify_all();
  posted_.notify_one();
}

std::shared_ptr<ShardOperation> ShardGroup::post(int shard, ShardOperation::Part part) {
  const auto at = static_cast<std::size_t>(shard - first_);
  std::shared_ptr<ShardOperation> operation;
  bool is_complete = false;
  {
    const std::lock_guard lock(mutex_);
    if (error_) throw AnotherFailed{};
    const auto index = static_cast<std::size_t>(next_[at]++ - executed_);
    while (pending_.size() <= index) {
      pending_.push_back(std::make_shared<ShardOperation>());
      pending_.back()->parts.resize(static_cast<std::size_t>(local_));
    }
    operation = pending_[index];
    part.is_posted = true;
    operation->parts[at] = std::move(part);
    is_complete = ++operation->posted == local_;
  }
  if (is_complete) posted_.notify_one();
  return operation;
}

void ShardGroup::wait(const ShardOperation& operation) {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return operation.is_done || error_; });
  if (!operation.is_done) throw AnotherFailed{};
}

void ShardGroup::communicate() {
  try {
    std::unique_lock lock(mutex_);
    const auto ready = [&] { return !pending_.empty() && pending_.front()->posted == local_; };
    for (;;) {
      posted_.wait_for(lock, kIdle, [&] { return stop_ || error_ || ready(); });
      if (error_ || (stop_ && !ready())) return;
      if (!ready()) {
        lock.unlock();
        transport_.idle();
        lock.lock();
        continue;
      }
      const std::shared_ptr<ShardOperation> operation = pending_.front();
      pending_.pop_front();
      ++executed_;
      lock.unlock();
      execute(*operation);
      lock.lock();
      operation->is_done = true;
      done_.notify_all();
    }
  } catch (...) {
    fail(std::current_exception());
  }
}

void ShardGroup::execute(ShardOperation& operation) {
  for (const ShardOperation::Part& part : operation.parts) {
    INTANDEM_CHECK(part.kind == operation.parts.front().kind,
                   "shards communicate in different orders");
  }
  std::int64_t size_bytes = static_cast<std::int64_t>(operation.parts.front().doubles.size_bytes());
  for (const std::span<float>& values : operation.parts.front().floats) {
    size_bytes += static_cast<std::int64_t>(values.size_bytes());
  }
  const bool is_gather = operation.parts.front().kind == ShardOperation::Kind::gather;
  const TraceSpan span(is_gather ? "gather" : "sum", Trace::kCommunication, size_bytes);
  switch (operation.parts.front().kind) {
    case ShardOperation::Kind::gather:
      return gather(operation);
    case ShardOperation::Kind::sum_float: {
      std::vector<std::vector<std::span<float>>> parts;
      for (ShardOperation::Part& part : operation.parts) parts.push_back(std::move(part.floats));
      return sum(std::move(parts));
    }
    case ShardOperation::Kind::sum_double: {
      std::vector<std::vector<std::span<double>>> parts;
      for (const ShardOperation::Part& part : operation.parts) parts.push_back({part.doubles});
      return sum(std::move(parts));
    }
  }
}

// parts[local shard][i]: the i-th stretch of its values.
template <class T>
void ShardGroup::sum(std::vector<std::vector<std::span<T>>> parts) {
  const std::vector<std::span<T>>& first = parts.front();
  for (const auto& other : parts) {
    INTANDEM_CHECK(other.size() == first.size(), "shards sum different numbers of tensors");
    for (std::size_t i = 0; i < first.size(); ++i) {
      INTANDEM_CHECK(other[i].size() == first[i].size(), "shards sum tensors of different sizes");
    }
  }
  std::vector<ShardRange> nodes;
  append_nodes({0, shards_}, {first_, first_ + local_}, nodes);
  for (const ShardRange& node : nodes) {
    for (std::size_t i = 0; i < first.size(); ++i) {
      tree_sum<T>(node, first[i].size(), [&](const ShardRange& range) -> T* {
        if (range.hi - range.lo > 1) return nullptr;
        return parts[static_cast<std::size_t>(range.lo - first_)][i].data();
      });
    }
  }
  if (transport_.size() > 1) {
    std::size_t n = 0;
    for (const std::span<T>& stretch : first) n += stretch.size();
    std::vector<T> flat(nodes.size() * n), result;
    std::vector<T*> partial;
    for (std::size_t k = 0; k < nodes.size(); ++k) {
      partial.push_back(flat.data() + k * n);
      T* to = partial.back();
      for (const std::span<T>& from : parts[static_cast<std::size_t>(nodes[k].lo - first_)]) {
        to = std::copy(from.begin(), from.end(), to);
      }
    }
    sum_over_processes(transport_, shards_, partial, n, result);
    const T* from = result.data();
    for (const std::span<T>& to : first) {
      std::copy_n(from, to.size(), to.data());
      from += to.size();
    }
  }
  for (std::size_t shard = 1; shard < parts.size(); ++shard) {
    for (std::size_t i = 0; i < first.size(); ++i) {
      std::copy(first[i].begin(), first[i].end(), parts[shard][i].data());
    }
  }
}

void ShardGroup::gather(ShardOperation& operation) {
  const int processes = transport_.size(), me = transport_.index();
  const auto count = static_cast<std::size_t>(shards_);
  operation.gathered.resize(count);
  std::vector<std::uint64_t> sizes_bytes(count);
  for (int i = 0; i < local_; ++i) {
    const auto at = static_cast<std::size_t>(first_ + i);
    operation.gathered[at] = std::move(operation.parts[static_cast<std::size_t>(i)].bytes);
    sizes_bytes[at] = operation.gathered[at].size();
  }
  if (processes == 1) return;
  // Sizes first, then the bytes.
  std::vector<Message> sends, receives;
  for (int p = 0; p < processes; ++p) {
    if (p == me) continue;
    const int begin = first_shard(p, processes, shards_);
    const int end = first_shard(p + 1, processes, shards_);
    sends.push_back({p, bytes_of(sizes_bytes.data() + first_),
                     static_cast<std::size_t>(local_) * sizeof(std::uint64_t)});
    receives.push_back({p, bytes_of(sizes_bytes.data() + begin),
                        static_cast<std::size_t>(end - begin) * sizeof(std::uint64_t)});
  }
  transport_.exchange(sends, receives);
  sends.clear();
  receives.clear();
  for (int p = 0; p < processes; ++p) {
    if (p == me) continue;
    for (int i = first_; i < first_ + local_; ++i) {
      std::string& mine = operation.gathered[static_cast<std::size_t>(i)];
      sends.push_back({p, bytes_of(mine.data()), mine.size()});
    }
    for (int i = first_shard(p, processes, shards_); i < first_shard(p + 1, processes, shards_);
         ++i) {
      const auto at = static_cast<std::size_t>(i);
      operation.gathered[at].resize(sizes_bytes[at]);
      receives.push_back({p, bytes_of(operation.gathered[at].data()), sizes_bytes[at]});
    }
  }
  transport_.exchange(sends, receives);
}

}  // namespace intandem
