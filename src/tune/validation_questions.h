// What each metric asks of an example. For validation.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "data/example.h"
#include "kernels/kernels.h"
#include "tokenizer/tokenizer.h"
#include "tune/label_search.h"
#include "tune/question.h"
#include "tune/validation.h"

namespace bantam {

// The last run of ids that are learned: [begin, end), begin at least 1.
struct Turn {
  std::size_t begin = 0, end = 0;
};
Turn last_turn(const Example& example);

// Each keeps references, and fills in what its metric says of a RowAnswer.
std::unique_ptr<Question> ask_loss(const Example& example, const KernelTable& kernels,
                                   std::int64_t most_rows, RowAnswer& answer);
std::unique_ptr<Question> ask_label(std::span<const std::int32_t> prompt, const LabelTrie& trie,
                                    std::span<const std::string> labels, const KernelTable& kernels,
                                    RowAnswer& answer);
// Generates with the largest logit, and compares; `context` bounds prompt and answer together.
std::unique_ptr<Question> ask_answer(Metric metric, const Example& example,
                                     const Tokenizer& tokenizer, const KernelTable& kernels,
                                     std::int64_t context, RowAnswer& answer);

}  // namespace bantam
