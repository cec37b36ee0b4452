// Processes of a job as threads of a test: mailboxes take the place of MPI.
#pragma once

#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/shard_group.hpp"
#include "core/transport.hpp"

namespace intandem::core_test {

/// Letters on their way, by (from, to).
class Mailboxes {
 public:
  void put(int from, int to, std::string letter) {
    {
      const std::lock_guard lock(mutex_);
      boxes_[{from, to}].push_back(std::move(letter));
    }
    arrived_.notify_all();
  }
  std::string take(int from, int to) {
    std::unique_lock lock(mutex_);
    std::deque<std::string>& box = boxes_[{from, to}];
    if (!arrived_.wait_for(lock, std::chrono::seconds(20), [&] { return !box.empty(); })) {
      throw Error("process " + std::to_string(from), "has not sent what it should", "a bug");
    }
    std::string letter = std::move(box.front());
    box.pop_front();
    return letter;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::pair<int, int>, std::deque<std::string>> boxes_;
};

class MailboxTransport final : public Transport {
 public:
  MailboxTransport(Mailboxes& boxes, int index, int size)
      : boxes_(boxes), index_(index), size_(size) {}
  int index() const override { return index_; }
  int size() const override { return size_; }
  void exchange(const std::vector<Message>& sends, const std::vector<Message>& receives) override {
    for (const Message& m : sends) {
      boxes_.put(index_, m.process,
                 std::string(reinterpret_cast<const char*>(m.data), m.size_bytes));
    }
    for (const Message& m : receives) {
      const std::string letter = boxes_.take(m.process, index_);
      INTANDEM_CHECK(letter.size() == m.size_bytes, "a message of another size");
      if (!letter.empty()) std::memcpy(m.data, letter.data(), letter.size());
    }
  }

 private:
  Mailboxes& boxes_;
  int index_, size_;
};

/// work(shard) for `shards` shards, held by `processes` processes.
inline void run_shards(int processes, int shards, const std::function<void(Communicator&)>& work) {
  Mailboxes boxes;
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(processes));
  std::vector<std::thread> threads;
  for (int p = 0; p < processes; ++p) {
    threads.emplace_back([&, p] {
      try {
        MailboxTransport transport(boxes, p, processes);
        ShardGroup group(transport, shards);
        group.run(work);
      } catch (...) {
        errors[static_cast<std::size_t>(p)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace intandem::core_test
