// Where a text can be cut without changing its tokens.
//
// Two neighbouring characters that stand side by side in no token can never end up in one, so each
// side of such a seam is encoded by itself: long texts fall into words, and the working memory is
// that of the longest piece between two seams. A bit table with a hash of each pair answers; a
// false "may join" costs time, never correctness.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/vocab.h"

namespace bantam {

class Seams {
 public:
  // Takes in the tokens that plain text may become: kNormal, kUserDefined and kUnused.
  explicit Seams(const Vocab& vocab);

  // Bytes before the first seam of `text`: all of it if there is none, at least one character.
  // With `at_words`, the character "▁" always begins anew.
  std::size_t next(std::string_view text, bool at_words) const;

 private:
  void add(std::string_view piece);
  std::size_t slot(char32_t left, char32_t right) const;

  std::vector<std::uint64_t> bits_;  // a power of two of them
  int shift_ = 0;
};

// Whether plain text may become this token.
inline bool is_plain(TokenType type) {
  return type == TokenType::kNormal || type == TokenType::kUserDefined ||
         type == TokenType::kUnused;
}

}  // namespace bantam
