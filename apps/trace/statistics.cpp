#include "apps/trace/statistics.hpp"

#include <xtensor/xmath.hpp>
#include <xtensor/xsort.hpp>

#include "core/xtensor_adapt.hpp"

namespace intandem {
namespace {

template <class T>
Summary summary_of(const Tensor<T>& tensor) {
  if (tensor.empty()) return {};
  const auto view = adapt(tensor);
  Summary summary;
  summary.lowest = xt::amin(view)();
  summary.highest = xt::amax(view)();
  summary.zeros =
      static_cast<double>(tensor.size() - static_cast<std::int64_t>(xt::count_nonzero(view)())) /
      static_cast<double>(tensor.size());
  return summary;
}

}  // namespace

Summary summarize(const TensorU8& tensor) { return summary_of(tensor); }
Summary summarize(const TensorS8& tensor) { return summary_of(tensor); }
Summary summarize(const TensorS32& tensor) { return summary_of(tensor); }

}  // namespace intandem
