#include "core/gemm_driver.hpp"
#include "core/divide.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/blocking.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"

namespace intandem {
namespace {

using std::int64_t;

// One task multiplies up to kTaskRows rows by as many columns as let its slice of B (depth ×
// columns floats) stay in the second-level cache.
constexpr int64_t kTaskRows = 504;
constexpr int64_t kSliceQuarters = 3;  // of that cache; A and C pass through the rest
// Beyond, an element of A is used more than 512 times for each time it is packed.
constexpr int64_t kMostSliceFloats = int64_t{512} * kMaxDepth;
constexpr int64_t kTasksPerThread = 4;
// Each task packs the rows of A it multiplies: below this many panels of B that is too dear.
constexpr int64_t kLeastTaskPanels = 4;
constexpr int64_t kSerialMacs = 1 << 18;
// Splitting the reduction: chunks of at least kSplitSteps steps, for C of up to kSplitOutputs.
constexpr int64_t kSplitSteps = 2048;
constexpr int64_t kSplitOutputs = 1 << 15;
constexpr int64_t kMaxSplits = 16;

// At least a huge page, or allocate_aligned() would not ask for one.
constexpr int64_t kLeastBufferFloats = 1 << 19;

struct Buffer {
  float* data() { return reinterpret_cast<float*>(block.get()); }
  void reserve(int64_t floats) {
    if (floats <= capacity) return;
    floats = std::max(floats, kLeastBufferFloats);
    block = allocate_aligned(static_cast<std::size_t>(floats) * sizeof(float));
    capacity = floats;
  }
  std::shared_ptr<std::byte> block;
  int64_t capacity = 0;
};

// Per-thread packing space; grows to about 1 MiB and is kept.
struct Workspace {
  Buffer a_panel, b_slice, c_rows;
};
Workspace& workspace() {
  static thread_local Workspace instance;
  return instance;
}

// Reduction steps per block at most.
int64_t max_depth(const GemmProblem& g) { return g.a->by_rows() ? kMaxDepth : kMaxColumnDepth; }

int64_t task_columns(const GemmProblem& g) {
  return std::min(second_level_floats(kSliceQuarters), kMostSliceFloats) / max_depth(g);
}

// How M×N is shared out; the result does not depend on it.
struct Plan {
  int64_t rows;  // of one task, a multiple of mr
  int64_t row_tasks, column_tasks, column_panels;
  bool pack_b_once;
  // Panels of B before task column i. Shares differ by one panel at most: with full ones and a rest
  // two threads had 33 and 31 of 64.
  int64_t panels_before(int64_t i) const { return column_panels * i / column_tasks; }
};

Plan make_plan(const GemmProblem& g, const GemmKernels& kernels) {
  const int64_t row_panels = ceil_div(g.M, kernels.mr), column_panels = ceil_div(g.N, kernels.nr);
  const bool few_rows = g.M <= g.few_rows;
  int64_t row_tasks = few_rows ? 1 : ceil_div(g.M, kTaskRows);
  int64_t column_tasks = ceil_div(g.N, task_columns(g));
  const int64_t threads = omp_in_parallel() ? 1 : thread_count();
  if (threads > 1 && g.M * g.N * g.K > kSerialMacs) {
    if (few_rows) {
      const int64_t most = ceil_div(column_panels, kLeastTaskPanels);
      column_tasks = std::max(column_tasks, std::min(threads, most));
      if (column_tasks > threads) column_tasks = round_up(column_tasks, threads);
    }
    const int64_t wanted = kTasksPerThread * threads;
    if (row_tasks * column_tasks < (few_rows ? threads : wanted)) {
      row_tasks = std::max(row_tasks, std::min(row_panels, ceil_div(wanted, column_tasks)));
    }
  }
  Plan plan;
  plan.rows = ceil_div(row_panels, std::max<int64_t>(1, row_tasks)) * kernels.mr;
  plan.row_tasks = ceil_div(g.M, plan.rows);
  plan.column_panels = column_panels;
  plan.column_tasks = std::clamp<int64_t>(column_tasks, 1, column_panels);
  plan.pack_b_once = plan.row_tasks > 1;
  return plan;
}

// Steps of one reduction block, for K steps; positive.
int64_t block_depth(const GemmProblem& g, int64_t K) {
  const int64_t most = max_depth(g), blocks = std::max<int64_t>(1, ceil_div(K, most));
  return std::clamp<int64_t>(round_up(ceil_div(K, blocks), 4), 4, most);
}

// Packs columns [n0, n1) of one reduction block into one panel after the other.
void pack_columns(const GemmProblem& g, const GemmKernels& kernels, float* dst, int64_t n0,
                  int64_t n1, int64_t k0, int64_t depth) {
  const int64_t together = std::min(depth, g.b->steps_together());
  for (int64_t p = 0; p < depth; p += together) {
    const int64_t steps = std::min(together, depth - p);
    float* panel = dst + p * kernels.nr;
    for (int64_t n = n0; n < n1; n += kernels.nr) {
      const int count = static_cast<int>(std::min<int64_t>(kernels.nr, g.N - n));
      g.b->pack(kernels, panel, n, count, k0 + p, steps);
      panel += depth * kernels.nr;
    }
  }
}

void add_bias(float* c, int64_t ldc, int rows, int64_t columns, const float* bias) {
  for (int i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) c[i * ldc + j] += bias[j];
  }
}

// Rows [m0, m1) × columns [n0, n1) over the steps [k_begin, k_end) into c (its element [m0][n0]).
// packed_b: all of B, block after block of the whole reduction, or null.
struct Task {
  int64_t m0, m1, n0, n1, k_begin, k_end;
  float* c;
  int64_t ldc;
  bool accumulate;
  const float* bias;
};

void run_task(const GemmProblem& g, const GemmKernels& kernels, const Task& t,
              const float* packed_b) {
  Workspace& space = workspace();
  space.a_panel.reserve(int64_t{kernels.mr} * kRowPanelStride);
  const int64_t padded_n = round_up(g.N, kernels.nr);
  const int64_t columns = round_up(t.n1 - t.n0, kernels.nr);
  if (packed_b == nullptr) space.b_slice.reserve(max_depth(g) * columns);
  const TileKernel kernel = g.a->by_rows() ? kernels.row_panel : kernels.column_panel;
  const int64_t step = block_depth(g, t.k_end - t.k_begin);
  int64_t k = t.k_begin;
  do {
    const int64_t depth = std::min(step, t.k_end - k);
    const float* b = nullptr;
    if (packed_b != nullptr) {
      b = packed_b + k * padded_n + t.n0 * depth;
    } else {
      pack_columns(g, kernels, space.b_slice.data(), t.n0, t.n1, k, depth);
      b = space.b_slice.data();
    }
    const bool accumulate = t.accumulate || k > t.k_begin;
    for (int64_t m = t.m0; m < t.m1; m += kernels.mr) {
      const int mr = static_cast<int>(std::min<int64_t>(kernels.mr, t.m1 - m));
      if (depth > 0) g.a->pack(kernels, space.a_panel.data(), m, mr, k, depth);
      const int next = static_cast<int>(std::clamp<int64_t>(t.m1 - m - mr, 0, kernels.mr));
      float* c = t.c + (m - t.m0) * t.ldc;
      for (int64_t n = 0; n < t.n1 - t.n0; n += kernels.nr) {
        const int nr = static_cast<int>(std::min<int64_t>(kernels.nr, t.n1 - t.n0 - n));
        const float* idle = space.a_panel.data();
        const Prefetch ahead = next > 0 ? g.a->ahead(m + mr, next, k, depth, n / kernels.nr,
                                                     columns / kernels.nr, idle)
                                        : Prefetch{idle, 0, 0};
        kernel(depth, space.a_panel.data(), b + n * depth, c + n, t.ldc, mr, nr, accumulate, ahead);
      }
      if (t.bias != nullptr && k + depth == t.k_end) {
        add_bias(c, t.ldc, mr, t.n1 - t.n0, t.bias + t.n0);
      }
    }
    k += depth;
  } while (k < t.k_end);
}

// A task whose rows go through the row map: computed in thread-local rows, then copied out.
void run_scattered(const GemmProblem& g, const GemmKernels& kernels, Task t,
                   const float* packed_b) {
  const int64_t columns = t.n1 - t.n0;
  Workspace& space = workspace();
  space.c_rows.reserve((t.m1 - t.m0) * columns);
  t.c = space.c_rows.data();
  t.ldc = columns;
  run_task(g, kernels, t, packed_b);
  for (int64_t m = t.m0; m < t.m1; ++m) {
    std::memcpy(g.rows->row(m) + t.n0, t.c + (m - t.m0) * columns,
                static_cast<std::size_t>(columns) * sizeof(float));
  }
}

// C from `splits` partial products over equal chunks of the reduction, added in chunk order.
void run_split(const GemmProblem& g, const GemmKernels& kernels, int64_t splits) {
  const int64_t chunk = round_up(ceil_div(g.K, splits), kMaxDepth);
  splits = ceil_div(g.K, chunk);
  const int64_t outputs = g.M * g.N;
  Buffer partial;
  partial.reserve(splits * outputs);
  const int64_t width = task_columns(g), column_tasks = ceil_div(g.N, width);
  parallel_for(splits * column_tasks, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t s = i / column_tasks, n0 = i % column_tasks * width;
      const Task t = {0,
                      g.M,
                      n0,
                      std::min(g.N, n0 + width),
                      s * chunk,
                      std::min(g.K, (s + 1) * chunk),
                      partial.data() + s * outputs + n0,
                      g.N,
                      false,
                      s == 0 ? g.bias : nullptr};
      run_task(g, kernels, t, nullptr);
    }
  });
  for (int64_t m = 0; m < g.M; ++m) {
    float* c = g.c + m * g.ldc;
    for (int64_t n = 0; n < g.N; ++n) {
      float sum = g.accumulate ? c[n] : 0.0f;
      for (int64_t s = 0; s < splits; ++s) sum += partial.data()[s * outputs + m * g.N + n];
      c[n] = sum;
    }
  }
}

}  // namespace

