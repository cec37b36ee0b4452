// The simulated student against the integer engine, its gradients, and its container.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "core/container.hpp"
#include "core/dispatch.hpp"
#include "core/parallel.hpp"
#include "distill/evaluate.hpp"
#include "nn/ops.hpp"
#include "quant/fake_quant.hpp"
#include "quant/integer/engine.hpp"
#include "quant/lower.hpp"
#include "tests/quant/tiny.hpp"

using namespace intandem;

namespace {

Student make_student(int weight_bits, int activation_bits, bool full_range, std::uint64_t seed) {
  StudentOptions options;
  options.weight_bits = weight_bits;
  options.activation_bits = activation_bits;
  options.full_range = full_range;
  options.first_last_weight_bits = std::max(weight_bits, 4);
  Student student(tiny::network(), tiny::normalization(), options, Rng(seed));
  tiny::randomize(student, seed);
  return student;
}

}  // namespace

TEST_CASE("the simulation is the integer engine, code by code, for every bit-width") {
  const Dataset data = tiny::images(9, 2);
  for (int bits = 1; bits <= 8; ++bits) {
    Student student = make_student(bits, bits == 1 ? 2 : bits, bits % 2 == 0, 10 + bits);
    const IntModel model = lower(student, student.unit_count());
    check_model(model, "test");
    for (const char* algorithm : {"ref", "auto"}) {
      const Mismatch mismatch = compare_with_simulation(student, model, data, 4, algorithm);
      INFO("bits " << bits << " " << algorithm << " layer " << mismatch.layer << " index "
                   << mismatch.index << ": " << mismatch.simulated << " vs " << mismatch.integer);
      CHECK(mismatch.count == 0);
    }
    // The comparison itself must be able to fail.
    IntModel changed = lower(student, student.unit_count());
    changed.layers[2].bias[1] += 1 << 20;
    measure_bounds(changed.layers[2]);
    const Mismatch mismatch = compare_with_simulation(student, changed, data, 4);
    CHECK(mismatch.count > 0);
    CHECK(mismatch.layer == 2);
  }
}

TEST_CASE("codes use their range: the random student is neither dead nor saturated") {
  Student student = make_student(4, 4, true, 5);
  const SimulatedOutputs outputs = simulate_student(student, tiny::images(9, 2).images);
  for (const TensorU8& codes : outputs.codes) {
    std::int64_t zero = 0, full = 0;
    for (const std::uint8_t code : codes) {
      zero += code == 0;
      full += code == 15;
    }
    CHECK(zero < codes.size() * 9 / 10);
    CHECK(full < codes.size() / 2);
  }
}

TEST_CASE("products of a unit are exact beyond 2^24, the range in which floats are") {
  StudentOptions options;
  options.weight_bits = 8;
  Student student({"wide", 1, 1, 3000, 3, {{"fc", UnitKind::linear, 3}}},
                  {std::vector<std::int32_t>(3000, 0), std::vector<float>(3000, 1.0f)}, options,
                  Rng(1));
  TensorF x({2, 3000});
  TensorS8 w({3, 3000});
  const Rng rng(3);
  std::vector<std::int64_t> expected(6, 0);
  for (std::int64_t i = 0; i < x.size(); ++i)
    x[i] = i % 3 == 0 ? 255.0f : static_cast<float>(rng.below(static_cast<std::uint64_t>(i), 256));
  for (std::int64_t i = 0; i < w.size(); ++i) {
    w[i] = i < 3000 ? -128
           : i < 6000
               ? 127
               : static_cast<std::int8_t>(rng.below(static_cast<std::uint64_t>(i), 255) - 127);
  }
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t k = 0; k < 3; ++k) {
      for (std::int64_t c = 0; c < 3000; ++c) {
        expected[static_cast<std::size_t>(n * 3 + k)] +=
            static_cast<std::int64_t>(x[n * 3000 + c]) * w[k * 3000 + c];
      }
    }
  }
  CHECK(std::abs(expected[0]) > (1 << 24));
  const TensorS32 sums = unit_product(student, 0, x, w);
  for (std::int64_t i = 0; i < 6; ++i) CHECK(sums[i] == expected[static_cast<std::size_t>(i)]);
}

TEST_CASE("the first layer sees the zero point as padding") {
  // An image of nothing but zero points gives exactly the bias everywhere, the border included.
  Student student = make_student(4, 4, true, 6);
  TensorU8 image({1, 8, 8, 2});
  for (std::int64_t i = 0; i < image.size(); ++i) {
    image[i] = static_cast<std::uint8_t>(
        student.normalization().zero_point[static_cast<std::size_t>(i % 2)]);
  }
  const IntModel model = lower(student, student.unit_count());
  const UnitCodes codes = quantize_unit(student, 0);
  Engine engine(model, 1, "ref");
  engine.run_prefix(image.data(), 1, 1);
  for (std::int64_t i = 0; i < 16; ++i) {
    for (std::int64_t k = 0; k < 6; ++k) {
      CHECK(engine.codes(0)[i * 6 + k] == requantize(codes.bias[k], codes.scale, 15));
    }
  }
}

