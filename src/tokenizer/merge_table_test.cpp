// Merges against their definition; row G36 of the bad inputs.
#include "tokenizer/merge_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

namespace bantam {
namespace {

using testing::HasSubstr;

Vocab vocab_of(std::vector<std::string> pieces) {
  Metadata metadata;
  metadata.set_string("tokenizer.ggml.model", "gpt2");
  metadata.set_strings("tokenizer.ggml.tokens", std::move(pieces));
  Result<Vocab> vocab = Vocab::from_metadata(metadata);
  EXPECT_TRUE(vocab) << vocab.error().to_string();
  return std::move(*vocab);
}

struct Bpe {
  std::vector<std::string> pieces, merges;
};

std::vector<TokenId> ids_of(const Vocab& vocab, std::string_view word) {
  std::vector<TokenId> ids;
  for (const char c : word) ids.push_back(*vocab.find(std::string_view(&c, 1)));
  return ids;
}

// The earliest merge that applies, at its leftmost place, again and again.
std::vector<TokenId> slow_merge(std::vector<TokenId> ids, const Bpe& bpe, const Vocab& vocab) {
  std::map<std::pair<std::string, std::string>, std::size_t> ranks;
  for (std::size_t i = 0; i < bpe.merges.size(); ++i) {
    const std::size_t space = bpe.merges[i].find(' ');
    ranks.try_emplace({bpe.merges[i].substr(0, space), bpe.merges[i].substr(space + 1)}, i);
  }
  for (;;) {
    std::size_t best = bpe.merges.size(), place = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found =
          ranks.find({std::string(vocab.piece(ids[i])), std::string(vocab.piece(ids[i + 1]))});
      if (found != ranks.end() && found->second < best) {
        best = found->second;
        place = i;
      }
    }
    if (best == bpe.merges.size()) return ids;
    ids[place] = *vocab.find(std::string(vocab.piece(ids[place])) +
                             std::string(vocab.piece(ids[place + 1])));
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

// Random merges over `letters`: as training makes them, or (`shuffled`) in any order.
Bpe random_bpe(Random& random, std::string_view letters, std::size_t merges, bool shuffled) {
  Bpe bpe;
  for (const char c : letters) bpe.pieces.emplace_back(1, c);
  for (std::size_t tries = 0; bpe.merges.size() < merges && tries < merges * 4; ++tries) {
    const std::string left = bpe.pieces[random.next_below(bpe.pieces.size())];
    const std::string right = bpe.pieces[random.next_below(bpe.pieces.size())];
    const std::string line = left + " " + right;
    if (left.size() + right.size() > 12 || std::ranges::find(bpe.merges, line) != bpe.merges.end())
      continue;
    bpe.merges.push_back(line);
    if (std::ranges::find(bpe.pieces, left + right) == bpe.pieces.end())
      bpe.pieces.push_back(left + right);
  }
  if (shuffled) {
    for (std::size_t i = bpe.merges.size(); i > 1; --i)
      std::swap(bpe.merges[i - 1], bpe.merges[random.next_below(i)]);
  }
  return bpe;
}

class MergeTableAgainstDefinition : public testing::TestWithParam<std::size_t> {};

// The lengths reach each of the ways: pair by pair, in rounds and by heap, and in blocks.
TEST_P(MergeTableAgainstDefinition, OnRandomMergesAndWords) {
  Random random(GetParam());
  const std::size_t length = GetParam();
  for (int round = 0; round < (length < 200 ? 120 : 6); ++round) {
    const std::string_view letters = round % 3 == 0 ? "ab" : round % 3 == 1 ? "abcd" : "a";
    const Bpe bpe = random_bpe(random, letters, 2 + random.next_below(40), round % 2 == 1);
    const Vocab vocab = vocab_of(bpe.pieces);
    const Result<MergeTable> table = MergeTable::build(bpe.merges, vocab);
    ASSERT_TRUE(table) << table.error().to_string();
    std::string word;
    while (word.size() < length) {
      // Runs and mixtures.
      if (random.next_below(4) == 0)
        word.append(random.next_below(40), letters[0]);
      else
        word += letters[random.next_below(letters.size())];
    }
    std::vector<TokenId> ids = ids_of(vocab, word);
    const std::vector<TokenId> wanted = slow_merge(ids, bpe, vocab);
    MergeTable::Scratch scratch;
    table->merge(ids, scratch);
    ASSERT_EQ(ids, wanted) << word;
  }
}

INSTANTIATE_TEST_SUITE_P(Lengths, MergeTableAgainstDefinition,
                         testing::Values(1, 2, 3, 8, 31, 32, 33, 64, 150, 511, 520, 1500, 2100));

// Words that no block of 256 agrees on: one token is the whole word, or nearly.
TEST(MergeTable, TokensLongerThanABlock) {
  Bpe bpe{.pieces = {"a", "b"}, .merges = {}};
  for (std::string token = "a"; token.size() < 4096; token += token) {
    bpe.merges.push_back(token + " " + token);
    bpe.pieces.push_back(token + token);
  }
  const Vocab vocab = vocab_of(bpe.pieces);
  const Result<MergeTable> table = MergeTable::build(bpe.merges, vocab);
  ASSERT_TRUE(table);
  for (const std::size_t length : {600u, 4096u, 4097u, 20000u}) {
    for (const bool with_b : {false, true}) {
      std::string word(length, 'a');
      if (with_b) word[length / 2] = 'b';
      std::vector<TokenId> ids = ids_of(vocab, word);
      MergeTable::Scratch scratch;
      table->merge(ids, scratch);
      // Greedy doubling: each run is cut into 4096s and then its binary digits.
      std::vector<std::size_t> sizes;
      std::string joined;
      for (const TokenId id : ids) joined += vocab.piece(id);
      EXPECT_EQ(joined, word);
      std::size_t wanted = with_b ? 1 : 0;
      for (const std::size_t run :
           with_b ? std::vector<std::size_t>{length / 2, length - length / 2 - 1}
                  : std::vector<std::size_t>{length})
        wanted += run / 4096 + static_cast<std::size_t>(std::popcount(run % 4096));
      EXPECT_EQ(ids.size(), wanted) << length;
    }
  }
}

TEST(MergeTable, OfOnePairTheFirstMergeCounts) {
  const Vocab vocab = vocab_of({"a", "b", "ab", "ba", "c", "bc"});
  const Result<MergeTable> table =
      MergeTable::build(std::vector<std::string>{"b c", "a b", "b c"}, vocab);
  ASSERT_TRUE(table);
  std::vector<TokenId> ids = ids_of(vocab, "abc");
  MergeTable::Scratch scratch;
  table->merge(ids, scratch);
  EXPECT_EQ(ids, (std::vector<TokenId>{0, 5}));
}

TEST(MergeTable, RefusesMergesThatCannotBe) {  // G36
  const Vocab vocab = vocab_of({"a", "b", "ab", " a"});
  const auto error = [&](std::vector<std::string> merges) {
    const Result<MergeTable> table = MergeTable::build(merges, vocab);
    return table ? std::string() : table.error().to_string();
  };
  EXPECT_EQ(error({"a b"}), "");
  EXPECT_THAT(error({"a b", "a"}), HasSubstr("merges[1] is \"a\", expected two tokens"));
  EXPECT_THAT(error({"a "}), HasSubstr("expected two tokens"));
  EXPECT_THAT(error({""}), HasSubstr("expected two tokens"));
  EXPECT_THAT(error({"a x"}), HasSubstr("merges[0]: the vocabulary has no token \"x\""));
  EXPECT_THAT(error({"b a"}), HasSubstr("no token \"ba\""));
}

// Merges in circles make longer and longer tokens, so they end where the vocabulary does.
TEST(MergeTable, MergesThatFeedEachOtherEnd) {  // G36
  const Vocab vocab = vocab_of({"a", "aa", "aaa", "aaaa"});
  const Result<MergeTable> table =
      MergeTable::build(std::vector<std::string>{"aaa a", "aa aa", "aa a", "a aa", "a a"}, vocab);
  ASSERT_TRUE(table);
  std::vector<TokenId> ids(100'000, 0);
  MergeTable::Scratch scratch;
  table->merge(ids, scratch);
  std::size_t total = 0;
  for (const TokenId id : ids) total += static_cast<std::size_t>(id) + 1;
  EXPECT_EQ(total, 100'000u);
}

}  // namespace
}  // namespace bantam
