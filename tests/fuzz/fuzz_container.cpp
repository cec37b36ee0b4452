// A container: refused, or its contents are those of its bytes and saving them gives the same file.
#include "core/container.hpp"
#include "tests/fuzz/harness.hpp"
#include "tests/fuzz/sealed_file.hpp"

using namespace intandem;

INTANDEM_FUZZ(container) {
  const fuzz::MemoryFile file(input);
  const Container container = Container::load(file.path());
  for (const std::string& name : container.tensor_names()) {
    if (container.has(name)) container.get_int(name);
  }
  if (fuzz::SealedFile::of(container).seal() != fuzz::text_of(input)) {
    fuzz::fail("a container holds something else than its bytes");
  }
}

#if defined(INTANDEM_FUZZING)
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                    unsigned seed) {
  const auto fresh = [](std::uint64_t number) {
    Container container("student");
    container.set("seed", std::to_string(number));
    container.put("a", TensorF::full({2, 3}, 0.5f));
    container.put("b", TensorU8::full({5}, 7));
    container.put("c", TensorS32({0}));
    container.put("d", Tensor<double>::full({}, 1.0));
    return fuzz::SealedFile::of(container);
  };
  return fuzz::mutate_sealed(data, size, max_size, seed, fresh, [](fuzz::SealedFile&) {});
}
#endif
