#include "core/profile.hpp"

#include <algorithm>

namespace intandem {
namespace {

thread_local Profiler* in_use = nullptr;

}  // namespace

int Profiler::unit_index(std::string_view name) {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) {
    names_.emplace_back(name);
    return static_cast<int>(names_.size()) - 1;
  }
  return static_cast<int>(found - names_.begin());
}

void Profiler::add(std::string_view phase, double seconds, double flop, double bytes) {
  std::size_t at = 0;
  while (at < rows_.size() && (row_unit_[at] != unit || rows_[at].phase != phase)) ++at;
  if (at == rows_.size()) {
    rows_.push_back({names_[static_cast<std::size_t>(unit)], std::string(phase), 0, 0, 0, 0});
    row_unit_.push_back(unit);
  }
  ProfileRow& row = rows_[at];
  ++row.calls;
  row.seconds += seconds;
  row.flop += flop;
  row.bytes += bytes;
}

std::vector<ProfileRow> Profiler::rows() const {
  std::vector<std::string> order;
  for (const ProfileRow& row : rows_) {
    if (std::find(order.begin(), order.end(), row.unit) == order.end()) order.push_back(row.unit);
  }
  std::vector<ProfileRow> sorted;
  for (const std::string& unit_name : order) {
    for (const ProfileRow& row : rows_) {
      if (row.unit == unit_name) sorted.push_back(row);
    }
  }
  return sorted;
}

Profiler* active_profiler() { return in_use; }

UseProfiler::UseProfiler(Profiler* profiler) : before_(in_use) { in_use = profiler; }
UseProfiler::~UseProfiler() { in_use = before_; }

ProfileUnit::ProfileUnit(std::string_view name)
    : ProfileUnit(in_use == nullptr ? 0 : in_use->unit_index(name)) {}
ProfileUnit::ProfileUnit(int unit) : profiler_(in_use) {
  if (profiler_ == nullptr) return;
  before_ = profiler_->unit;
  profiler_->unit = unit;
}
ProfileUnit::~ProfileUnit() {
  if (profiler_ != nullptr) profiler_->unit = before_;
}

int current_profile_unit() { return in_use == nullptr ? 0 : in_use->unit; }

}  // namespace intandem
