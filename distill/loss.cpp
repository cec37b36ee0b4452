#include "distill/loss.hpp"

#include <algorithm>
#include <limits>
#include <span>

#include "core/parallel.hpp"
#include "core/profile.hpp"
#include "distill/evaluate.hpp"
#include "nn/ops.hpp"

namespace intandem {
namespace {

constexpr double kEpsilon = 1e-12;

/// C of D3; equal bounds mean no clipping.
struct Clip {
  Clip(float low_bound, float high_bound)
      : low(low_bound < high_bound ? low_bound : -std::numeric_limits<float>::infinity()),
        high(low_bound < high_bound ? high_bound : std::numeric_limits<float>::infinity()) {}
  float operator()(float v) const { return std::clamp(v, low, high); }
  float low, high;
};

struct RealRange {
  float low, high;
};

/// The real values that unit k's codes can represent; empty for the last unit, which has no codes.
RealRange code_range(const Student& student, int k) {
  if (student.is_last(k)) return {0.0f, 0.0f};
  const float step = student.unit(k).out_step.value[0];
  const std::int32_t zero_point = student.zero_point(k);
  return {step * static_cast<float>(-zero_point),
          step * static_cast<float>(student.max_code(k) - zero_point)};
}

Var clipped_loss(Tape& tape, const Student& student, int k, const HybridPass& hybrid,
                 const TeacherPass& teacher, const BatchPart& part) {
  const auto at = static_cast<std::size_t>(k);
  const RealRange range = code_range(student, k);
  return local_loss(tape, hybrid.z[at], teacher.z[at], range.low, range.high, part);
}

/// Those of the whole batch but for the error.
void add_other_shards(LocalSums& sums, const BatchPart& part) {
  if (part.shards == nullptr || part.shards->size() == 1) return;
  std::vector<double> all = sums.sum;
  all.insert(all.end(), sums.square.begin(), sums.square.end());
  all.push_back(static_cast<double>(sums.rows));
  part.shards->all_reduce_sum(std::span<double>(all));
  const auto C = static_cast<std::ptrdiff_t>(sums.sum.size());
  std::copy(all.begin(), all.begin() + C, sums.sum.begin());
  std::copy(all.begin() + C, all.begin() + 2 * C, sums.square.begin());
  sums.rows = static_cast<std::int64_t>(all.back());
}

/// inner · mean over the inner units of D3; null if there are none.
Var inner_loss(Tape& tape, const Student& student, int first, int k, const HybridPass& hybrid,
               const TeacherPass& teacher, const LossWeights& weights, const BatchPart& part) {
  std::vector<Var> terms;
  for (int j = first; j < k; ++j) {
    if (!has_inner_loss(j, first, k, weights)) continue;
    terms.push_back(clipped_loss(tape, student, j, hybrid, teacher, part));
  }
  if (terms.empty()) return nullptr;
  const float share = weights.inner / static_cast<float>(terms.size());
  return weighted_sum(tape, terms, std::vector<float>(terms.size(), share));
}

/// Σ weight·term over the terms that are there.
Var sum_of(Tape& tape, const std::vector<std::pair<Var, float>>& terms) {
  std::vector<Var> vars;
  std::vector<float> weights;
  for (const auto& [term, weight] : terms) {
    if (!term) continue;
    vars.push_back(term);
    weights.push_back(weight);
  }
  return weighted_sum(tape, vars, weights);
}

double value_of(const Var& loss) { return static_cast<double>(loss->value[0]); }

}  // namespace

LocalSums& LocalSums::operator+=(const LocalSums& other) {
  if (sum.empty()) {
    *this = other;
    return *this;
  }
  for (std::size_t c = 0; c < sum.size(); ++c) {
    sum[c] += other.sum[c];
    square[c] += other.square[c];
  }
  error += other.error;
  rows += other.rows;
  return *this;
}

double LocalSums::variance() const {
  double variance = kEpsilon;
  for (std::size_t c = 0; c < sum.size(); ++c) {
    variance += square[c] - sum[c] * sum[c] / static_cast<double>(rows);
  }
  return variance;
}

LocalSums local_sums(const TensorF& z, const TensorF& target, float low, float high) {
  check_same_shape(target.shape(), z.shape(), "teacher's activation");
  const ProfileScope scope("local loss", 0, 2.0 * static_cast<double>(z.size_bytes()));
  const std::int64_t C = target.dim(target.rank() - 1);
  const Clip clip(low, high);
  return parallel_sum<
      LocalSums>(target.size() / C, 1 + (1 << 14) / C, [&](std::int64_t begin, std::int64_t end) {
    const auto channels = static_cast<std::size_t>(C);
    LocalSums part{0.0, end - begin, std::vector<double>(channels), std::vector<double>(channels)};
    std::vector<double> errors(channels);
    double *sum = part.sum.data(), *square = part.square.data(), *error = errors.data();
    for (std::int64_t row = begin; row < end; ++row) {
      const float *zr = z.data() + row * C, *tr = target.data() + row * C;
      for (std::int64_t c = 0; c < C; ++c) {
        const double t = static_cast<double>(clip(tr[c]));
        const double d = static_cast<double>(clip(zr[c])) - t;
        sum[c] += t;
        square[c] += t * t;
        error[c] += d * d;
      }
    }
    for (const double e : errors) part.error += e;
    return part;
  });
}

Var local_loss(Tape& tape, const Var& z, const TensorF& target, float low, float high,
               const BatchPart& part) {
  LocalSums sums = local_sums(z->value, target, low, high);
  add_other_shards(sums, part);
  const double variance = sums.variance();
  return tape.record(
      TensorF::full({1}, static_cast<float>(sums.loss())), {z},
      [z, target, clip = Clip(low, high), variance](const Node& self) {
        const ProfileScope scope("local loss", 0, 3.0 * static_cast<double>(z->value.size_bytes()));
        const auto factor = static_cast<float>(2.0 / variance * static_cast<double>(self.grad[0]));
        TensorF dz(z->value.shape());
        float* out = dz.data();
        const float *zs = z->value.data(), *ts = target.data();
        parallel_for(dz.size(), 1 << 14, [=](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) out[i] = factor * (clip(zs[i]) - clip(ts[i]));
        });
        accumulate(z, std::move(dz));
      });
}

