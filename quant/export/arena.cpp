#include "quant/export/arena.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace intandem {
namespace {

/// Bytes that are needed from step `first` to step `last`, both included; step k runs layer k.
struct Buffer {
  std::int64_t bytes = 0;
  int first = 0, last = 0;
  std::int64_t offset = -1;

  bool meets(const Buffer& other) const { return first <= other.last && other.first <= last; }
};

/// The lowest free place for each buffer in the given order; returns the bytes it takes in all.
std::int64_t place(std::vector<Buffer>& buffers, const std::vector<std::size_t>& order) {
  std::int64_t total = 0;
  std::vector<std::size_t> placed;
  for (const std::size_t index : order) {
    Buffer& buffer = buffers[index];
    std::vector<std::pair<std::int64_t, std::int64_t>> taken;  // offset, end
    for (const std::size_t other : placed) {
      const Buffer& there = buffers[other];
      if (buffer.meets(there)) taken.emplace_back(there.offset, there.offset + there.bytes);
    }
    std::sort(taken.begin(), taken.end());
    buffer.offset = 0;
    for (const auto& [offset, end] : taken) {
      if (buffer.offset + buffer.bytes <= offset) break;
      buffer.offset = std::max(buffer.offset, end);
    }
    total = std::max(total, buffer.offset + buffer.bytes);
    placed.push_back(index);
  }
  return total;
}

std::int64_t most_at_once(const std::vector<Buffer>& buffers, int steps) {
  std::int64_t most = 0;
  for (int step = 0; step < steps; ++step) {
    std::int64_t bytes = 0;
    for (const Buffer& buffer : buffers) {
      if (buffer.first <= step && step <= buffer.last) bytes += buffer.bytes;
    }
    most = std::max(most, bytes);
  }
  return most;
}

/// The last layer that reads the codes of layer k, k itself if none does.
int last_reader(const IntModel& model, int k) {
  int last = k;
  for (int reader = k + 1; reader < static_cast<int>(model.layers.size()); ++reader) {
    const IntLayer& layer = model.layers[static_cast<std::size_t>(reader)];
    if (model.input_of(reader) == k || layer.add == k) last = reader;
  }
  return last;
}

}  // namespace

bool reads_in_place(const IntLayer& layer) {
  return layer.shape.R == 1 && layer.shape.S == 1 && layer.shape.pad == 0;
}

ArenaPlan plan_arena(const IntModel& model) {
  const std::size_t layers = model.layers.size();
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::vector<Buffer> buffers;
  std::vector<std::size_t> output(layers, kNone), column(layers, kNone);
  for (std::size_t k = 0; k < layers; ++k) {
    const IntLayer& layer = model.layers[k];
    const int step = static_cast<int>(k);
    if (!reads_in_place(layer)) {
      column[k] = buffers.size();
      buffers.push_back({layer.shape.R * layer.shape.S * layer.shape.group_C(), step, step});
    }
    if (layer.is_last()) continue;
    const int last = last_reader(model, step);
    const bool in_place = layer.add >= 0 && layer.pool_kernel == 0 &&
                          layer.add != model.input_of(step) &&
                          last_reader(model, layer.add) == step;
    if (in_place) {
      output[k] = output[static_cast<std::size_t>(layer.add)];
      buffers[output[k]].last = last;
    } else {
      output[k] = buffers.size();
      buffers.push_back({layer.output_size(), step, last});
    }
  }

  // No order is best for every graph: the largest first, and the earliest first.
  std::vector<std::size_t> by_size(buffers.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::vector<std::size_t> by_time = by_size;
  std::stable_sort(by_size.begin(), by_size.end(), [&](std::size_t a, std::size_t b) {
    return buffers[a].bytes > buffers[b].bytes;
  });
  std::stable_sort(by_time.begin(), by_time.end(), [&](std::size_t a, std::size_t b) {
    return buffers[a].first < buffers[b].first;
  });
  std::vector<Buffer> other = buffers;
  ArenaPlan plan;
  plan.bytes = place(buffers, by_size);
  if (const std::int64_t bytes = place(other, by_time); bytes < plan.bytes) {
    plan.bytes = bytes;
    buffers = other;
  }
  plan.least_bytes = most_at_once(buffers, static_cast<int>(layers));
  for (std::size_t k = 0; k < layers; ++k) {
    plan.output.push_back(output[k] == kNone ? -1 : buffers[output[k]].offset);
    plan.column.push_back(column[k] == kNone ? -1 : buffers[column[k]].offset);
  }
  return plan;
}

}  // namespace intandem
