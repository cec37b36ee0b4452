// Classifies image files with an integer model and the installed library (docs/library.md):
//
//     c++ -std=c++20 classify.cpp $(pkg-config --cflags --libs intandem) -o classify
//     ./classify w2a2.safetensors photo.png
#include <cstdio>
#include <intandem/core/container.hpp>
#include <intandem/core/error.hpp>
#include <intandem/data/image_file.hpp>
#include <intandem/quant/integer/engine.hpp>
#include <sstream>

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: classify MODEL.safetensors IMAGE...\n");
    return 2;
  }
  const auto file = intandem::Container::load(argv[1], "integer-model");
  const intandem::IntModel model = intandem::load_model(file);
  std::vector<std::string> names;
  std::istringstream lines(file.get("class_names"));
  for (std::string name; std::getline(lines, name);) names.push_back(name);
  names.resize(static_cast<std::size_t>(model.classes));

  intandem::Engine engine(model, /*max_batch=*/1);
  std::vector<std::int32_t> logits(names.size());
  for (int i = 2; i < argc; ++i) {
    const intandem::TensorU8 image = intandem::fit_image(
        intandem::read_image(argv[i], model.channels), model.height, model.width);
    engine.run(image.data(), 1, logits.data());
    std::int32_t best = 0;
    intandem::argmax_rows(logits.data(), 1, model.classes, &best);
    const auto at = static_cast<std::size_t>(best);
    std::printf("%s: class %d (%s), logit %d\n", argv[i], best, names[at].c_str(), logits[at]);
  }
} catch (const intandem::Error& error) {
  std::fprintf(stderr, "classify: error: %s\n", error.what());
  return static_cast<int>(error.code());
}
