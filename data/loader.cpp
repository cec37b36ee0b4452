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

// Batches ready or in the making: enough to hide an uneven step, few enough to stay in the cache.
constexpr std::int64_t kBatchesAhead = 4;
// Counters of an image's stream after those of random_crop.
constexpr std::uint64_t kFlipCounter = 16, kJitterCounter = 17;

void check_options(const Dataset& data, const Normalization& norm, const Loader::Options& options) {
  INTANDEM_CHECK(data.streamed() ? data.members.size() == data.labels.size()
                                 : data.images.rank() == 4 && data.images.dim(0) == data.size(),
                 "images of shape " + data.images.shape().str() + " with " +
                     std::to_string(data.size()) + " labels");
  const Shape image = data.image_shape();
  INTANDEM_CHECK(static_cast<std::int64_t>(norm.zero_point.size()) == image[2],
                 "normalization of " + std::to_string(norm.zero_point.size()) + " channels");
  INTANDEM_CHECK(data.streamed() || !options.augment.random_crop, "random crops need photos");
  if (options.batch <= 0) {
    throw Error("batch", std::to_string(options.batch) + " is not positive", "use 1 or more",
                ExitCode::usage);
  }
  if (options.drop_last) check_batch(data.name, data.size(), options.batch);
  INTANDEM_CHECK(options.first_batch >= 0, "negative first batch");
  INTANDEM_CHECK(options.slice_first >= 0 && options.slice_count >= -1, "a slice of no batch");
  const std::int64_t side = std::min(image[0], image[1]);
  if (options.augment.shift < 0 || options.augment.shift > side) {
    throw Error("augment shift",
                std::to_string(options.augment.shift) + " is not in 0 ... " + std::to_string(side),
                "use a smaller shift", ExitCode::usage);
  }
}

}  // namespace

// Threads hand out the images of batch after batch among themselves. They use plain loops: OpenMP
// teams of their own would fight the training step for the processors.
class Loader::Worker {
 public:
  Worker(const Dataset& data, const Normalization& norm, const Options& options, std::int64_t epoch)
      : data_(data), options_(options) {
    check_options(data, norm, options);
    image_ = data.image_shape();
    for (const std::int32_t z : norm.zero_point) fill_.push_back(static_cast<std::uint8_t>(z));
    const Rng rng(options.seed);
    const auto index = static_cast<std::uint64_t>(epoch);
    augment_rng_ = rng.stream("augment").stream(index);
    jitter_rng_ = rng.stream("jitter").stream(index);
    crop_rng_ = rng.stream("crop").stream(index);
    const auto size = static_cast<std::int32_t>(data.size());
    if (options.shuffle) {
      order_ = random_permutation(size, rng.stream("shuffle").stream(index));
    } else {
      order_.resize(static_cast<std::size_t>(size));
      std::iota(order_.begin(), order_.end(), 0);
    }
    next_batch_ = options.first_batch;
    if (data.streamed()) {
      const std::int64_t batch_bytes = options.batch * image_.size();
      batches_ahead_ = std::clamp<std::int64_t>(
          data.source->read_ahead_bytes() / std::max<std::int64_t>(1, batch_bytes), 1,
          kBatchesAhead);
    }
    for (int i = data.streamed() ? data.source->threads() : 1; i > 0; --i) {
      threads_.emplace_back([this] { run(); });
    }
  }

  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    space_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  std::int64_t batch_count() const {
    const std::int64_t spare = options_.drop_last ? 0 : options_.batch - 1;
    return (data_.size() + spare) / options_.batch;
  }

