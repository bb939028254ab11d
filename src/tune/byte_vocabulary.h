// What a distribution over tokens says of the next byte.
//
// Tokens in order of their bytes: those that go on after some bytes are a stretch, and those of it
// with the same next byte a shorter one.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace bantam {

// What can follow: a byte, the end of the answer, or that the token ends here.
inline constexpr std::size_t kEndOutcome = 256, kStopOutcome = 257, kOutcomes = 258;

class ByteVocabulary {
 public:
  explicit ByteVocabulary(const Tokenizer& tokenizer);

  std::size_t size() const { return bytes_.size(); }
  // Of a token in running text; empty for one that stands for none.
  const std::string& bytes(TokenId id) const { return bytes_[static_cast<std::size_t>(id)]; }
  bool ends(TokenId id) const { return std::ranges::binary_search(ends_, id); }

  // visit(token, outcome) for every token that begins with `prefix`: the outcome is its next byte,
  // or kStopOutcome if it is no longer. With an empty prefix those that end a generation have
  // kEndOutcome, and others without bytes are left out.
  template <typename Visit>
  void for_each(std::string_view prefix, const Visit& visit) const;

 private:
  std::vector<std::string> bytes_;  // by id
  std::vector<TokenId> order_;      // those with bytes, in order of them
  std::vector<TokenId> ends_;       // ascending
};

template <typename Visit>
void ByteVocabulary::for_each(std::string_view prefix, const Visit& visit) const {
  const auto beginning = [&](TokenId id) {
    return std::string_view(bytes(id)).substr(0, prefix.size());
  };
  const auto first = std::ranges::lower_bound(order_, prefix, {}, beginning);
  for (auto at = first; at != order_.end() && beginning(*at) == prefix; ++at) {
    const std::string& all = bytes(*at);
    visit(*at, all.size() == prefix.size()
                   ? kStopOutcome
                   : std::size_t{static_cast<unsigned char>(all[prefix.size()])});
  }
  if (prefix.empty())
    for (const TokenId id : ends_) visit(id, kEndOutcome);
}

}  // namespace bantam
