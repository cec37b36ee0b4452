// Where the time of a training step goes. Operations open a ProfileScope; without a profiler in use
// that costs one comparison and nothing is read or written. Results never depend on it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace intandem {

/// All calls of one phase ("forward", "weight gradient", …) of one unit ("conv1", "update", …).
struct ProfileRow {
  std::string unit, phase;
  std::int64_t calls = 0;
  double seconds = 0;
  double flop = 0;  ///< of the definition, whatever the algorithm; 0: counted in bytes only
  /// Every operand once and every result once per pass that the data dependencies impose; what an
  /// algorithm moves on top of that (packing, caches too small) makes the GB/s of a row low.
  double bytes = 0;
};

/// Collects rows; used by the one thread that trains.
class Profiler {
 public:
  void add(std::string_view phase, double seconds, double flop, double bytes);
  /// Units in the order they first appeared, each unit's phases likewise.
  std::vector<ProfileRow> rows() const;

  std::int64_t steps = 0;    ///< training steps seen
  double step_seconds = 0;   ///< within them
  double epoch_seconds = 0;  ///< from the first to the last step of each epoch, waiting included

  /// The number of a unit; the same name has the same number.
  int unit_index(std::string_view name);
  int unit = 0;  ///< what add() attributes to; 0: no unit

 private:
  std::vector<std::string> names_ = {"other"};
  std::vector<ProfileRow> rows_;
  std::vector<int> row_unit_;  // of each row
};

/// The profiler in use on this thread, or null.
Profiler* active_profiler();

/// Makes a profiler the one in use on this thread while the object lives; null pauses.
class UseProfiler {
 public:
  explicit UseProfiler(Profiler* profiler);
  ~UseProfiler();
  UseProfiler(const UseProfiler&) = delete;
  UseProfiler& operator=(const UseProfiler&) = delete;

 private:
  Profiler* before_;
};

/// Work in the life of the object belongs to this unit.
class ProfileUnit {
 public:
  explicit ProfileUnit(std::string_view name);
  explicit ProfileUnit(int unit);
  ~ProfileUnit();
  ProfileUnit(const ProfileUnit&) = delete;
  ProfileUnit& operator=(const ProfileUnit&) = delete;

 private:
  Profiler* profiler_;
  int before_ = 0;
};

/// The unit in force, to come back to it in the backward pass; 0 without a profiler.
int current_profile_unit();

/// One call of a phase, from construction to destruction. Scopes are not nested.
class ProfileScope {
 public:
  /// flop and bytes as in ProfileRow.
  ProfileScope(const char* phase, double flop, double bytes)
      : profiler_(active_profiler()), phase_(phase), flop_(flop), bytes_(bytes) {
    if (profiler_ != nullptr) start_ = std::chrono::steady_clock::now();
  }
  ~ProfileScope() {
    if (profiler_ == nullptr) return;
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
    profiler_->add(phase_, elapsed.count(), flop_, bytes_);
  }
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

 private:
  Profiler* profiler_;
  const char* phase_;
  double flop_, bytes_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace intandem
