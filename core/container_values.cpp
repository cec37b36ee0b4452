// No number in a container may be one that no training, sound or not, can mean to keep.
#include <algorithm>
#include <cmath>

#include "core/container.hpp"
#include "core/error.hpp"

namespace intandem {
namespace {

template <class T, class Bad>
void refuse(const Tensor<T>& values, const std::string& path, const std::string& name,
            const std::string& remedy, const Bad& bad) {
  const auto found = std::find_if(values.begin(), values.end(), bad);
  if (found == values.end()) return;
  throw Error(path.empty() ? "container" : path,
              "tensor '" + name + "' holds " + std::to_string(*found) + " (element " +
                  std::to_string(found - values.begin()) + ")",
              remedy);
}

}  // namespace

void Container::check_values(const std::string& path, const std::string& remedy) const {
  for (const auto& [name, e] : tensors_) {
    if (e.dtype == "F32") {
      refuse(tensor<float>(name), path, name, remedy, [](float x) { return !std::isfinite(x); });
    } else if (e.dtype == "F64") {
      refuse(tensor<double>(name), path, name, remedy, [](double x) { return std::isnan(x); });
    }
  }
}

}  // namespace intandem
