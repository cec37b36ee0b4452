// A file of CIFAR-10 or CIFAR-100 records, in the place of every file of the set.
#include <unistd.h>

#include <filesystem>

#include "data/cifar.hpp"
#include "tests/fuzz/harness.hpp"

using namespace intandem;

namespace {

/// A directory whose names all lead to the file; made once per process.
std::string directory_of_links(const std::string& target) {
  namespace fs = std::filesystem;
  static const fs::path directory =
      fs::temp_directory_path() / ("intandem-fuzz-cifar-" + std::to_string(::getpid()));
  static const bool cleaned = std::atexit([] { fs::remove_all(directory); }) == 0;
  static_cast<void>(cleaned);
  // The same descriptor comes back for every input, so the links nearly always lead there already.
  static std::string linked;
  if (linked == target) return directory;
  linked = target;
  fs::create_directories(directory);
  for (const char* name :
       {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
        "data_batch_5.bin", "test_batch.bin", "train.bin", "test.bin", "fine_label_names.txt"}) {
    fs::remove(directory / name);
    fs::create_symlink(target, directory / name);
  }
  return directory;
}

}  // namespace

INTANDEM_FUZZ(cifar) {
  const fuzz::MemoryFile file(input);
  const std::string directory = directory_of_links(file.path());
  for (const CifarKind kind : {CifarKind::cifar10, CifarKind::cifar100}) {
    try {
      const TrainTest data = load_cifar(kind, directory, {});
      if (data.train.images.dim(0) != data.train.size()) fuzz::fail("wrong extents");
    } catch (const Error&) {
    }
  }
  LoadOptions few;
  few.limit = 3;
  few.test_only = true;
  load_cifar(CifarKind::cifar10, directory, few);
}
