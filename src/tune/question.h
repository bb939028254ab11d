// Questions to a model, many at once: each names the ids that the model should have seen, gets the
// logits after them, and goes on until it has its answer.
//
// Every question gets the bits that it would get alone (law 3): what is gained is that the weights
// are read once a step for all of them, and that a sequence keeps what the next question, or the
// next part of the same one, begins with.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/result.h"
#include "models/decoder.h"
#include "runtime/engine.h"

namespace bantam {

class Question {
 public:
  virtual ~Question() = default;

  // What the model should have seen next, at least one id; none: it is answered. May change in any
  // way after each take().
  virtual std::span<const std::int32_t> ids() const = 0;
  // After how many of the last of these ids logits are wanted: 1 to question_rows().
  virtual std::int64_t rows() const { return 1; }
  // Rows of V logits, finite, in the order of the ids. Not kept.
  virtual Result<void> take(std::span<const std::span<const float>> logits) = 0;
  // The most ids that ids() will ever have.
  virtual std::int64_t most_ids() const = 0;
};

// Most rows of logits that one question may want at a time, and that a step computes.
std::int64_t question_rows(const ArchSpec& spec);

// Asks until all are answered; `progress` gets the answered ones and all. Keys and values take up
// to 256 MiB, or what one question needs. Errors: those of choose_kernels() and of
// BatchRunner::step(), "model_numerics", those of take().
Result<void> ask(const Decoder& decoder, const EngineOptions& options,
                 std::span<const std::unique_ptr<Question>> questions,
                 const std::function<void(std::int64_t, std::int64_t)>& progress);

}  // namespace bantam
