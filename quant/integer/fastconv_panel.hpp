// The products of a group of tiles with one panel of output channels.
#pragma once

#include <cstdint>

#include "quant/integer/fastconv_layout.hpp"

namespace intandem {

struct FastConvPanel {
  const FastConvPlan& plan;
  const FastConvLayout& layout;
  const FastConvKernels& kernels;
  const RegisterBlock& block;

  /// Planes of U per piece that multiply() computes at a time.
  static std::int64_t planes_at_a_time(const FastConvPlan& plan) {
    return plan.all_columns ? 0 : plan.form == FastConvForm::joined ? 3 : 2;
  }
  /// All products of the group with the output channels from k on, a row of positions at a time.
  /// weights: room for the computed planes of all pieces, plan.tap_stride(panel_width) each.
  void multiply(const FastConvGroup& group, std::int64_t k, const std::uint8_t* values,
                std::int32_t* products, std::int8_t* weights) const;

 private:
  /// The weights of a row of positions, by position and piece; what to compute besides, per piece.
  struct Row {
    const std::int8_t* weights[kPositions1d][kMostPieces];
    FastConvWeights besides[kMostPieces];
  };
  void find_stored(const FastConvRow& row, const std::int8_t* taps, std::int64_t stride,
                   Row& at) const;
  void join(const FastConvRow& row, const std::int8_t* taps, std::int64_t width,
            std::int8_t* weights, Row& at) const;
  bool compute(const FastConvRow& row, int index, const std::int8_t* taps, std::int64_t width,
               bool wanted, std::int8_t* weights, Row& at) const;
};

}  // namespace intandem
