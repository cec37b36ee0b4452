// How much memory the images that are being decoded may take together.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace intandem {

class DecodeBudget {
 public:
  explicit DecodeBudget(std::int64_t bytes) : bytes_(bytes), free_bytes_(bytes) {}

  /// A part of the budget, given back at the end of its life.
  class Grant {
   public:
    Grant(DecodeBudget& budget, std::int64_t bytes) : budget_(budget), bytes_(bytes) {}
    ~Grant() { budget_.give_back(bytes_); }
    Grant(const Grant&) = delete;
    Grant& operator=(const Grant&) = delete;

   private:
    DecodeBudget& budget_;
    std::int64_t bytes_;
  };

  std::int64_t bytes() const { return bytes_; }
  /// Waits until so much is free; at most bytes(). A thread holds one grant at a time, so that none
  /// waits for itself.
  Grant take(std::int64_t bytes) {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [&] { return free_bytes_ >= bytes; });
    free_bytes_ -= bytes;
    return {*this, bytes};
  }

 private:
  void give_back(std::int64_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      free_bytes_ += bytes;
    }
    freed_.notify_all();
  }

  const std::int64_t bytes_;
  std::int64_t free_bytes_;
  std::mutex mutex_;
  std::condition_variable freed_;
};

}  // namespace intandem
