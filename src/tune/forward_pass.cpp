#include "tune/forward_pass.h"

namespace bantam {

ForwardPass::ForwardPass(std::shared_ptr<const Decoder> decoder, const KernelTable& kernels,
                         ThreadPool& pool, const LearnerOptions& options)
    : decoder_(std::move(decoder)),
      layout_(kv_layout(decoder_->spec(), options.kv_type)),
      ops_(kernels, pool, arena_, options.mode) {}

Result<void> ForwardPass::run(std::span<const std::span<const std::int32_t>> inputs,
                              std::span<const Row> rows) {
  std::int64_t needed = 0;
  std::vector<std::int32_t> tokens, wanted;
  std::vector<std::int64_t> positions, starts;
  std::vector<SequenceRows> sequences;
  for (const auto& input : inputs) {
    const auto length = static_cast<std::int64_t>(input.size());
    if (length < 1 || length > decoder_->spec().context_length)
      return fail(ErrorKind::kMalformed, "example_invalid",
                  "{} tokens, and the teacher's context holds {}", length,
                  decoder_->spec().context_length);
    starts.push_back(static_cast<std::int64_t>(tokens.size()));
    sequences.push_back({.first_row = starts.back(), .count = length, .first_position = 0});
    needed += KvLayout::blocks_for(length);
    for (std::int64_t i = 0; i < length; ++i) positions.push_back(i);
    tokens.insert(tokens.end(), input.begin(), input.end());
  }
  for (const Row& row : rows)
    wanted.push_back(static_cast<std::int32_t>(starts[row.input] + row.row));
  for (KvSequence& cache : caches_) blocks_->release(cache, 0);
  caches_.clear();
  if (blocks_ == nullptr || blocks_->capacity() < needed)
    blocks_ = std::make_unique<KvPool>(layout_, needed);
  caches_.reserve(sequences.size());  // their addresses are given away
  for (SequenceRows& sequence : sequences) {
    caches_.emplace_back(layout_);
    TRY(blocks_->reserve(caches_.back(), sequence.count));
    sequence.kv = &caches_.back();
  }
  arena_.reset();
  hidden_ = decoder_->hidden(ops_, {tokens, positions, sequences}, wanted);
  after_hidden_ = arena_.mark();
  return {};
}

FloatTensor ForwardPass::logits(std::int64_t first, std::int64_t count) {
  CHECK(first >= 0 && first + count <= hidden_.shape[0]);
  arena_.rewind(after_hidden_);
  const FloatTensor some{Shape{count, hidden_.shape.last()}, hidden_.row(first)};
  return ops_.linear(some, decoder_->weights().head);
}

}  // namespace bantam
