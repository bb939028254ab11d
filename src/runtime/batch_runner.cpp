#include "runtime/batch_runner.h"

#include "nn/cpu_ops.h"

namespace bantam {

BatchRunner::BatchRunner(const Decoder& decoder, const KernelTable& kernels, ThreadPool& pool,
                         const KvType& kv_type, std::size_t sequences, std::int64_t blocks)
    : decoder_(decoder),
      kernels_(kernels),
      pool_(pool),
      kv_layout_(bantam::kv_layout(decoder.spec(), kv_type)),
      kv_pool_(kv_layout_, blocks),
      lengths_(sequences, 0) {
  sequences_.reserve(sequences);
  for (std::size_t i = 0; i < sequences; ++i) sequences_.emplace_back(kv_layout_);
}

Result<FloatTensor> BatchRunner::step(std::span<const SequenceStep> steps) {
  std::vector<std::int32_t> tokens, rows;
  std::vector<std::int64_t> positions;
  std::vector<SequenceRows> sequences;
  for (const SequenceStep& step : steps) {
    const std::int64_t length = lengths_[step.sequence];
    const auto count = static_cast<std::int64_t>(step.tokens.size());
    CHECK(count > 0);
    TRY(kv_pool_.reserve(sequences_[step.sequence], length + count));
    const auto first = static_cast<std::int32_t>(tokens.size());
    sequences.push_back({.first_row = first,
                         .count = count,
                         .first_position = length,
                         .kv = &sequences_[step.sequence]});
    tokens.insert(tokens.end(), step.tokens.begin(), step.tokens.end());
    for (std::int64_t i = 0; i < count; ++i) positions.push_back(length + i);
    for (const std::int32_t row : step.rows) rows.push_back(first + row);
  }
  arena_.reset();
  CpuOps ops(kernels_, pool_, arena_);
  const FloatTensor logits = decoder_.forward(
      ops, {.tokens = tokens, .positions = positions, .sequences = sequences}, rows);
  for (const SequenceStep& step : steps)
    lengths_[step.sequence] += static_cast<std::int64_t>(step.tokens.size());
  return logits;
}

void BatchRunner::truncate(std::size_t sequence, std::int64_t length) {
  CHECK(length >= 0 && length <= lengths_[sequence]);
  lengths_[sequence] = length;
  kv_pool_.release(sequences_[sequence], length);
}

std::uint64_t BatchRunner::kv_bytes() const {
  return static_cast<std::uint64_t>(kv_pool_.made()) * kv_layout_.block_bytes();
}

}  // namespace bantam