TEST_CASE("straight-through gradients: exact where the simulation is linear") {
  // The last unit has no requantization: z = alpha·s_in·s_w·Σ q_w·q_x + b, and its gradients with
  // respect to bias, alpha and the input codes are those of this linear function.
  Student student = make_student(4, 4, true, 8);
  const int k = student.unit_count() - 1;
  StudentUnit& unit = student.unit(k);
  TensorF x({2, 10});
  const Rng rng(1);
  for (std::int64_t i = 0; i < 20; ++i)
    x[i] = static_cast<float>(rng.below(static_cast<std::uint64_t>(i), 16));
  TensorF g({2, 3});
  for (std::int64_t i = 0; i < 6; ++i) g[i] = rng.normal(static_cast<std::uint64_t>(100 + i));

  Tape tape;
  const Var in = tape.input(x);
  const Var step = tape.input(TensorF::full({1}, static_cast<float>(student.in_step(k))));
  const SimulatedUnit simulated =
      simulate_unit(tape, student, k, in, step, nullptr, nullptr, SimulationMode{true, true});
  // ⟨g, z⟩ through mse: d/dz mean (z − t)² = 2(z − t)/size with t = z − g·size/2.
  TensorF target = simulated.z->value.clone();
  for (std::int64_t i = 0; i < 6; ++i) target[i] -= g[i] * 3.0f;
  tape.backward(mse(tape, simulated.z, target));

  const UnitCodes codes = quantize_unit(student, k);
  double d_alpha = 0.0, d_step = 0.0;
  for (std::int64_t c = 0; c < 3; ++c) {
    double d_bias = 0.0;
    for (std::int64_t n = 0; n < 2; ++n) {
      double sum = 0.0;
      for (std::int64_t i = 0; i < 10; ++i)
        sum += static_cast<double>(x[n * 10 + i]) * codes.weights[c * 10 + i];
      d_bias += static_cast<double>(g[n * 3 + c]);
      d_alpha += static_cast<double>(g[n * 3 + c]) * sum * codes.unit /
                 static_cast<double>(unit.alpha.value[0]);
      d_step += static_cast<double>(g[n * 3 + c]) * sum * codes.unit / student.in_step(k);
    }
    CHECK(unit.bias.grad[c] == Approx(d_bias).epsilon(1e-3));
  }
  CHECK(unit.alpha.grad[0] == Approx(d_alpha).epsilon(1e-3).margin(1e-3));
  CHECK(step->grad[0] == Approx(d_step).epsilon(1e-3).margin(1e-3));
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t i = 0; i < 10; ++i) {
      double d = 0.0;
      for (std::int64_t c = 0; c < 3; ++c)
        d += static_cast<double>(g[n * 3 + c]) * codes.unit * codes.weights[c * 10 + i];
      CHECK(in->grad[n * 10 + i] == Approx(d).epsilon(1e-3).margin(1e-5));
    }
  }
}

