// The pre-tokenizer patterns that most byte-level BPE models use, by hand.
//
// They are regular expressions in the models' files; what a backtracking matcher does with them
// can be written as a walk over the characters, several times as fast. Each is tested against the
// pattern, run by PCRE2, on random Unicode text. Linear in the text.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "tokenizer/splitter.h"

namespace bantam {

// What differs between the patterns of the three generations.
struct WordRules {
  enum class Style : std::uint8_t {
    kGpt2,   // 's|'t|… | ?letters| ?digits| ?others|spaces
    kGpt4,   // … |[^\r\n letter digit]?letters|digits{1,n}| ?others[\r\n]*|\s*[\r\n]+|spaces
    kGpt4o,  // as kGpt4, but words also end where small letters are followed by capitals
  };
  Style style = Style::kGpt2;
  std::uint8_t digits = 0;         // longest run of digits (kGpt4, kGpt4o)
  bool contractions = true;        // "'s" and so on: of their own, or (kGpt4o) at a word's end
  bool marks_are_letters = false;  // kGpt4: combining marks are part of words
  bool slash = false;              // kGpt4o: a "/" may follow others, as newlines do
};

// The rules that `pattern` (as models' files spell it) stands for; nullptr if it is not one of the
// known patterns.
const WordRules* known_word_rules(std::string_view pattern);

std::shared_ptr<const PretokenizerStep> make_word_splitter(const WordRules& rules);

// Cuts runs of digits into groups of three counted from their end: "1234567" → 1, 234, 567.
// With `whole_words` only where no word character follows the run. The patterns for this look
// ahead to the end of the run from every digit, which takes quadratic time.
std::shared_ptr<const PretokenizerStep> make_thousands_splitter(bool whole_words);

// Cuts off white space at the end of a line or of the piece: \s+$ .
std::shared_ptr<const PretokenizerStep> make_line_end_splitter();

}  // namespace bantam
