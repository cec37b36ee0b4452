// Networks of floats: a teacher, or a student before it becomes integers.
#include "core/container.hpp"
#include "distill/teacher.hpp"
#include "quant/student.hpp"
#include "tests/fuzz/harness.hpp"
#include "tests/fuzz/sealed_file.hpp"

using namespace intandem;

INTANDEM_FUZZ(latent) {
  const fuzz::MemoryFile file(input);
  const Container container = Container::load(file.path());
  if (container.kind() == "student") {
    load_student(container);
  } else {
    load_teacher(file.path());
  }
}

#if defined(INTANDEM_FUZZING)
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                    unsigned seed) {
  const auto fresh = [](std::uint64_t number) {
    const NetworkSpec spec = network_from_json(
        R"({"name":"n","height":4,"width":4,"channels":1,"classes":2,"units":[
        {"name":"a","kind":"conv","out":3,"kernel":3,"pad":1,"batch_norm":true,"relu":true},
        {"name":"b","kind":"conv","out":3,"pool_kernel":2,"pool_stride":2,"batch_norm":true,
         "relu":true,"add":"a"},
        {"name":"c","kind":"linear","out":2,"batch_norm":false,"relu":false}]})",
        "network");
    Normalization norm;
    norm.zero_point = {7};
    norm.std_dev = {1.0f};
    if (number % 2 == 0) {
      Container container("student");
      store_student(Student(spec, norm, StudentOptions{}, Rng(number)), container);
      return fuzz::SealedFile::of(container);
    }
    Container container("teacher");
    store_network(FloatNetwork(spec, Rng(number)), container);
    ModelInfo info;
    info.dataset = "fashion-mnist";
    info.class_names = {"yes", "no"};
    info.norm = norm;
    info.held_out = 1;
    store_info(info, container);
    return fuzz::SealedFile::of(container);
  };
  return fuzz::mutate_sealed(data, size, max_size, seed, fresh, [](fuzz::SealedFile&) {});
}
#endif
