#include "train/head_loss.h"

#include <algorithm>

#include "kernels/rowwise.h"
#include "runtime/logits.h"

namespace bantam {
namespace {

constexpr std::int64_t kLogits = 1 << 20;  // at once, about
constexpr std::int64_t kLeastRows = 16;

std::span<float> row_of(const FloatTensor& x, std::int64_t row) {
  return {x.row(row), static_cast<std::size_t>(x.shape.last())};
}

FloatTensor rows_of(const FloatTensor& x, std::int64_t first, std::int64_t count) {
  return {Shape{count, x.shape.last()}, x.row(first)};
}

}  // namespace

HeadLoss::HeadLoss(const BackwardContext& context, const Linear& head, std::int64_t rows)
    : context_(context),
      head_(head),
      rows_(rows > 0 ? rows : std::max(kLeastRows, kLogits / head.outputs())),
      ops_(context.kernels, context.pool, context.scratch, context.mode) {}

template <typename Visit>
void HeadLoss::for_each_chunk(const FloatTensor& hidden, const Visit& visit) {
  const std::int64_t total = hidden.shape.rows();
  for (std::int64_t first = 0; first < total; first += rows_) {
    const Arena::Mark mark = context_.scratch.mark();
    const FloatTensor some = rows_of(hidden, first, std::min(rows_, total - first));
    visit(first, some, ops_.linear(some, head_));
    context_.scratch.rewind(mark);
  }
}

std::vector<double> HeadLoss::logprobs(const FloatTensor& hidden,
                                       std::span<const RowTarget> targets) {
  CHECK(hidden.shape.rows() == static_cast<std::int64_t>(targets.size()));
  std::vector<double> logprobs(targets.size());
  for_each_chunk(hidden, [&](std::int64_t first, const FloatTensor&, const FloatTensor& logits) {
    for_each_row(context_.pool, logits.shape.rows(), logits.shape.last(), [&](std::int64_t r) {
      const auto at = static_cast<std::size_t>(first + r);
      logprobs[at] = log_probability(context_.kernels, row_of(logits, r), targets[at].id);
    });
  });
  return logprobs;
}

std::vector<RowLoss> HeadLoss::backward(const FloatTensor& hidden,
                                        std::span<const RowTarget> targets, Objective& objective,
                                        const FloatTensor& d_hidden) {
  CHECK(hidden.shape.rows() == static_cast<std::int64_t>(targets.size()));
  CHECK(hidden.shape == d_hidden.shape);
  const KernelTable& kernels = context_.kernels;
  std::vector<RowLoss> losses(targets.size());
  for_each_chunk(
      hidden, [&](std::int64_t first, const FloatTensor& some, const FloatTensor& logits) {
        objective.begin_rows(targets.subspan(static_cast<std::size_t>(first),
                                             static_cast<std::size_t>(some.shape.rows())));
        const FloatTensor change = context_.scratch.alloc_floats(logits.shape);
        for_each_row(context_.pool, logits.shape.rows(), logits.shape.last(), [&](std::int64_t r) {
          const auto at = static_cast<std::size_t>(first + r);
          const std::span<float> row = row_of(change, r);
          std::ranges::copy(row_of(logits, r), row.begin());
          const double total = kernels.log_sum_exp(row.data(), logits.shape.last());
          losses[at].logprob =
              static_cast<double>(row[static_cast<std::size_t>(targets[at].id)]) - total;
          losses[at].loss = objective.row(kernels, targets[at], total, row);
        });
        linear_backward(context_, some, head_, logits, change,
                        rows_of(d_hidden, first, some.shape.rows()));
      });
  return losses;
}

}  // namespace bantam
