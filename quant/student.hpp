// The student: the teacher's topology without batch norm, with the latent floats that training
// moves and the integers they stand for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/normalization.hpp"
#include "nn/network.hpp"
#include "quant/quantizer_options.hpp"

namespace intandem {

class Container;

struct StudentOptions : QuantizerOptions {
  int multiplier_bits = 15;  ///< b of Q4
};

/// One unit of the student. z = alpha·step_in·step_w·Σ q_w·q_in + bias (real units, Q3), output
/// code = round(z/out_step) through the integer multiplier.
struct StudentUnit {
  Parameter weight;    ///< latent weights, shape of the teacher's; empty for avg_pool
  Parameter bias;      ///< [K], real units of z; empty for avg_pool
  Parameter alpha;     ///< [1], the per-layer scale that takes over from batch norm, > 0
  Parameter out_step;  ///< [1], real value of output code 1; unused by the last unit
  std::unique_ptr<WeightQuantizer> quantizer;       ///< null for avg_pool
  std::unique_ptr<ActivationQuantizer> activation;  ///< null for the last unit
  int weight_bits = 0;
  int activation_bits = 0;
  float z_scale = 1.0f;  ///< root mean square of the teacher's z, the unit in which bias is moved

  /// Every parameter of the unit that training may move.
  std::vector<Parameter*> parameters(bool with_alpha);
  /// Every parameter of the unit, also those that are only fitted: what is stored.
  std::vector<Parameter*> state();
  /// Whether training moves out_step.
  bool learns_out_step() const { return activation && activation->learns_step(); }
};

class Student {
 public:
  /// Latent weights He-initialized (the tandem's local init replaces them), steps 1.
  Student(NetworkSpec spec, Normalization normalization, StudentOptions options, const Rng& rng);

  const NetworkSpec& spec() const { return spec_; }
  const std::vector<UnitGeometry>& geometry() const { return geometry_; }
  const Normalization& normalization() const { return normalization_; }
  const StudentOptions& options() const { return options_; }
  int unit_count() const { return static_cast<int>(units_.size()); }
  StudentUnit& unit(int k) { return units_[static_cast<std::size_t>(k)]; }
  const StudentUnit& unit(int k) const { return units_[static_cast<std::size_t>(k)]; }
  bool is_last(int k) const { return k + 1 == unit_count(); }

  /// Real value of code 1 at the input of unit k: the out_step of the unit it reads; 1 (a pixel)
  /// for the image.
  double in_step(int k) const;
  /// Largest input code of unit k as a byte; 255 where it reads the image.
  std::int32_t in_max(int k) const;
  /// Largest output code of unit k; 0 for the last unit.
  std::int32_t max_code(int k) const;
  /// Q17: the output code of unit k that stands for 0: 2^(A−1) if the output has a sign, else 0.
  std::int32_t zero_point(int k) const;
  /// Largest output code less the zero point, at least 1: what a step is fitted to (Q15).
  std::int32_t largest_positive(int k) const;

 private:
  NetworkSpec spec_;
  Normalization normalization_;
  StudentOptions options_;
  std::vector<UnitGeometry> geometry_;
  std::vector<StudentUnit> units_;
};

/// One unit's latents to and from "<prefix>/<unit name>/…".
void store_unit(const Student& student, int k, Container& file, const std::string& prefix);
void load_unit(Student& student, int k, const Container& file, const std::string& prefix);
/// Input normalization as "normalization/zero_point" (I32) and "normalization/std_dev" (F32), [C].
void store_normalization(const Normalization& normalization, Container& file);
Normalization load_normalization(const Container& file, std::int64_t channels);
/// The options as metadata.
void store_student_options(const StudentOptions& options, Container& file);
/// The whole student with spec, options and normalization.
void store_student(const Student& student, Container& file);
Student load_student(const Container& file);

}  // namespace intandem
