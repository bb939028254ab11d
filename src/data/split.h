// Which row is for learning, which for choosing, which for the last word: decided by the row's
// content alone, so that it stays so for ever: when rows are added, shuffled or said twice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/rows.h"

namespace bantam {

enum class Part : std::uint8_t { kTrain, kValidation, kTest };

struct SplitOptions {
  double validation = 0.1, test = 0;  // shares; together at most 1
  std::uint64_t salt = 0;             // another split of the same rows
};

// What a row asks, letters lowered and runs of blanks made one: the prompt of what has an answer
// (all turns before the last of the assistant), the text of what has a label, the document.
std::string row_question(const Row& row);
// What it answers, likewise; empty for documents. Of a preference the chosen answer, then the
// rejected one.
std::string row_answer(const Row& row);

// FNV-1a of the question: rows that ask the same are in the same part.
std::uint64_t row_hash(const Row& row);
Part part_of(const Row& row, const SplitOptions& options);

// Indices of rows that say what an earlier one said, question and answer; ascending.
std::vector<std::size_t> duplicates(const std::vector<Row>& rows);
// Indices of rows that give another answer to an earlier row's question; ascending. Only of shapes
// with an answer; the second of two equal rows is a duplicate and no conflict.
std::vector<std::size_t> conflicts(const std::vector<Row>& rows);

inline constexpr std::size_t kLeakWords = 13;

struct Leak {
  std::size_t train = 0, test = 0;  // rows
  double shared = 0;                // 1: the same question
};
// Test rows that training rows give away: the same question, or more than `share` of the row's runs
// of 13 words (question and answer; words are letters and digits) somewhere in the training rows.
// `train` is then the row that has most of them. Rows of fewer words leak only by their question.
// In order of test row; linear in the words of both.
std::vector<Leak> leaks(const std::vector<Row>& train, const std::vector<Row>& test,
                        double share = 0.5);

}  // namespace bantam
