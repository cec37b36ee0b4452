#include "distill/model_info.hpp"

#include <sstream>

#include "core/container.hpp"
#include "core/error.hpp"
#include "quant/student.hpp"

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
  store_normalization(info.norm, file);
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
  info.norm = load_normalization(file, file.tensor<float>("normalization/std_dev").size());
  return info;
}

}  // namespace intandem
