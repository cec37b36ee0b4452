#include "data/loader.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "core/error.hpp"

namespace intandem {
namespace {

// Batches kept ready: enough to hide an uneven step, few enough to stay in the memory cache.
constexpr std::size_t kReadyBatches = 3;

void check_options(const Dataset& data, const Normalization& norm, const Loader::Options& options) {
  INTANDEM_CHECK(data.images.rank() == 4 && data.images.dim(0) == data.size(),
                 "images of shape " + data.images.shape().str() + " with " +
                     std::to_string(data.size()) + " labels");
  INTANDEM_CHECK(static_cast<std::int64_t>(norm.zero_point.size()) == data.images.dim(3),
                 "normalization of " + std::to_string(norm.zero_point.size()) + " channels");
  if (options.batch <= 0) {
    throw Error("batch", std::to_string(options.batch) + " is not positive", "use 1 or more",
                ExitCode::usage);
  }
  if (options.drop_last) check_batch(data.name, data.size(), options.batch);
  INTANDEM_CHECK(options.first_batch >= 0, "negative first batch");
  INTANDEM_CHECK(options.slice_first >= 0 && options.slice_count >= -1, "a slice of no batch");
  const std::int64_t side = std::min(data.images.dim(1), data.images.dim(2));
  if (options.augment.shift < 0 || options.augment.shift > side) {
    throw Error("augment shift",
                std::to_string(options.augment.shift) + " is not in 0 ... " + std::to_string(side),
                "use a smaller shift", ExitCode::usage);
  }
}

}  // namespace

// The thread makes batches in order and puts them into a queue of at most kReadyBatches. It uses
// plain loops: an OpenMP team of its own would fight the training step for the processors.
class Loader::Worker {
 public:
  Worker(const Dataset& data, const Normalization& norm, const Options& options, std::int64_t epoch)
      : data_(data), options_(options) {
    check_options(data, norm, options);
    for (const std::int32_t z : norm.zero_point) fill_.push_back(static_cast<std::uint8_t>(z));
    const Rng rng(options.seed);
    const auto index = static_cast<std::uint64_t>(epoch);
    augment_rng_ = rng.stream("augment").stream(index);
    const auto size = static_cast<std::int32_t>(data.size());
    if (options.shuffle) {
      order_ = random_permutation(size, rng.stream("shuffle").stream(index));
    } else {
      order_.resize(static_cast<std::size_t>(size));
      std::iota(order_.begin(), order_.end(), 0);
    }
    thread_ = std::thread([this] { run(); });
  }

  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    space_.notify_one();
    thread_.join();
  }

  std::int64_t batch_count() const {
    const std::int64_t spare = options_.drop_last ? 0 : options_.batch - 1;
    return (data_.size() + spare) / options_.batch;
  }

  bool next(Batch& batch) {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return !ready_.empty() || finished_; });
    if (ready_.empty()) {
      if (error_) std::rethrow_exception(error_);
      return false;
    }
    batch = std::move(ready_.front());
    ready_.pop_front();
    lock.unlock();
    space_.notify_one();
    return true;
  }

 private:
  void run() {
    try {
      for (std::int64_t index = options_.first_batch; index < batch_count(); ++index) {
        Batch batch = make(index);
        std::unique_lock lock(mutex_);
        space_.wait(lock, [&] { return ready_.size() < kReadyBatches || stop_; });
        if (stop_) return;
        ready_.push_back(std::move(batch));
        lock.unlock();
        filled_.notify_one();
      }
      finish(nullptr);
    } catch (...) {
      finish(std::current_exception());
    }
  }

  void finish(std::exception_ptr error) {
    {
      const std::lock_guard lock(mutex_);
      error_ = std::move(error);
      finished_ = true;
    }
    filled_.notify_one();
  }

  Batch make(std::int64_t index) const {
    const std::int64_t whole = std::min(options_.batch, data_.size() - index * options_.batch);
    const std::int64_t skipped = std::min(options_.slice_first, whole);
    const std::int64_t first = index * options_.batch + skipped;
    const std::int64_t count = options_.slice_count < 0
                                   ? whole - skipped
                                   : std::min(options_.slice_count, whole - skipped);
    const std::int64_t H = data_.images.dim(1), W = data_.images.dim(2), C = data_.images.dim(3);
    Batch batch;
    batch.index = index;
    batch.first = skipped;
    batch.images = TensorU8({count, H, W, C});
    batch.labels.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int32_t from = order_[static_cast<std::size_t>(first + i)];
      const std::int32_t label = data_.labels[static_cast<std::size_t>(from)];
      if (label < 0 || label >= data_.classes) {
        throw Error(data_.name,
                    "image " + std::to_string(from) + " has label " + std::to_string(label) +
                        ", not in 0 ... " + std::to_string(data_.classes - 1),
                    "check the data set");
      }
      const AugmentDraw draw =
          draw_augment(options_.augment, augment_rng_, static_cast<std::uint64_t>(first + i));
      augment_image(data_.images.data() + from * H * W * C, H, W, C, draw, fill_.data(),
                    batch.images.data() + i * H * W * C);
      batch.labels.push_back(label);
    }
    return batch;
  }

  const Dataset& data_;
  const Options options_;
  std::vector<std::uint8_t> fill_;
  Rng augment_rng_{0};
  std::vector<std::int32_t> order_;

  std::mutex mutex_;
  std::condition_variable filled_, space_;
  std::deque<Batch> ready_;
  bool finished_ = false, stop_ = false;
  std::exception_ptr error_;
  std::thread thread_;  // last: starts when everything else exists
};

void check_batch(const std::string& dataset, std::int64_t images, std::int64_t batch) {
  if (batch <= images) return;
  throw Error(dataset,
              "has " + std::to_string(images) + " training images, less than one batch of " +
                  std::to_string(batch),
              "use a smaller --batch or more images", ExitCode::usage);
}

Loader::Loader(const Dataset& data, const Normalization& norm, const Options& options,
               std::int64_t epoch)
    : worker_(std::make_unique<Worker>(data, norm, options, epoch)) {}
Loader::~Loader() = default;
std::int64_t Loader::batch_count() const { return worker_->batch_count(); }
bool Loader::next(Batch& batch) { return worker_->next(batch); }

}  // namespace intandem
