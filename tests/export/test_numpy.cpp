// docs/evaluate.py, the integer model in numpy, against the engine: what docs/formats.md says is
// enough.
#include "core/container.hpp"
#include "core/npy.hpp"
#include "tests/export/exported.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::export_test;
namespace fs = std::filesystem;

namespace {

/// A Python that has numpy; "" if there is none. The system's may be hidden behind another.
std::string python_with_numpy(const TemporaryDirectory& scratch) {
  for (const std::string python : {"python3", "/usr/bin/python3"}) {
    if (apps_test::run_words(scratch, {"bash", "-c", python + " -c 'import numpy'"}).code == 0) {
      return python;
    }
  }
  return {};
}

void save_model(const IntModel& model, const std::string& path) {
  Container file("integer-model");
  store_model(model, file);
  file.save(path);
}

}  // namespace

TEST_CASE("docs/evaluate.py gives the engine's logits", "[export][numpy]") {
  if (!fs::exists("docs/evaluate.py")) INTANDEM_SKIP("not run from the sources' directory");
  const TemporaryDirectory scratch;
  const std::string python = python_with_numpy(scratch);
  if (python.empty()) INTANDEM_SKIP("no python3 with numpy: package python3-numpy");
  // One process for all models: numpy takes a while to start.
  constexpr std::uint64_t kModels = 40;
  std::vector<std::string> wanted;
  for (std::uint64_t seed = 0; seed < kModels; ++seed) {
    const IntModel model = testing::random_model(200 + seed);
    const std::int64_t N = 2 + static_cast<std::int64_t>(seed % 3);
    const std::vector<std::uint8_t> pixels = some_images(model, N, seed);
    TensorU8 images(Shape{N, model.height, model.width, model.channels});
    std::copy(pixels.begin(), pixels.end(), images.begin());
    save_npy(scratch.path(std::to_string(seed) + ".images.npy"), images);
    save_model(model, scratch.path(std::to_string(seed) + ".safetensors"));
    wanted.push_back(reference_logits(model, pixels));
  }
  const std::string script = fs::absolute("docs");
  scratch.write("all.py", "import sys\nsys.path.insert(0, '" + script +
                              "')\nsys.dont_write_bytecode = True\n"
                              "import numpy as np\nfrom evaluate import evaluate, load\n"
                              "for i in range(" +
                              std::to_string(kModels) +
                              "):\n"
                              "    model = load(f'{i}.safetensors')\n"
                              "    logits = evaluate(*model, np.load(f'{i}.images.npy'))\n"
                              "    logits.astype('<i4').tofile(f'{i}.logits')\n");
  must_run(scratch, python + " all.py");
  for (std::uint64_t seed = 0; seed < kModels; ++seed) {
    INFO("model " << 200 + seed);
    CHECK(differences(slurp(scratch.path(std::to_string(seed) + ".logits")), wanted[seed]) == 0);
  }

  // As a program: logits as .npy, and files it cannot take.
  const std::string command = python + " -B '" + script + "/evaluate.py' ";
  must_run(scratch, command + "3.safetensors 3.images.npy logits.npy");
  const TensorS32 logits = load_npy<std::int32_t>(scratch.path("logits.npy"));
  const std::string bytes(reinterpret_cast<const char*>(logits.data()),
                          static_cast<std::size_t>(logits.size_bytes()));
  CHECK(differences(bytes, wanted[3]) == 0);
  Container("teacher").save(scratch.path("teacher.safetensors"));
  must_run(scratch, "! " + command + "teacher.safetensors 3.images.npy x.npy 2> error && " +
                        "grep -q '^evaluate.py: error: teacher.safetensors' error");
  save_npy(scratch.path("wrong.npy"), TensorU8::zeros(Shape{1, 99, 98, 7}));
  must_run(scratch, "! " + command + "3.safetensors wrong.npy x.npy 2> error && " +
                        "grep -q '^evaluate.py: error: wrong.npy' error && [ ! -e x.npy ]");
}
