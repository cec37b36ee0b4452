#include "quant/integer/binary/driver.hpp"

#include <algorithm>

#include "core/cpu.hpp"
#include "core/divide.hpp"
#include "core/parallel.hpp"
#include "quant/integer/direct/direct.hpp"
#include "quant/integer/padded_row.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kHeaderBytes = 64;
constexpr std::int64_t kStripAccumulators = 3072;  // on the stack

}  // namespace

BinaryRows::BinaryRows(const IntLayer& layer, const Format& format)
    : layer_(layer),
      format_(format),
      requant_data_(layer),
      flat_(layer.shape.is_linear() && layer.shape.pad == 0),
      row_bytes_((layer.shape.W + 2 * layer.shape.pad) * format.pixel_bytes),
      window_bytes_(layer.shape.R * layer.shape.S * format.pixel_bytes),
      panels_(ceil_div(layer.shape.K, format.panel_channels)),
      requant_(requant_function(active_isa())),
      workers_(thread_count()) {
  // As many rows for every worker, in case there is but one image.
  const std::int64_t P = layer.shape.P();
  std::int64_t parts = ceil_div(pixels(), format.task_pixels);
  if (P % workers_ == 0 || P >= 16 * workers_) parts = std::min(P, round_up(parts, workers_));
  task_rows_ = ceil_div(P, parts);
}

/// The memory of one worker: the task it is at, its input rows.
std::int64_t BinaryRows::workspace_bytes(std::int64_t N) const {
  const ConvShape& s = layer_.shape;
  const std::int64_t rows = (task_rows_ - 1) * s.stride + s.R;
  return kHeaderBytes + round_up(flat_ ? N * format_.pixel_bytes : rows * row_bytes_, 64);
}

std::int64_t BinaryRows::scratch_bytes(std::int64_t N) const {
  return workers_ * workspace_bytes(N) +
         (layer_.pool_kernel > 0 ? N * pixels() * layer_.shape.K : 0);
}

/// `pixels` neighbouring outputs from index `pixel` on, the first one's window at `window`.
void BinaryRows::run_row(const LayerRun& args, const std::byte* window, std::uint8_t* codes,
                         std::int64_t pixel, std::int64_t pixels, std::int64_t panel) const {
  const std::int64_t K = layer_.shape.K, k = panel * format_.panel_channels;
  const std::int64_t width = panel_width(panel);
  const std::int64_t most = stores_codes() ? pixels : kStripAccumulators / width;
  alignas(64) std::int32_t acc[kStripAccumulators];
  for (std::int64_t q = 0; q < pixels; q += most) {
    const std::int64_t out = (pixel + q) * K + k;
    const Outputs outputs = {window + q * step_bytes(),
                             std::min(most, pixels - q),
                             panel,
                             k,
                             std::min(width, K - k),
                             codes == nullptr ? nullptr : codes + out,
                             acc};
    multiply(outputs);
    if (layer_.is_last()) {
      for (std::int64_t i = 0; i < outputs.pixels; ++i) {
        std::copy_n(acc + i * width, outputs.channels, args.accumulators + out + i * K);
      }
    } else if (!stores_codes()) {
      requant_({acc, layer_.add >= 0 ? args.shortcut + out : nullptr, codes + out, outputs.pixels,
                outputs.channels, width, K, requant_data_.from(k)});
    }
  }
}

void BinaryRows::run(const LayerRun& args) const {
  if (args.N == 0) return;
  const ConvShape& s = layer_.shape;
  const bool pools = layer_.pool_kernel > 0;
  const std::int64_t own_bytes = workspace_bytes(args.N);
  std::uint8_t* codes =
      pools ? reinterpret_cast<std::uint8_t*>(args.scratch) + workers_ * own_bytes : args.codes;
  const std::int64_t images = flat_ ? 1 : args.N, P = s.P(), Q = flat_ ? args.N : s.Q();
  const std::int64_t parts = ceil_div(P, task_rows_);
  const auto task_in = [&](std::int64_t worker) -> std::int64_t& {
    return *reinterpret_cast<std::int64_t*>(args.scratch + worker * own_bytes);
  };
  for (std::int64_t worker = 0; worker < workers_; ++worker) task_in(worker) = -1;
  const auto run_panel = [&](std::int64_t worker, std::int64_t i) {
    const std::int64_t task = i / panels_, n = task / parts, part = task % parts;
    const std::int64_t first = P * part / parts, last = P * (part + 1) / parts;
    std::byte* const rows = args.scratch + worker * own_bytes + kHeaderBytes;
    if (task_in(worker) != task) {
      const auto pack = [&](const std::uint8_t* from, std::int64_t count, std::byte* to) {
        pack_pixels(from, count, to);
      };
      pack_padded_rows(s, flat_ ? args.N : s.W, layer_.pad_code.data(),
                       args.input + n * s.H * s.W * s.C, first * s.stride - s.pad,
                       (last - first - 1) * s.stride + s.R, format_.pixel_bytes, pack, rows);
      task_in(worker) = task;
    }
    for (std::int64_t p = first; p < last; ++p) {
      run_row(args, rows + (p - first) * s.stride * row_bytes_, codes, (n * P + p) * Q, Q,
              i % panels_);
    }
  };
  if (flat_) {
    // Weights from memory: long stretches, and little to do for a thread that is late.
    const std::int64_t workers = linear_workers(s, args.N, workers_);
    SharedRange left(panels_, workers);
    parallel_workers(workers, [&](std::int64_t worker) {
      for (std::int64_t begin = 0, end = 0; left.take(begin, end);) {
        for (std::int64_t i = begin; i < end; ++i) run_panel(worker, i);
      }
    });
  } else {
    parallel_tasks(workers_, images * parts * panels_, run_panel);
  }
  if (pools) {
    max_pool(codes, args.N, s.P(), s.Q(), s.K, layer_.pool_kernel, layer_.pool_stride, args.codes);
  }
}

}  // namespace intandem
