// Lowering: from the student's latent floats to the integers that are deployed.
#pragma once

#include <string>
#include <vector>

#include "quant/integer/model.hpp"
#include "quant/student.hpp"

namespace intandem {

/// The integers of one unit, before the input's zero points are folded into the bias. Training
/// simulates exactly these and lower() deploys exactly these.
struct UnitCodes {
  TensorS8 weights;        ///< Q1, shape of the latent weights
  TensorS32 bias;          ///< [K], ⌊b/unit + ½⌋
  Multiplier scale;        ///< Q4; unused by the last unit
  std::int32_t add_m = 0;  ///< Q6: m₂ of the shortcut; 0 without one
  double unit = 1.0;       ///< real value of one accumulator unit, alpha·step_in·step_w
};

/// What becomes the integers of a unit, in real numbers.
struct UnitScales {
  std::vector<double> unit;    ///< real value of one accumulator unit: one, or one per channel
  double out_step = 0.0;       ///< real value of output code 1; 0: the last unit, which has none
  double shortcut_step = 0.0;  ///< real value of code 1 of the shortcut; 0: no shortcut
  int multiplier_bits = 15;    ///< b of Q4
};

/// The rounding of biases (Q3) and scales (Q4, Q6) that simulation, students and baselines share.
struct RoundedUnit {
  TensorS32 bias;                   ///< [K]; empty if `bias` was
  std::vector<Multiplier> scale;    ///< as many as UnitScales::unit; none for the last unit
  std::vector<std::int32_t> add_m;  ///< as many; none without a shortcut
};
/// bias: [K] in real numbers, or empty. Error naming `layer` and the channel if a scale cannot be
/// represented or a bias does not fit 32 bits.
RoundedUnit round_unit(const TensorF& bias, const UnitScales& scales, const std::string& layer);

/// Error naming the unit if a scale cannot be represented or a bias does not fit.
UnitCodes quantize_unit(const Student& student, int k);

/// Unit k as an integer layer, bounds measured (Q7), zero points folded (Q8, Q17).
IntLayer lower_unit(const Student& student, int k);

/// The same from given integers, without measuring its bounds: what training simulates.
IntLayer lower_codes(const Student& student, int k, const UnitCodes& codes);

/// Units 0 … count−1 as an integer model (count = unit_count(): the deployed one).
IntModel lower(const Student& student, int count);

/// Geometry, inputs, padding codes, zero points and code ranges of unit k, shared by lower_unit and
/// the baselines (distill/folded_baseline.hpp): everything but weights, bias and scales.
IntLayer layer_frame(const Student& student, int k);

/// Q8, Q17: bias −= Σ z_c·q_w with the input's zero points z_c, which are the padding codes; an
/// average pool gets a bias of −R·S·z. Error naming layer and channel if the result does not fit 32
/// bits.
void fold_zero_point(IntLayer& layer);

}  // namespace intandem
