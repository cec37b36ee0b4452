#include "apps/trace/save_tensors.hpp"

#include <cctype>

#include "core/file.hpp"
#include "core/npy.hpp"

namespace intandem {
namespace {

constexpr std::size_t kNameColumns = 64;  // file systems end at 255 bytes

std::string file_stem(int k, const std::string& name) {
  std::string stem = (k < 10 ? "0" : "") + std::to_string(k) + "-";
  for (const char c : name.substr(0, kNameColumns)) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
    stem += plain ? c : '_';
  }
  return stem;
}

/// Saves what is not empty under "<directory>/<stem>-<name>.npy" and counts.
class Saver {
 public:
  Saver(const std::string& directory) : directory_(directory) {}
  void stem(const std::string& stem) { prefix_ = stem + "-"; }
  template <class T>
  void save(const std::string& name, const Tensor<T>& tensor) {
    if (tensor.empty()) return;
    save_npy(directory_ + "/" + prefix_ + name + ".npy", tensor);
    ++count_;
  }
  int count() const { return count_; }

 private:
  std::string directory_, prefix_;
  int count_ = 0;
};

template <class Values, class Get>
TensorS32 as_tensor(const Values& values, const Get& get) {
  if (values.empty()) return {};
  TensorS32 tensor({static_cast<std::int64_t>(values.size())});
  for (std::size_t i = 0; i < values.size(); ++i) {
    tensor[static_cast<std::int64_t>(i)] = get(values[i]);
  }
  return tensor;
}

}  // namespace

int save_tensors(const std::string& directory, const IntModel& model, const TensorU8& image,
                 const std::vector<LayerTensors>& tensors) {
  make_directory(directory);
  Saver saver(directory);
  saver.save("image", image);
  saver.save("logits", tensors.back().accumulators);
  for (std::size_t k = 0; k < tensors.size(); ++k) {
    const IntLayer& layer = model.layers[k];
    const LayerTensors& t = tensors[k];
    saver.stem(file_stem(static_cast<int>(k), layer.name));
    saver.save("input", t.input);
    saver.save("weights", layer.weights);
    saver.save("bias", layer.bias);
    saver.save("pad_code", layer.pad_code);
    saver.save("accumulators", t.accumulators);
    saver.save("m", as_tensor(layer.scale, [](const Multiplier& scale) { return scale.m; }));
    saver.save("n", as_tensor(layer.scale, [](const Multiplier& scale) { return scale.n; }));
    saver.save("shortcut", t.shortcut);
    saver.save("add_m", as_tensor(layer.add_m, [](std::int32_t m) { return m; }));
    saver.save("codes", t.codes);
    saver.save("output", t.output);
  }
  return saver.count();
}

}  // namespace intandem
