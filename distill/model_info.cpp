#include "distill/model_info.hpp"

#include <sstream>

#include "core/container.hpp"
#include "core/error.hpp"

namespace intandem {

void store_info(const ModelInfo& info, Container& file) {
  std::string names;
  for (const std::string& name : info.class_names) {
    INTANDEM_CHECK(name.find('\n') == std::string::npos, "a class name is one line");
    names += name + "\n";
  }
  file.set("dataset", info.dataset);
  file.set("class_names", names);
  file.set("seed", std::to_string(info.seed));
  file.set("held_out", std::to_string(info.held_out));
  file.set("limit", std::to_string(info.limit));
  file.set("shift", std::to_string(info.augment.shift));
  file.set("flip", info.augment.flip ? "1" : "0");
  file.set("commit", info.commit);
  const auto channels = static_cast<std::int64_t>(info.norm.std_dev.size());
  TensorS32 zero_point(Shape{channels});
  TensorF std_dev(Shape{channels});
  std::copy(info.norm.zero_point.begin(), info.norm.zero_point.end(), zero_point.begin());
  std::copy(info.norm.std_dev.begin(), info.norm.std_dev.end(), std_dev.begin());
  file.put("normalization/zero_point", zero_point);
  file.put("normalization/std_dev", std_dev);
}

ModelInfo load_info(const Container& file) {
  ModelInfo info;
  info.dataset = file.get("dataset");
  std::istringstream names(file.get("class_names"));
  for (std::string name; std::getline(names, name);) info.class_names.push_back(name);
  info.seed = static_cast<std::uint64_t>(file.get_int("seed"));
  info.held_out = file.get_int("held_out");
  info.limit = file.get_int("limit");
  info.augment.shift = static_cast<int>(file.get_int("shift"));
  info.augment.flip = file.get_int("flip") != 0;
  info.commit = file.get("commit");
  const auto zero_point = file.tensor<std::int32_t>("normalization/zero_point");
  const auto std_dev = file.tensor<float>("normalization/std_dev", zero_point.shape());
  info.norm.zero_point.assign(zero_point.begin(), zero_point.end());
  info.norm.std_dev.assign(std_dev.begin(), std_dev.end());
  for (std::size_t c = 0; c < info.norm.std_dev.size(); ++c) {
    const std::int32_t z = info.norm.zero_point[c];
    if (z < 0 || z > 255 || !(info.norm.std_dev[c] > 0)) {
      throw Error(file.path(), "normalization out of range", "write the model again");
    }
  }
  return info;
}

}  // namespace intandem