bool has_inner_loss(int j, int first, int k, const LossWeights& weights) {
  return weights.inner > 0.0f && j >= first && j < k;
}

StageLoss stage_loss(Tape& tape, const Student& student, int first, int k, const HybridPass& hybrid,
                     const TeacherPass& teacher, const LossWeights& weights,
                     const BatchPart& part) {
  StageLoss loss;
  loss.local = clipped_loss(tape, student, k, hybrid, teacher, part);
  if (weights.lambda > 0.0f) {
    loss.kd = kl_divergence(tape, hybrid.logits, teacher.logits, weights.tau);
  }
  loss.inner = inner_loss(tape, student, first, k, hybrid, teacher, weights, part);
  loss.total = sum_of(
      tape, {{loss.local, 1.0f}, {loss.kd, part.share * weights.lambda}, {loss.inner, 1.0f}});
  return loss;
}

JointLoss joint_loss(Tape& tape, const Student& student, const HybridPass& hybrid,
                     const TeacherPass& teacher, const std::vector<std::int32_t>& labels,
                     const LossWeights& weights, const BatchPart& part) {
  JointLoss loss;
  if (weights.kd > 0.0f) {
    loss.kd = kl_divergence(tape, hybrid.logits, teacher.logits, weights.tau);
  }
  if (weights.ce > 0.0f) loss.ce = cross_entropy(tape, hybrid.logits, labels, 0.0f);
  loss.inner =
      inner_loss(tape, student, 0, student.unit_count() - 1, hybrid, teacher, weights, part);
  loss.total = sum_of(
      tape,
      {{loss.kd, part.share * weights.kd}, {loss.ce, part.share * weights.ce}, {loss.inner, 1.0f}});
  return loss;
}

