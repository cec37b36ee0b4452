// `make install` into a temporary place: every header compiles alone, and a program built from what
// is there gives the engine's classes.
#include <algorithm>
#include <cstdlib>

#include "core/container.hpp"
#include "tests/data/image_writers.hpp"
#include "tests/export/exported.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::export_test;
namespace fs = std::filesystem;

namespace {

std::string from_environment(const char* name, const char* fallback) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? fallback : text;
}

IntModel small_model() {
  testing::Draw draw(11);
  IntModel model;
  model.network = "small";
  model.height = model.width = 8;
  model.channels = 3;
  model.classes = 5;
  model.layers = {
      testing::make_layer({.shape = {1, 8, 8, 3, 12, 3, 3, 2, 1}, .weight_bits = 2, .max_code = 3},
                          draw),
      testing::make_layer({.kind = IntLayerKind::linear,
                           .shape = {1, 1, 1, 192, 5},
                           .weight_bits = 4,
                           .in_max = 3,
                           .max_code = 0},
                          draw)};
  check_model(model, "small model");
  return model;
}

std::vector<std::string> files_below(const std::string& directory) {
  std::vector<std::string> files;
  if (!fs::exists(directory)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), directory));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

TEST_CASE("the installed library is complete and works", "[export][install]") {
  if (!fs::exists("Makefile")) INTANDEM_SKIP("not run from the sources' directory");
  const TemporaryDirectory scratch;
  const std::string sanitizers = from_environment("SAN", "");
  const std::string flags = sanitizers.empty() ? "" : " -fsanitize=" + sanitizers;
  const std::string cxx = from_environment("CXX", "g++");
  // Not a part of the make that runs the tests, and nothing is built.
  const std::string make = "env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C '" +
                           fs::current_path().string() + "' CXX='" + cxx + "' SAN='" + sanitizers +
                           "' ";
  const std::string prefix = scratch.path("some where");
  must_run(scratch, make + "install-files PREFIX='" + prefix + "'");
  const std::vector<std::string> files = files_below(prefix);
  for (const char* file :
       {"bin/intandem", "lib/libintandem.a", "lib/pkgconfig/intandem.pc",
        "include/intandem/quant/integer/engine.hpp", "include/intandem/core/container.hpp"}) {
    CHECK(std::count(files.begin(), files.end(), file) == 1);
  }
  must_run(scratch, "'" + prefix + "/bin/intandem' --version | grep -q ^intandem");

  std::string each = "set -e; cd '" + prefix + "/include'; ";
  for (const std::string& file : files) {
    if (file.rfind("include/", 0) != 0) continue;
    each += cxx + " -std=c++20 -fopenmp -Wall -Wextra -Werror -fsyntax-only -I. -include " +
            file.substr(8) + " -x c++ /dev/null; ";
  }
  must_run(scratch, each);

  const IntModel model = small_model();
  Container file("integer-model");
  store_model(model, file);
  file.set("class_names", "a\nb\nc\nd\ne\n");
  file.save(scratch.path("model.safetensors"));
  const TensorU8 image = data_test::gradient(8, 8, 3, 40);
  scratch.write("image.png", data_test::png(image));
  std::vector<std::int32_t> logits(5);
  Engine(model, 1, "ref").run(image.data(), 1, logits.data());
  const auto best = std::max_element(logits.begin(), logits.end());

  std::string link = "-I\"$prefix/include\" -L\"$prefix/lib\" -lintandem -fopenmp -lz";
  if (has_command(scratch, "pkg-config")) {
    // A prefix with a space cannot be taken from pkg-config by a shell.
    must_run(scratch, "PKG_CONFIG_PATH='" + prefix +
                          "/lib/pkgconfig' pkg-config --cflags --libs intandem > pc && "
                          "grep -q -- -lintandem pc && grep -q -- -I pc");
  }
  must_run(scratch, "prefix='" + prefix + "' && " + cxx + " -std=c++20" + flags + " '" +
                        source_path("apps/examples/classify.cpp") + "' " + link +
                        " -o classify && ./classify model.safetensors image.png > text");
  const std::string name(1, static_cast<char>('a' + (best - logits.begin())));
  CHECK(slurp(scratch.path("text")) == "image.png: class " + std::to_string(best - logits.begin()) +
                                           " (" + name + "), logit " + std::to_string(*best) +
                                           "\n");
  must_run(scratch,
           "! ./classify none.safetensors image.png 2> error && "
           "grep -q '^classify: error: none.safetensors: ' error");

  // Nothing but its own files goes.
  scratch.write("some where/include/other.h", "");
  must_run(scratch, make + "uninstall PREFIX='" + prefix + "'");
  CHECK(files_below(prefix) == std::vector<std::string>{"include/other.h"});
  CHECK_FALSE(fs::exists(prefix + "/include/intandem"));

  must_run(scratch, make + "install-files DESTDIR='" + scratch.path("stage") + "' PREFIX=/opt/x");
  CHECK_THAT(slurp(scratch.path("stage/opt/x/lib/pkgconfig/intandem.pc")),
             Catch::StartsWith("prefix=/opt/x\n"));
  must_run(scratch, "! " + make + "install-files PREFIX=relative 2> error && grep -q slash error");
}