  bool next(Batch& batch) {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] {
      return slots_.empty() ? next_batch_ >= batch_count() : slots_.front().unfinished == 0;
    });
    if (slots_.empty()) return false;
    if (slots_.front().error) std::rethrow_exception(slots_.front().error);
    batch = std::move(slots_.front().batch);
    slots_.pop_front();
    lock.unlock();
    space_.notify_all();
    return true;
  }

 private:
  /// A batch and how much of it is to be done. Those that are being worked on keep their place in
  /// the queue, so threads may hold references to them.
  struct Slot {
    Batch batch;
    std::int64_t first = 0;       ///< position of its first image in the epoch
    std::int64_t taken = 0;       ///< images that threads have begun
    std::int64_t unfinished = 0;  ///< images that are not done yet
    std::int64_t failed = 0;      ///< the first image that could not be made, if there is an error
    std::exception_ptr error;
  };

  std::int64_t images_of(const Slot& slot) const {
    return static_cast<std::int64_t>(slot.batch.labels.size());
  }

  /// Of images in memory a thread takes a whole batch.
  std::int64_t grain() const { return data_.streamed() ? 1 : options_.batch; }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      space_.wait(lock, [&] { return stop_ || has_work() || next_batch_ >= batch_count(); });
      if (stop_ || !has_work()) return;
      if (slots_.empty() || slots_.back().taken == images_of(slots_.back())) open_slot();
      if (images_of(slots_.back()) == 0) continue;  // nothing of this batch is wanted
      Slot& slot = slots_.back();
      const std::int64_t begin = slot.taken;
      const std::int64_t end = std::min(images_of(slot), begin + grain());
      slot.taken = end;
      // The others need not wait for this one: there may be more images, or no more at all.
      if (grain() == 1) space_.notify_one();
      lock.unlock();
      std::int64_t at = begin;
      std::exception_ptr error;
      try {
        for (; at < end; ++at) make(slot, at);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error && (!slot.error || at < slot.failed)) {
        slot.error = error;
        slot.failed = at;
      }
      slot.unfinished -= end - begin;
      if (slot.unfinished == 0) filled_.notify_one();
    }
  }

  bool has_work() const {
    if (!slots_.empty() && slots_.back().taken < images_of(slots_.back())) return true;
    return next_batch_ < batch_count() && static_cast<std::int64_t>(slots_.size()) < batches_ahead_;
  }

  void open_slot() {
    const std::int64_t index = next_batch_++;
    const std::int64_t whole = std::min(options_.batch, data_.size() - index * options_.batch);
    const std::int64_t skipped = std::min(options_.slice_first, whole);
    const std::int64_t rest = whole - skipped;
    const std::int64_t count =
        options_.slice_count < 0 ? rest : std::min(options_.slice_count, rest);
    Slot& slot = slots_.emplace_back();
    slot.batch.index = index;
    slot.batch.first = skipped;
    slot.batch.images = TensorU8({count, image_[0], image_[1], image_[2]});
    slot.batch.labels.resize(static_cast<std::size_t>(count));
    slot.first = index * options_.batch + skipped;
    slot.unfinished = count;
    if (count == 0) filled_.notify_one();
  }

  /// Image i of the slot: label and pixels.
  void make(Slot& slot, std::int64_t i) const {
    const std::int64_t H = image_[0], W = image_[1], C = image_[2];
    const std::int64_t position = slot.first + i;
    const std::int32_t from = order_[static_cast<std::size_t>(position)];
    const std::int32_t label = data_.labels[static_cast<std::size_t>(from)];
    if (label < 0 || label >= data_.classes) {
      throw Error(data_.name,
                  "image " + std::to_string(from) + " has label " + std::to_string(label) +
                      ", not in 0 ... " + std::to_string(data_.classes - 1),
                  "check the data set");
    }
    slot.batch.labels[static_cast<std::size_t>(i)] = label;
    std::uint8_t* out = slot.batch.images.data() + i * image_.size();
    const Augment& augment = options_.augment;
    const auto counter = static_cast<std::uint64_t>(position);
    if (augment.random_crop) {
      const std::int32_t member = data_.members[static_cast<std::size_t>(from)];
      const Rng rng = crop_rng_.stream(static_cast<std::uint64_t>(member));
      data_.source->read(member, &rng, out);
      if (augment.flip && (rng.bits(kFlipCounter) >> 31) != 0) mirror_image(out, H, W, C);
      if (augment.jitter > 0) {
        jitter_colours(out, H * W, C, augment.jitter, rng.block(kJitterCounter));
      }
      return;
    }
    const AugmentDraw draw = draw_augment(augment, augment_rng_, counter);
    if (!data_.streamed()) {
      augment_image(data_.images.data() + from * image_.size(), H, W, C, draw, fill_.data(), out);
    } else if (draw == AugmentDraw{}) {
      data_.read_image(from, out);
    } else {
      TensorU8 image(image_);
      data_.read_image(from, image.data());
      augment_image(image.data(), H, W, C, draw, fill_.data(), out);
    }
    if (augment.jitter > 0) {
      jitter_colours(out, H * W, C, augment.jitter, jitter_rng_.block(counter));
    }
  }

  const Dataset& data_;
  const Options options_;
  Shape image_;
  std::vector<std::uint8_t> fill_;
  Rng augment_rng_{0}, jitter_rng_{0}, crop_rng_{0};
  std::vector<std::int32_t> order_;
  std::int64_t batches_ahead_ = kBatchesAhead;

  std::mutex mutex_;
  std::condition_variable filled_, space_;
  std::deque<Slot> slots_;
  std::int64_t next_batch_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;  // last: they start when everything else exists
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
