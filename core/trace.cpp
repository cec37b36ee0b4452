#include "core/trace.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

namespace intandem {
namespace {

std::atomic<Trace*> in_use{nullptr};

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void Trace::add(Span span) {
  const std::lock_guard lock(mutex_);
  spans_.push_back(std::move(span));
}

std::string Trace::events(int process) const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const Span& span : spans_) {
    const std::string lane = span.lane == kCommunication
                                 ? "\"communication\""
                                 : "\"shard " + std::to_string(span.lane) + "\"";
    text += (text.empty() ? "" : ",\n") + std::string("{\"name\": \"") + span.name +
            "\", \"ph\": \"X\", \"pid\": " + std::to_string(process) + ", \"tid\": " + lane +
            ", \"ts\": " + std::to_string(span.begin_us) +
            ", \"dur\": " + std::to_string(span.end_us - span.begin_us) +
            ", \"args\": {\"bytes\": " + std::to_string(span.bytes) + "}}";
  }
  return text;
}

Trace::Overlap Trace::overlap() const {
  const std::lock_guard lock(mutex_);
  using Stretch = std::pair<std::int64_t, std::int64_t>;
  std::vector<Stretch> backward;
  for (const Span& span : spans_) {
    if (span.name == "backward") backward.emplace_back(span.begin_us, span.end_us);
  }
  std::sort(backward.begin(), backward.end());
  std::vector<Stretch> merged;  // those of shards side by side as one
  for (const Stretch& one : backward) {
    if (merged.empty() || one.first > merged.back().second) {
      merged.push_back(one);
    } else {
      merged.back().second = std::max(merged.back().second, one.second);
    }
  }
  Overlap result;
  for (const Span& sum : spans_) {
    if (sum.lane != kCommunication || sum.bytes == 0) continue;
    result.sum_us += sum.end_us - sum.begin_us;
    result.bytes += sum.bytes;
    auto one = std::lower_bound(merged.begin(), merged.end(), Stretch{sum.begin_us, 0});
    if (one != merged.begin()) --one;
    for (; one != merged.end() && one->first < sum.end_us; ++one) {
      result.hidden_us += std::max<std::int64_t>(
          0, std::min(sum.end_us, one->second) - std::max(sum.begin_us, one->first));
    }
  }
  return result;
}

Trace* active_trace() { return in_use.load(std::memory_order_relaxed); }
void use_trace(Trace* trace) { in_use = trace; }

TraceSpan::TraceSpan(const char* name, int lane, std::int64_t bytes)
    : trace_(active_trace()), name_(name), lane_(lane), bytes_(bytes) {
  if (trace_ != nullptr) begin_us_ = now_us();
}

TraceSpan::~TraceSpan() {
  if (trace_ != nullptr) trace_->add({name_, lane_, begin_us_, now_us(), bytes_});
}

}  // namespace intandem
