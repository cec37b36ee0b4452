#include "distill/model_info.hpp"

#include <cmath>
#include <sstream>

#include "core/container.hpp"
#include "core/error.hpp"
#include "quant/student.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kMany = 1'000'000'000;
constexpr std::int64_t kMaxShift_pixels = 16384;
/// Strengths of the colour jitter are recorded as whole millionths.
constexpr std::int64_t kJitterUnit = 1'000'000;

std::int64_t get_int_in(const Container& file, const std::string& key, std::int64_t highest) {
  const std::int64_t value = file.get_int(key);
  if (value >= 0 && value <= highest) return value;
  throw Error(file.path(),
              "metadata '" + key + "' is " + std::to_string(value) + ", outside of 0 ... " +
                  std::to_string(highest),
              "the file is damaged; create it again");
}

}  // namespace

void store_fingerprint(const Fingerprint& data, Container& file) {
  if (data.labels.empty()) return;
  file.set("data_labels", data.labels);
  file.set("data_pixels", data.pixels);
  if (!data.files.empty()) file.set("data_files", data.files);
}

Fingerprint load_fingerprint(const Container& file) {
  if (!file.has("data_labels")) return {};
  return {file.get("data_labels"), file.get("data_pixels"),
          file.has("data_files") ? file.get("data_files") : std::string()};
}

void store_info(const ModelInfo& info, Container& file) {
  std::string names;
  for (const std::string& name : info.class_names) {
    INTANDEM_CHECK(name.find('\n') == std::string::npos, "a class name is one line");
    names += name + "\n";
  }
  file.set("dataset", info.dataset);
  if (!info.data_dir.empty()) file.set("data_dir", info.data_dir);
  store_fingerprint(info.data, file);
  file.set("class_names", names);
  file.set("seed", std::to_string(info.seed));
  file.set("held_out", std::to_string(info.held_out));
  file.set("limit", std::to_string(info.limit));
  file.set("shift", std::to_string(info.augment.shift));
  file.set("flip", info.augment.flip ? "1" : "0");
  // Only photos have what follows; the other files stay as they were.
  if (info.preprocessing != Preprocessing::fit) {
    file.set("preprocessing", preprocessing_name(info.preprocessing));
  }
  if (info.augment.random_crop) file.set("random_crop", "1");
  if (info.augment.jitter > 0) {
    file.set("colour_jitter", std::to_string(std::llround(info.augment.jitter * kJitterUnit)));
  }
  if (info.skip_bad) file.set("skip_bad", "1");
  file.set("commit", info.commit);
  store_normalization(info.norm, file);
}

ModelInfo load_info(const Container& file) {
  ModelInfo info;
  info.dataset = file.get("dataset");
  if (file.has("data_dir")) info.data_dir = file.get("data_dir");
  info.data = load_fingerprint(file);
  std::istringstream names(file.get("class_names"));
  for (std::string name; std::getline(names, name);) info.class_names.push_back(name);
  info.seed = static_cast<std::uint64_t>(get_int_in(file, "seed", kMany));
  info.held_out = get_int_in(file, "held_out", kMany);
  info.limit = get_int_in(file, "limit", kMany);
  info.augment.shift = static_cast<int>(get_int_in(file, "shift", kMaxShift_pixels));
  info.augment.flip = get_int_in(file, "flip", 1) != 0;
  const auto flag = [&](const char* key) { return file.has(key) && get_int_in(file, key, 1) != 0; };
  if (file.has("preprocessing")) {
    info.preprocessing = preprocessing_from_name(file.get("preprocessing"), file.path());
  }
  info.augment.random_crop = flag("random_crop");
  if (file.has("colour_jitter")) {
    info.augment.jitter =
        static_cast<double>(get_int_in(file, "colour_jitter", kJitterUnit)) / kJitterUnit;
  }
  info.skip_bad = flag("skip_bad");
  info.commit = file.get("commit");
  info.norm = load_normalization(file, file.tensor<float>("normalization/std_dev").size());
  return info;
}

}  // namespace intandem
