// Exported ONNX graphs of random models against the engine's definition: through numpy, and through
// ONNX Runtime where bench/peers/setup_venv.sh ort has put it (or ORT_PYTHON says).
#include <catch2/catch.hpp>

#include "nn/onnx/onnx_import.hpp"
#include "quant/export/onnx_export.hpp"
#include "quant/integer/engine.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/exchange/exchange_files.hpp"
#include "tests/quant/random_model.hpp"
#include "tests/skip.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;
using namespace intandem::exchange_test;

namespace {

/// NAME.onnx, .qdq.onnx, .images.npy and .logits.npy of a model.
void write_case(const IntModel& model, const std::string& stem, std::uint64_t seed) {
  export_onnx(model, stem + ".onnx", {{"class_names", "a\nb\n"}});
  try {
    export_qdq(model, stem + ".qdq.onnx", {});
  } catch (const Error&) {
    // A bias that needs more than 32 bits there.
  }
  constexpr std::int64_t N = 3;
  TensorU8 images({N, model.height, model.width, model.channels});
  const Rng rng(seed);
  for (std::int64_t i = 0; i < images.size(); ++i) {
    images[i] = static_cast<std::uint8_t>(rng.bits(static_cast<std::uint64_t>(i)));
  }
  TensorS32 logits({N, model.classes});
  Engine(model, N, "ref").run(images.data(), N, logits.data());
  save_npy(stem + ".images.npy", images);
  save_npy(stem + ".logits.npy", logits);
}

}  // namespace

TEST_CASE("exported graphs of random models give the engine's logits", "[exchange][random]") {
  if (!has_onnx()) INTANDEM_SKIP("built without ONNX");
  if (!python_has("onnx, numpy")) INTANDEM_SKIP("no python3-onnx");
  const test::TemporaryDirectory scratch;
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    write_case(testing::random_model(seed), scratch.path("model" + std::to_string(seed)), seed);
  }
  CHECK(run_python("tests/exchange/compare_logits.py " + scratch.path() + " > " +
                   scratch.path("log") + " 2>&1"));
  INFO(apps_test::slurp(scratch.path("log")));
  CHECK_THAT(apps_test::slurp(scratch.path("log")),
             Catch::Contains("model120: numpy: 3 images, 0 with other logits, 0 float tensors"));
  const char* chosen = std::getenv("ORT_PYTHON");
  const std::string ort = chosen != nullptr ? chosen : "build/peers/ort/bin/python";
  if (std::system((ort + " -c 'import onnxruntime, onnx' >/dev/null 2>&1").c_str()) != 0) return;
  CHECK(std::system((ort + " tests/exchange/compare_logits.py --ort " + scratch.path() + " > " +
                     scratch.path("log") + " 2>&1")
                        .c_str()) == 0);
  INFO(apps_test::slurp(scratch.path("log")));
  CHECK_THAT(apps_test::slurp(scratch.path("log")),
             Catch::Contains("model120: ONNX Runtime: 3 images, 0 with other logits"));
}

TEST_CASE("the comparison notices a wrong integer and a float", "[exchange]") {
  if (!has_onnx()) INTANDEM_SKIP("built without ONNX");
  if (!python_has("onnx, numpy")) INTANDEM_SKIP("no python3-onnx");
  const test::TemporaryDirectory scratch;
  IntModel model = testing::random_model(7);
  write_case(model, scratch.path("wrong"), 7);
  TensorS32 logits = load_npy<std::int32_t>(scratch.path("wrong.logits.npy"));
  ++logits[1];
  save_npy(scratch.path("wrong.logits.npy"), logits);
  const std::string compare = "tests/exchange/compare_logits.py " + scratch.path() + " >/dev/null";
  CHECK_FALSE(run_python(compare));
  --logits[1];
  save_npy(scratch.path("wrong.logits.npy"), logits);
  CHECK(run_python(compare));
  std::filesystem::remove(scratch.path("wrong.qdq.onnx"));
  export_qdq(model, scratch.path("wrong.onnx"), {});
  CHECK_FALSE(run_python(compare + " 2>&1"));
}

TEST_CASE("without ONNX the commands say what to install", "[exchange][apps]") {
  using namespace apps_test;
  INTANDEM_NEED_PROGRAM();
  if (has_onnx()) INTANDEM_SKIP("built with ONNX");
  const TemporaryDirectory scratch;
  check_one_error(run(scratch, {"import", kGolden + "/stem.onnx", "--run", scratch.path("run")}), 1,
                  {"built without ONNX", "libonnx-dev"});
}