void run_gemm(const GemmProblem& g) {
  if (g.M == 0 || g.N == 0) return;
  const GemmKernels& kernels = gemm_kernels();
  if (g.split_reduction && g.rows == nullptr && g.M * g.N <= kSplitOutputs) {
    const int64_t splits = std::min(kMaxSplits, g.K / kSplitSteps);
    if (splits > 1) return run_split(g, kernels, splits);
  }
  const Plan plan = make_plan(g, kernels);
  Buffer packed_b;
  if (plan.pack_b_once) {
    const int64_t padded_n = round_up(g.N, kernels.nr), depth = block_depth(g, g.K);
    packed_b.reserve(padded_n * g.K);
    const int64_t panels = padded_n / kernels.nr, blocks = ceil_div(g.K, depth);
    parallel_for(panels * blocks, 4, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const int64_t n = i % panels * kernels.nr, k = i / panels * depth;
        const int64_t steps = std::min(depth, g.K - k);
        pack_columns(g, kernels, packed_b.data() + k * padded_n + n * steps, n,
                     std::min(g.N, n + kernels.nr), k, steps);
      }
    });
  }
  const float* b = plan.pack_b_once ? packed_b.data() : nullptr;
  parallel_for(plan.row_tasks * plan.column_tasks, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t m0 = i / plan.column_tasks * plan.rows;
      const int64_t column = i % plan.column_tasks;
      const int64_t n0 = plan.panels_before(column) * kernels.nr;
      const Task t = {m0,
                      std::min(g.M, m0 + plan.rows),
                      n0,
                      std::min(g.N, plan.panels_before(column + 1) * kernels.nr),
                      0,
                      g.K,
                      g.c + (g.rows == nullptr ? m0 * g.ldc + n0 : 0),
                      g.ldc,
                      g.accumulate,
                      g.bias};
      if (g.rows == nullptr) {
        run_task(g, kernels, t, b);
      } else {
        run_scattered(g, kernels, t, b);
      }
    }
  });
}

}  // namespace intandem
