#include "tokenizer/piece_trie.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

using Found = std::vector<std::pair<std::size_t, TokenId>>;

Found prefixes(const PieceTrie& trie, std::string_view text) {
  Found found;
  trie.for_each_prefix(text, [&](std::size_t bytes, TokenId id) { found.emplace_back(bytes, id); });
  return found;
}

TEST(PieceTrie, FindsEveryPrefixShortestFirst) {
  Random random(51);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> texts;
    for (std::size_t i = 0, count = random.next_below(40); i < count; ++i)
      texts.push_back(samples::random_word(random, {"ab\0\xFF", 4}, random.next_below(7)));
    std::vector<std::pair<std::string_view, TokenId>> pieces;
    for (std::size_t i = 0; i < texts.size(); ++i)
      pieces.emplace_back(texts[i], static_cast<TokenId>(i));
    const PieceTrie trie(pieces);
    for (int i = 0; i < 30; ++i) {
      const std::string text = samples::random_word(random, {"ab\0\xFF", 4}, random.next_below(9));
      Found expected;
      for (std::size_t size = 1; size <= text.size(); ++size) {
        const auto first = std::ranges::find(texts, text.substr(0, size));  // the lowest id
        if (first != texts.end())
          expected.emplace_back(size, static_cast<TokenId>(first - texts.begin()));
      }
      ASSERT_EQ(prefixes(trie, text), expected);
    }
  }
}

TEST(PieceTrie, OfNothingFindsNothing) {
  EXPECT_EQ(prefixes(PieceTrie(), "a"), Found{});
  EXPECT_EQ(prefixes(PieceTrie({{"", 0}}), "a"), Found{});
  EXPECT_EQ(prefixes(PieceTrie({{"a", 0}}), ""), Found{});
}

}  // namespace
}  // namespace bantam
