#include "quant/integer/fastconv_panel.hpp"

namespace intandem {
namespace {

/// Rows whose taps the joined positions are computed from.
constexpr int kRealRow = 3, kImaginaryRow = 4;

}  // namespace

/// All of U is stored.
void FastConvPanel::find_stored(const FastConvRow& row, const std::int8_t* taps,
                                std::int64_t stride, Row& at) const {
  for (std::size_t q = 0; q < plan.pieces.size(); ++q) {
    const std::int8_t* u = taps + row.plane[q] * stride;
    for (int i = 0; i < row.count; ++i) {
      const int position = plan.positions[static_cast<std::size_t>(row.first + i)];
      at.weights[i][q] = plan.repeats_column(position) ? at.weights[i - 1][q] : u;
      if (plan.pieces[q].has(position) && !plan.repeats_column(position)) u += stride;
    }
  }
}

/// Computes the weights of three joined positions.
void FastConvPanel::join(const FastConvRow& row, const std::int8_t* taps, std::int64_t width,
                         std::int8_t* weights, Row& at) const {
  const std::int64_t stride = plan.tap_stride(width);
  const bool minus = &row == &plan.rows[kImaginaryRow];
  for (std::size_t q = 0; q < plan.pieces.size(); ++q) {
    std::int8_t* const computed =
        weights + planes_at_a_time(plan) * static_cast<std::int64_t>(q) * stride;
    kernels.join_weights({taps + plan.rows[kRealRow].plane[q] * stride,
                          taps + plan.rows[kImaginaryRow].plane[q] * stride, plan.pieces[q].columns,
                          plan.tap_bytes(width), stride, minus, computed});
    for (int i = 0; i < 3; ++i) at.weights[3 + i][q] = computed + i * stride;
  }
}

/// Columns 1 and 2 when 0 is multiplied, 3 and 5 in the same place when 4 is, or just before they
/// are needed, if any tile wants them. Returns whether the product of position `index` of the row
/// may do it.
bool FastConvPanel::compute(const FastConvRow& row, int index, const std::int8_t* taps,
                            std::int64_t width, bool wanted, std::int8_t* weights, Row& at) const {
  const std::int64_t stride = plan.tap_stride(width);
  const int position = plan.positions[static_cast<std::size_t>(row.first + index)];
  const bool real = index == 0;
  if (index == 3 && wanted && plan.is_joined(row)) join(row, taps, width, weights, at);
  const int complex = kernels.computes_weights ? 4 : 3;
  if (!real && !(plan.has_complex_columns(row) && index == complex)) return false;
  const int first = plan.first_piece[position], count = plan.piece_count[position];
  for (int q = first; q < first + count; ++q) {
    const std::int8_t* t = taps + row.plane[q] * stride;
    const int columns = plan.pieces[static_cast<std::size_t>(q)].columns;
    std::int8_t* const computed = weights + planes_at_a_time(plan) * q * stride;
    at.besides[q] = {t, columns, plan.tap_bytes(width), stride, !real, computed};
    if (real) {
      at.weights[0][q] = t;
      at.weights[1][q] = computed;
      at.weights[2][q] = computed + stride;
      at.weights[4][q] = t + stride;  // unless the row has joined positions there, or none
      at.weights[row.count - 1][q] = t + 2 * stride;
    } else if (columns == 2) {  // t₀ − t₂ and t₀ + t₁ − t₂ are there already
      at.weights[3][q] = at.weights[0][q];
      at.weights[5][q] = at.weights[1][q];
      at.besides[q].weights = nullptr;
    } else {
      at.weights[3][q] = computed;
      at.weights[5][q] = computed + stride;
    }
    if (!kernels.computes_weights && wanted && at.besides[q].weights != nullptr) {
      kernels.transform_weights(at.besides[q]);
    }
  }
  return kernels.computes_weights;
}

void FastConvPanel::multiply(const FastConvGroup& group, std::int64_t k, const std::uint8_t* values,
                             std::int32_t* products, std::int8_t* weights) const {
  const std::int64_t width = plan.width_at(k), stride = plan.tap_stride(width);
  const std::int8_t* const taps = plan.taps.data() + plan.taps_at(k);
  constexpr int kBesides[kPositions1d] = {0, 1, 2, 4, 3, 5, 6}, kInOrder[] = {0, 1, 2, 3, 4, 5, 6};
  for (const FastConvRow& row : plan.rows) {
    Row at;
    if (plan.all_columns) find_stored(row, taps, stride, at);
    const bool last = &row == &plan.rows.back();
    const std::int8_t* next = taps + (last ? plan.planes : (&row + 1)->plane[0]) * stride;
    const bool besides =
        kernels.computes_weights && !plan.all_columns && plan.has_complex_columns(row);
    const int* const order = besides ? kBesides : kInOrder;
    for (const int* i = order; i < order + row.count; ++i) {
      const int p = plan.positions[static_cast<std::size_t>(row.first + *i)];
      const int kind = layout.kind(p), first = plan.first_piece[p], count = plan.piece_count[p];
      const bool computes =
          !plan.all_columns && compute(row, *i, taps, width, group.rows[kind] > 0, weights, at);
      const std::int64_t out = group.product_bytes[p] / std::int64_t{sizeof(std::int32_t)} +
                               group.first_row[kind] * plan.panel_width;
      kernels.multiply({values + group.values[p], group.blocks[kind], at.weights[*i] + first, count,
                        plan.quads, block, width, products + out, next,
                        computes ? at.besides + first : nullptr});
      next += count * plan.quads * 4 * width;
    }
  }
}

}  // namespace intandem
