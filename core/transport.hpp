// How the processes of a job exchange bytes: between them nothing is computed, so every sum is made
// by our own code in an order of our own (core/shard_group.hpp).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace intandem {

/// Bytes on their way to a process or from it.
struct Message {
  int process = 0;
  std::byte* data = nullptr;
  std::size_t size_bytes = 0;
};

/// Used by one thread at a time.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual int index() const = 0;
  virtual int size() const = 0;
  /// Sends and receives all of these; messages between two processes arrive in the order of both
  /// lists. Every process calls it at the same point of its program with the other end of each
  /// message. Error naming the process that has fallen silent.
  virtual void exchange(const std::vector<Message>& sends,
                        const std::vector<Message>& receives) = 0;
  /// Called many times a second while there is nothing to exchange. Error as above.
  virtual void idle() {}
};

/// One process: nothing to exchange.
class AloneTransport final : public Transport {
 public:
  int index() const override { return 0; }
  int size() const override { return 1; }
  void exchange(const std::vector<Message>&, const std::vector<Message>&) override {}
};

}  // namespace intandem
