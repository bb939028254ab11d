#include "tune/question.h"

#include <algorithm>
#include <vector>

#include "base/thread_pool.h"
#include "runtime/batch_runner.h"
#include "runtime/logits.h"

namespace bantam {
namespace {

constexpr std::int64_t kLogitBytes = 64 << 20, kKvBytes = 256 << 20;
constexpr std::int64_t kMaxRows = 512, kMinRows = 16, kMaxSequences = 32;

std::int64_t most_ids(std::span<const std::unique_ptr<Question>> questions) {
  std::int64_t most = 1;
  for (const auto& question : questions) most = std::max(most, question->most_ids());
  return most;
}

class Asking {
 public:
  Asking(const Decoder& decoder, const KernelTable& kernels, const EngineOptions& options,
         std::span<const std::unique_ptr<Question>> questions)
      : questions_(questions),
        pool_(options.threads, options.placement),
        step_tokens_(std::max(default_chunk_tokens(decoder.spec()), kMinRows)),
        step_rows_(question_rows(decoder.spec())),
        blocks_(KvLayout::blocks_for(most_ids(questions))),
        slots_(sequences(decoder, options)),
        runner_(decoder, kernels, pool_, options.kv_type, slots_.size(),
                blocks_ * static_cast<std::int64_t>(slots_.size())) {}

  Result<void> run(const std::function<void(std::int64_t, std::int64_t)>& progress) {
    const auto all = static_cast<std::int64_t>(questions_.size());
    for (std::int64_t answered = next_questions(); answered < all; answered = next_questions()) {
      if (progress) progress(answered, all);
      TRY(step());
    }
    if (progress) progress(all, all);
    return {};
  }

 private:
  // One sequence of the runner, and the question that it works for.
  struct Slot {
    Question* question = nullptr;
    std::vector<std::int32_t> held, rows;
    bool whole = false;  // this step gives all the rows that are wanted
  };

  std::size_t sequences(const Decoder& decoder, const EngineOptions& options) const {
    const KvLayout layout = kv_layout(decoder.spec(), options.kv_type);
    const std::int64_t bytes = blocks_ * static_cast<std::int64_t>(layout.block_bytes());
    return std::min(
        std::max<std::size_t>(1, questions_.size()),
        static_cast<std::size_t>(std::clamp<std::int64_t>(kKvBytes / bytes, 1, kMaxSequences)));
  }

  // Takes new questions for those that are answered, and counts the latter.
  std::int64_t next_questions() {
    std::int64_t open = 0;
    for (Slot& slot : slots_) {
      while ((slot.question == nullptr || slot.question->ids().empty()) &&
             taken_ < questions_.size())
        slot.question = questions_[taken_++].get();
      if (slot.question != nullptr && slot.question->ids().empty()) slot.question = nullptr;
      open += slot.question != nullptr;
    }
    return static_cast<std::int64_t>(taken_) - open;
  }

  // What a slot does in a step that has so many tokens and rows left; nothing if it does not fit.
  SequenceStep plan(std::size_t index, std::int64_t tokens_left, std::int64_t rows_left) {
    Slot& slot = slots_[index];
    const std::span<const std::int32_t> ids = slot.question->ids();
    const auto size = static_cast<std::int64_t>(ids.size());
    const std::int64_t quiet = size - slot.question->rows();  // before the first row wanted
    CHECK(quiet >= 0 && size - quiet <= step_rows_);
    const auto reusable = ids.first(static_cast<std::size_t>(quiet));
    const std::int64_t first = std::ranges::mismatch(reusable, slot.held).in1 - reusable.begin();
    slot.held.resize(static_cast<std::size_t>(first));
    runner_.truncate(index, first);
    slot.whole = size - first <= tokens_left && size - quiet <= rows_left;
    const std::int64_t count = slot.whole ? size - first : std::min(quiet - first, tokens_left);
    slot.rows.clear();
    for (std::int64_t i = quiet; slot.whole && i < size; ++i)
      slot.rows.push_back(static_cast<std::int32_t>(i - first));
    return {.sequence = index,
            .tokens = ids.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)),
            .rows = slot.rows};
  }

  Result<void> step() {
    std::vector<SequenceStep> steps;
    std::int64_t tokens_left = step_tokens_, rows_left = step_rows_;
    for (std::size_t i = 0; i < slots_.size() && tokens_left > 0; ++i) {
      if (slots_[i].question == nullptr) continue;
      const SequenceStep planned = plan(i, tokens_left, rows_left);
      if (planned.tokens.empty()) continue;
      tokens_left -= static_cast<std::int64_t>(planned.tokens.size());
      rows_left -= static_cast<std::int64_t>(planned.rows.size());
      steps.push_back(planned);
    }
    const FloatTensor logits = TRY(runner_.step(steps));
    std::int64_t at = 0;
    std::vector<std::span<const float>> rows;
    for (const SequenceStep& done : steps) {
      Slot& slot = slots_[done.sequence];
      const auto first = static_cast<std::int64_t>(slot.held.size());
      slot.held.insert(slot.held.end(), done.tokens.begin(), done.tokens.end());
      if (!slot.whole) continue;
      rows.clear();
      for (const std::int32_t row : done.rows) {
        rows.emplace_back(logits.row(at++), static_cast<std::size_t>(logits.shape[1]));
        TRY(check_model_logits(rows.back(), first + row));
      }
      TRY(slot.question->take(rows));
    }
    return {};
  }

  std::span<const std::unique_ptr<Question>> questions_;
  ThreadPool pool_;
  std::int64_t step_tokens_, step_rows_, blocks_;
  std::vector<Slot> slots_;
  BatchRunner runner_;
  std::size_t taken_ = 0;
};

}  // namespace

// No more than a step has tokens, so that any question fits into one.
std::int64_t question_rows(const ArchSpec& spec) {
  const std::int64_t fitting =
      kLogitBytes / (static_cast<std::int64_t>(sizeof(float)) * spec.vocab);
  return std::clamp(std::min(fitting, default_chunk_tokens(spec)), kMinRows, kMaxRows);
}

Result<void> ask(const Decoder& decoder, const EngineOptions& options,
                 std::span<const std::unique_ptr<Question>> questions,
                 const std::function<void(std::int64_t, std::int64_t)>& progress) {
  if (questions.empty()) return {};
  const KernelTable* kernels = TRY(choose_kernels(options.isa));
  return Asking(decoder, *kernels, options, questions).run(progress);
}

}  // namespace bantam