LossMeans& LossMeans::operator+=(const LossMeans& other) {
  total += other.total;
  local += other.local;
  kd += other.kd;
  ce += other.ce;
  inner += other.inner;
  top1 += other.top1;
  return *this;
}

LossMeans LossMeans::operator/(double count) const {
  return {total / count, local / count, kd / count, ce / count, inner / count, top1 / count};
}

LossSums::LossSums(const Student& student, int first, int k, bool joint, const LossWeights& weights)
    : student_(student),
      first_(first),
      k_(k),
      joint_(joint),
      weights_(weights),
      local_(static_cast<std::size_t>(k + 1)) {}

void LossSums::add(const HybridPass& hybrid, const TeacherPass& teacher,
                   const std::vector<std::int32_t>& labels) {
  Tape tape;
  const auto count = static_cast<std::int64_t>(labels.size());
  for (int j = first_; j <= k_; ++j) {
    const bool own = j == k_ && !joint_;
    if (!own && !has_inner_loss(j, first_, k_, weights_)) continue;
    const auto at = static_cast<std::size_t>(j);
    const RealRange range = code_range(student_, j);
    local_[at] += local_sums(hybrid.z[at]->value, teacher.z[at], range.low, range.high);
  }
  const Var logits = tape.constant(hybrid.logits->value);
  const auto images = static_cast<double>(count);
  kd_ += images * value_of(kl_divergence(tape, logits, teacher.logits, weights_.tau));
  if (joint_) ce_ += images * value_of(cross_entropy(tape, logits, labels, 0.0f));
  correct_ += count_correct(hybrid.logits->value, labels);
  images_ += count;
}

std::vector<double> LossSums::values() const {
  std::vector<double> values = {kd_, ce_, static_cast<double>(correct_),
                                static_cast<double>(images_)};
  for (const LocalSums& local : local_) {
    values.insert(values.end(), {local.error, static_cast<double>(local.rows),
                                 static_cast<double>(local.sum.size())});
    values.insert(values.end(), local.sum.begin(), local.sum.end());
    values.insert(values.end(), local.square.begin(), local.square.end());
  }
  return values;
}

void LossSums::add(const std::vector<double>& values) {
  auto next = values.begin();
  const auto take = [&] { return *next++; };
  kd_ += take();
  ce_ += take();
  correct_ += static_cast<std::int64_t>(take());
  images_ += static_cast<std::int64_t>(take());
  for (LocalSums& local : local_) {
    LocalSums other;
    other.error = take();
    other.rows = static_cast<std::int64_t>(take());
    const auto C = static_cast<std::ptrdiff_t>(take());
    other.sum.assign(next, next + C);
    other.square.assign(next + C, next + 2 * C);
    next += 2 * C;
    if (C > 0) local += other;
  }
}

LossMeans LossSums::means() const {
  LossMeans means;
  const auto images = static_cast<double>(images_);
  means.kd = kd_ / images;
  means.ce = ce_ / images;
  means.top1 = static_cast<double>(correct_) / images;
  int inner = 0;
  for (int j = first_; j < k_; ++j) {
    if (!has_inner_loss(j, first_, k_, weights_)) continue;
    means.inner += local_[static_cast<std::size_t>(j)].loss();
    ++inner;
  }
  if (inner > 0) means.inner *= static_cast<double>(weights_.inner) / inner;
  if (joint_) {
    means.total = static_cast<double>(weights_.kd) * means.kd +
                  static_cast<double>(weights_.ce) * means.ce + means.inner;
  } else {
    means.local = local_[static_cast<std::size_t>(k_)].loss();
    means.total = means.local + static_cast<double>(weights_.lambda) * means.kd + means.inner;
  }
  return means;
}

}  // namespace intandem
