#include "train/memory_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace bantam {
namespace {

constexpr std::uint64_t kFloat = sizeof(float);
constexpr std::int64_t kHeadLogits = 1 << 20, kHeadRows = 16;  // head_loss.cpp

// Floats a token that a layer's operations give (models/decoder.cpp), all of which the tape keeps.
std::int64_t values_of(const LayerSpec& layer, std::int64_t width) {
  const AttentionSpec& attention = layer.attention;
  const std::int64_t queries = attention.heads * attention.key_width;
  const std::int64_t keys = attention.kv_heads * attention.key_width;
  const std::int64_t values = attention.kv_heads * attention.value_width;
  const std::int64_t mixed = attention.heads * attention.value_width;
  const std::int64_t turns = layer.qk_norm ? 3 : 2;  // as projected, normed, rotated
  std::int64_t sum = 6 * width + turns * (queries + keys) + values + mixed;
  if (layer.experts == 0) return sum + 3 * layer.ffn_width;
  // Rows are gathered for each expert that a token takes.
  return sum + layer.experts + layer.experts_used * (3 * layer.ffn_width + 4 * width);
}

// Of a token, where its forward pass is one: that and the backward pass, what is computed again,
// and its part of what a micro-batch costs however small it is (weights are unpacked, panels of
// them packed; measured, bench/NOTES.md).
double time_of(const ArchSpec& spec, const LearnerOptions& options) {
  constexpr double kOnce = 3, kTokensABatch = 64;
  return kOnce +
         static_cast<double>(options.forgotten_layers) / static_cast<double>(spec.layer_count()) +
         kTokensABatch / static_cast<double>(options.micro_tokens);
}

}  // namespace

MemoryPlan memory_of(const ArchSpec& spec, const MemoryWish& wish, const LearnerOptions& options) {
  const auto tokens = static_cast<std::uint64_t>(std::max<std::int64_t>(1, options.micro_tokens));
  MemoryPlan plan{.weights = wish.weight_bytes, .learner = options};
  plan.parameters = static_cast<std::uint64_t>(wish.parameters) *
                    static_cast<std::uint64_t>(wish.bytes_per_parameter);
  std::int64_t kept = 5 * spec.width;  // embedding, last norm, rows of the head and their gradients
  std::int64_t live = 0;
  for (std::int64_t l = 0; l < spec.layer_count(); ++l) {
    const std::int64_t values = values_of(spec.layers[static_cast<std::size_t>(l)], spec.width);
    kept += l < options.forgotten_layers ? spec.width : values;
    live = std::max(live, values);
  }
  // One layer's gradients; and its activations once more where it is computed again.
  kept += options.forgotten_layers > 0 ? 2 * live : live;
  plan.activations = static_cast<std::uint64_t>(kept) * tokens * kFloat;
  plan.activations += plan.activations / 5;  // packed activations, and ends of chunks left unused
  const auto rows = std::min<std::uint64_t>(
      tokens, static_cast<std::uint64_t>(std::max(kHeadRows, kHeadLogits / spec.vocab)));
  plan.logits = 2 * rows * static_cast<std::uint64_t>(spec.vocab) * kFloat;
  const KvLayout layout = kv_layout(spec, options.kv_type);
  // Every sequence has a block that is not full: half of the tokens more, and one.
  const std::int64_t blocks =
      KvLayout::blocks_for(static_cast<std::int64_t>(tokens + tokens / 2)) + 1;
  plan.kv = static_cast<std::uint64_t>(blocks) * layout.block_bytes();
  return plan;
}

Result<MemoryPlan> plan_memory(const ArchSpec& spec, const MemoryWish& wish,
                               const LearnerOptions& options) {
  const std::int64_t least = std::max<std::int64_t>(2, wish.longest);
  const std::int64_t most =
      std::max(least, std::min(options.micro_tokens, std::max<std::int64_t>(1, wish.batch_tokens)));
  LearnerOptions choice = options;
  MemoryPlan best, smallest;
  double least_time = std::numeric_limits<double>::infinity();
  for (std::int64_t tokens = most;; tokens = std::max(least, tokens / 2)) {
    choice.micro_tokens = tokens;
    for (choice.forgotten_layers = 0; choice.forgotten_layers <= spec.layer_count();
         ++choice.forgotten_layers) {
      smallest = memory_of(spec, wish, choice);
      if (smallest.total() > wish.budget) continue;
      if (const double time = time_of(spec, choice); time < least_time) {
        least_time = time;
        best = smallest;
      }
      break;
    }
    if (tokens == least) break;
  }
  if (std::isfinite(least_time)) return best;
  const std::pair<std::uint64_t, std::string_view> parts[] = {
      {smallest.weights, "the frozen weights"},
      {smallest.parameters, "parameters and optimizer"},
      {smallest.activations, "activations of the longest row"},
      {smallest.logits, "logits"},
      {smallest.kv, "keys and values"}};
  const auto largest = std::ranges::max_element(parts);
  return std::unexpected(
      fail(ErrorKind::kTooLarge, "memory_budget",
           "the run needs at least {} MiB and may take {} MiB; {} take {} MiB of it",
           (smallest.total() >> 20) + 1, wish.budget >> 20, largest->second, largest->first >> 20)
          .error()
          .with_hint("shorter rows, a smaller rank or an adapter instead of full training need "
                     "less"));
}

}  // namespace bantam
