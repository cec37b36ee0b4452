// Networks exported by PyTorch: their logits, and the command that makes teachers of them.
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "core/container.hpp"
#include "distill/teacher.hpp"
#include "nn/onnx/onnx_import.hpp"
#include "nn/state_dict.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/exchange/exchange_files.hpp"
#include "tests/skip.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;
using namespace intandem::exchange_test;

namespace {

constexpr const char* kNetworks[] = {"alexnet-cifar",   "vgg-small-bn",      "resnet20", "stem",
                                     "resnet20-folded", "mobilenetv1-small", "odd"};

/// (p/255 − mean)/std of train_networks.py, as a teacher keeps it.
Normalization normalization() {
  const double mean[] = {0.4914, 0.4822, 0.4465}, deviation[] = {0.2470, 0.2435, 0.2616};
  Normalization norm;
  for (int c = 0; c < 3; ++c) {
    const double zero = std::floor(255.0 * mean[c] + 0.5);
    norm.zero_point.push_back(static_cast<std::int32_t>(zero));
    norm.std_dev.push_back(static_cast<float>(255.0 * deviation[c]));
    norm.offset.push_back(static_cast<float>((zero / 255.0 - mean[c]) / deviation[c]));
  }
  return norm;
}

/// Largest |difference| over the image's largest |reference|.
double distance(const TensorF& logits, const TensorF& reference) {
  REQUIRE(logits.shape() == reference.shape());
  const std::int64_t K = logits.dim(1);
  double worst = 0;
  for (std::int64_t n = 0; n < logits.dim(0); ++n) {
    double largest = 0, difference = 0;
    for (std::int64_t k = n * K; k < (n + 1) * K; ++k) {
      largest = std::max(largest, std::abs(static_cast<double>(reference[k])));
      difference = std::max(
          difference, std::abs(static_cast<double>(logits[k]) - static_cast<double>(reference[k])));
    }
    worst = std::max(worst, difference / largest);
  }
  return worst;
}

void check_networks(const std::string& directory) {
  const TensorF x =
      normalize(channels_last(load_npy<std::uint8_t>(directory + "/images.npy")), normalization());
  for (const char* name : kNetworks) {
    INFO(directory << "/" << name);
    ImportedNetwork imported = import_onnx(read_onnx(directory + "/" + name + ".onnx"), name);
    CHECK(distance(imported.net.predict(x),
                   load_npy<float>(directory + "/" + name + ".logits.npy")) < 1e-5);
  }
}

}  // namespace

TEST_CASE("networks exported by PyTorch give its logits", "[exchange]") {
  if (!has_onnx()) INTANDEM_SKIP("built without ONNX");
  check_networks(kGolden);
}

TEST_CASE("networks exported by the PyTorch that is here give its logits", "[exchange]") {
  if (!has_onnx()) INTANDEM_SKIP("built without ONNX");
  if (!python_has("torch, onnx")) INTANDEM_SKIP("no python3-torch; the kept files are tested");
  const test::TemporaryDirectory scratch;
  REQUIRE(run_python("tests/exchange/make_golden.py " + scratch.path() + " >/dev/null 2>&1"));
  check_networks(scratch.path());
}

TEST_CASE("what a unit becomes of which nodes", "[exchange]") {
  if (!has_onnx()) INTANDEM_SKIP("built without ONNX");
  const ImportedNetwork stem = import_onnx(read_onnx(kGolden + "/stem.onnx"), "stem");
  const NetworkSpec& spec = stem.net.spec();
  CHECK(spec.units[0].name == "conv");
  CHECK(spec.units[0].batch_norm);
  CHECK(spec.units[0].relu);
  CHECK(spec.units[0].pool_kernel == 0);
  // The pool with a border: zeros around a rectified image, then a pool without.
  CHECK(spec.units[1].groups == 8);
  CHECK(spec.units[1].pad == 1);
  CHECK(spec.units[1].pool_kernel == 3);
  CHECK(spec.units[1].relu);
  CHECK(spec.classes == 10);
  const ImportedNetwork folded = import_onnx(read_onnx(kGolden + "/resnet20-folded.onnx"), "f");
  for (const UnitSpec& unit : folded.net.spec().units) CHECK_FALSE(unit.batch_norm);
  const ImportedNetwork own = import_onnx(read_onnx(kGolden + "/normalizing.onnx"), "n");
  CHECK(own.gain[0] == Approx(1.0 / 60.0));
  CHECK(own.offset[2] == Approx(-99.25 / 71.0));
}

TEST_CASE("a state_dict is loaded by names", "[exchange]") {
  const std::string golden = kGolden + "/resnet20.safetensors";
  NetworkSpec spec = network_from_file("tests/golden/exchange/resnet20.json");
  FloatNetwork net = load_state_dict(Container::load_foreign(golden), spec);
  const TensorF x =
      normalize(channels_last(load_npy<std::uint8_t>(kGolden + "/images.npy")), normalization());
  CHECK(distance(net.predict(x), load_npy<float>(kGolden + "/resnet20.logits.npy")) < 1e-5);
  // As a file of its own it stays refused.
  test::check_error([&] { Container::load(golden); }, {"not written by intandem"});
  spec.units[3].out = 12;
  spec.units[3].add = {};
  spec.units.resize(4);
  spec.classes = 12 * 32 * 32;
  test::check_error([&] { load_state_dict(Container::load_foreign(golden), spec); },
                    {"layers.1.conv1", "expected [12, 8, 3, 3]"});
  spec.units[3].out = 8;
  spec.classes = 8 * 32 * 32;
  test::check_error([&] { load_state_dict(Container::load_foreign(golden), spec); },
                    {"belongs to no unit"});
  spec.units[1].name = "renamed";
  test::check_error([&] { load_state_dict(Container::load_foreign(golden), spec); },
                    {"nothing for unit renamed", "renamed.conv.weight"});
}