TEST_CASE("output codes pass gradients inside their range only, LSQ's for the step") {
  Student student = make_student(4, 2, true, 9);
  StudentUnit& unit = student.unit(2);
  Tape tape;
  TensorF x({1, 4, 4, 6});
  const Rng rng(2);
  for (std::int64_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(rng.below(static_cast<std::uint64_t>(i), 4));
  const Var in = tape.input(x);
  const Var step = tape.constant(TensorF::full({1}, static_cast<float>(student.in_step(2))));
  const SimulatedUnit simulated =
      simulate_unit(tape, student, 2, in, step, nullptr, nullptr, SimulationMode{true, false});
  const TensorF z = simulated.z->value.clone();
  const TensorF codes = simulated.codes->value.clone();
  const Var y = scale(tape, simulated.codes, tape.parameter(unit.out_step));
  TensorF target = y->value.clone();
  for (std::int64_t i = 0; i < target.size(); ++i)
    target[i] -= 0.5f * static_cast<float>(target.size());
  tape.backward(mse(tape, y, target));  // upstream gradient 1 everywhere
  const float s = unit.out_step.value[0];
  double expected = 0.0;
  for (std::int64_t i = 0; i < z.size(); ++i) {
    const double u = static_cast<double>(z[i] / s);
    expected += u <= 0.0 ? 0.0 : u >= 3.0 ? 3.0 : static_cast<double>(codes[i]) - u;
  }
  CHECK(unit.out_step.grad[0] == Approx(expected).epsilon(1e-3).margin(1e-3));
  CHECK(unit.alpha.grad[0] == 0.0f);
}

TEST_CASE("a unit with max-pool: the same gradients whether z is on the tape or not") {
  const auto gradients = [](bool with_z) {
    Student student = make_student(4, 2, true, 9);
    REQUIRE(student.spec().units[0].pool_kernel > 0);
    StudentUnit& unit = student.unit(0);
    Tape tape;
    const Var in =
        tape.constant(centered_pixels(tiny::images(3, 5).images, student.normalization()));
    const Var step = tape.constant(TensorF::full({1}, 1.0f));
    SimulationMode mode{true, true};
    mode.first_z = with_z ? 0 : 1;
    const SimulatedUnit simulated =
        simulate_unit(tape, student, 0, in, step, nullptr, nullptr, mode);
    CHECK((simulated.z != nullptr) == with_z);
    TensorF target = simulated.codes->value.clone();
    const Rng rng(4);
    for (std::int64_t i = 0; i < target.size(); ++i)
      target[i] += rng.normal(static_cast<std::uint64_t>(i)) * static_cast<float>(target.size());
    tape.backward(mse(tape, simulated.codes, target));
    std::vector<float> all = {unit.alpha.grad[0], unit.out_step.grad[0]};
    all.insert(all.end(), unit.weight.grad.begin(), unit.weight.grad.end());
    all.insert(all.end(), unit.bias.grad.begin(), unit.bias.grad.end());
    return all;
  };
  const std::vector<float> with = gradients(true), without = gradients(false);
  double largest = 0.0;
  for (const float g : with) largest = std::max(largest, std::abs(static_cast<double>(g)));
  CHECK(largest > 0.0);
  for (std::size_t i = 0; i < with.size(); ++i) {
    CHECK(without[i] == Approx(with[i]).epsilon(1e-4).margin(1e-5 * largest));
  }
}

TEST_CASE("the simulation gives the same bits for 1 and 2 threads and every ISA") {
  const Dataset data = tiny::images(40, 3);
  Student student = make_student(4, 4, true, 12);
  const int threads = thread_count();
  const Isa isa = active_isa();
  set_thread_count(1);
  const SimulatedOutputs reference = simulate_student(student, data.images);
  for (const Isa level : kAllIsas) {
    if (!isa_includes(detected_isa(), level)) continue;
    set_active_isa(level);
    for (const int n : {1, 2}) {
      set_thread_count(n);
      const SimulatedOutputs outputs = simulate_student(student, data.images);
      for (std::size_t k = 0; k < outputs.codes.size(); ++k) {
        CHECK(std::equal(outputs.codes[k].begin(), outputs.codes[k].end(),
                         reference.codes[k].begin()));
      }
      CHECK(std::equal(outputs.accumulators.begin(), outputs.accumulators.end(),
                       reference.accumulators.begin()));
    }
  }
  set_active_isa(isa);
  set_thread_count(threads);
}

TEST_CASE("a student survives its container bit for bit") {
  Student student = make_student(3, 4, true, 13);
  Container file("student");
  store_student(student, file);
  const std::string path = std::filesystem::temp_directory_path() /
                           ("intandem_test_" + std::to_string(::getpid()) + ".safetensors");
  file.save(path);
  Student loaded = load_student(Container::load(path, "student"));
  std::remove(path.c_str());
  CHECK(loaded.options().weight_bits == 3);
  const Dataset data = tiny::images(5, 4);
  const SimulatedOutputs a = simulate_student(student, data.images);
  const SimulatedOutputs b = simulate_student(loaded, data.images);
  CHECK(std::equal(a.accumulators.begin(), a.accumulators.end(), b.accumulators.begin()));
}

TEST_CASE("bits per layer, and overrides that make no sense") {
  StudentOptions options;
  options.overrides = "conv3=2/3,fc1=5/6";
  const Student student(tiny::network(), tiny::normalization(), options, Rng(1));
  CHECK(student.unit(2).weight_bits == 2);
  CHECK(student.unit(2).activation_bits == 3);
  CHECK(student.unit(4).weight_bits == 5);
  CHECK(student.unit(0).weight_bits == 8);
  CHECK(student.max_code(2) == 7);
  CHECK(student.in_max(0) == 255);
  CHECK(student.max_code(student.unit_count() - 1) == 0);
  for (const char* bad :
       {"conv3", "conv3=2", "conv3=9/4", "conv3=4/0", "nonesuch=4/4", "conv3=2/3x"}) {
    options.overrides = bad;
    CHECK_THROWS_AS(Student(tiny::network(), tiny::normalization(), options, Rng(1)), Error);
  }
}

TEST_CASE("lowering refuses a layer whose scale cannot be represented and names it") {
  Student student = make_student(4, 4, true, 14);
  student.unit(1).out_step.value[0] = 1e-9f;
  CHECK_THROWS_WITH(lower(student, 2), Catch::Contains("conv2"));
  student.unit(1).out_step.value[0] = std::nanf("");
  CHECK_THROWS_WITH(lower(student, 2), Catch::Contains("conv2"));
}