TEST_CASE("import makes a teacher, or writes nothing", "[exchange][apps]") {
  using namespace apps_test;
  INTANDEM_NEED_PROGRAM();
  if (!has_onnx()) INTANDEM_SKIP("built without ONNX");
  const TemporaryDirectory scratch;
  const std::string run_dir = scratch.path("run");
  const auto import = [&](const std::string& model, const std::vector<std::string>& more) {
    return run(scratch, with({"import", model, "--run", run_dir, "--threads", "1"}, more));
  };
  const std::vector<std::string> check = {"--check",  kGolden + "/vgg-small-bn.logits.npy",
                                          "--images", kGolden + "/images.npy",
                                          "--mean",   "0.4914,0.4822,0.4465",
                                          "--std",    "0.2470,0.2435,0.2616"};
  const Outcome wrong = import(kGolden + "/vgg-small-bn.onnx", with(check, {"--mean", "0.5"}));
  CHECK(wrong.code == 3);
  CHECK_THAT(wrong.err, Catch::Contains("the logits differ"));
  CHECK_FALSE(std::filesystem::exists(run_dir));
  const Outcome good = import(kGolden + "/vgg-small-bn.onnx", check);
  INFO(good.err);
  REQUIRE(good.code == 0);
  CHECK_THAT(good.out, Catch::Contains("check: 8 images") && Catch::Contains("same class for 8"));
  Teacher teacher = load_teacher(run_dir + "/teacher.safetensors");
  CHECK(teacher.net.spec().name == "vgg-small-bn");
  CHECK(teacher.info.norm.offset.size() == 3);
  const TensorU8 images = channels_last(load_npy<std::uint8_t>(kGolden + "/images.npy"));
  CHECK(distance(teacher.net.predict(normalize(images, teacher.info.norm)),
                 load_npy<float>(kGolden + "/vgg-small-bn.logits.npy")) < 1e-5);
  check_one_error(import(kGolden + "/stem.onnx", {}), 2, {"already holds", "import"});
  CHECK(import(kGolden + "/normalizing.onnx",
               {"--overwrite", "--range", "255", "--check", kGolden + "/normalizing.logits.npy",
                "--images", kGolden + "/images.npy"})
            .code == 0);
  CHECK(import(kGolden + "/resnet20.safetensors",
               {"--overwrite", "--network", kGolden + "/resnet20.json"})
            .code == 0);
}

TEST_CASE("broken ONNX files end in one line, and nothing is written", "[exchange][apps]") {
  using namespace apps_test;
  INTANDEM_NEED_PROGRAM();
  if (!has_onnx()) INTANDEM_SKIP("built without ONNX");
  const TemporaryDirectory scratch;
  const std::string run_dir = scratch.path("run");
  const auto import = [&](const std::string& name) {
    return run(scratch,
               {"import", kGolden + "/broken/" + name + ".onnx", "--run", run_dir, "--quiet"});
  };
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"truncated", {"truncated"}},
      {"missing-initializer", {"node 'fc' (Gemm)", "'fc.bias'", "initializer"}},
      {"wrong-shape", {"node 'fc' (Gemm)", "[5, 60]", "[K, 64]"}},
      {"wrong-channels", {"node 'conv' (Conv)", "[4, 2, 3, 3]"}},
      {"external-data", {"'fc.weight'", "another file"}},
      {"float16", {"'fc.weight'", "FLOAT16", "float32"}},
      {"short-data", {"'fc.weight'", "320 elements", "319"}},
      {"unknown-operator", {"node 'relu' (Gelu)", "accepted: Conv"}},
      {"foreign-domain", {"com.example"}},
      {"cycle", {"node 'bn'", "cycle"}},
      {"nan", {"'conv.weight'", "NaN", "element 46"}},
      {"negative-variance", {"node 'bn'", "variance -0.5", "channel 2"}},
      {"dilated", {"node 'conv'", "dilations = [2, 2]", "[1, 1]"}},
      {"uneven-pads", {"node 'conv'", "pads = [0, 0, 1, 1]"}},
      {"uneven-strides", {"node 'conv'", "strides = [1, 2]"}},
      {"ceil-mode", {"node 'pool'", "ceil_mode"}},
      {"relu6", {"node 'relu' (Clip)", "0 ... 6", "ReLU"}},
      {"softmax", {"node 'sm' (Softmax)", "without it"}},
      {"old-opset", {"operator set 8", "9 or later"}},
      {"no-such-file", {"no-such-file"}},
  };
  for (const auto& [name, parts] : cases) {
    INFO(name);
    check_one_error(import(name), 1, parts);
    CHECK_FALSE(std::filesystem::exists(run_dir));
  }
  // A variance of 0 leaves epsilon, a gamma of 0 leaves beta: both can be computed with.
  for (const char* name : {"good", "zero-variance", "zero-gamma"}) {
    CHECK(import(name).code == 0);
    std::filesystem::remove_all(run_dir);
  }
}
