// Byte-level BPE; rows P03 to P06 of the bad inputs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Strings = std::vector<std::string>;

std::string spelled(std::string_view bytes) {
  std::string out;
  append_spelling(out, bytes);
  return out;
}

// All bytes, the tokens that `merges` make, and then `more`, with their types.
Metadata bpe(const Strings& merges, const std::vector<samples::Token>& more = {},
             std::string_view pre = "gpt-2") {
  std::vector<samples::Token> tokens;
  for (int byte = 0; byte < 256; ++byte) {
    const char raw = static_cast<char>(byte);
    tokens.push_back({spelled(std::string_view(&raw, 1))});
  }
  for (const std::string& merge : merges) {
    const std::size_t space = merge.find(' ');
    tokens.push_back({merge.substr(0, space) + merge.substr(space + 1)});
  }
  tokens.insert(tokens.end(), more.begin(), more.end());
  Metadata metadata = samples::vocabulary("gpt2", tokens);
  metadata.set_string("tokenizer.ggml.pre", std::string(pre));
  metadata.set_strings("tokenizer.ggml.merges", merges);
  return metadata;
}

const Strings kMerges = {"t h", "Ġ th", "th e", "Ġth e", "a b", "ab ab", "l l", "h e", "he ll"};

TEST(Bpe, MergesWithinWords) {
  const auto tokenizer = samples::make(bpe(kMerges));
  ASSERT_TRUE(tokenizer);
  EXPECT_THAT(samples::pieces(*tokenizer, "the the hello"),
              ElementsAre("the", "Ġthe", "Ġ", "hell", "o"));
  EXPECT_EQ(tokenizer->description(), "byte-level BPE (gpt-2), 265 tokens");
  EXPECT_FALSE(tokenizer->drops_leading_space());
  EXPECT_THAT(tokenizer->encode("", {}), ElementsAre());
}

TEST(Bpe, GivesBackEveryByte) {
  Random random(1);
  for (const std::string_view pre : {"gpt-2", "llama-bpe", "gpt-4o", "deepseek-v3", "falcon"}) {
    const auto tokenizer = samples::make(bpe(kMerges, {{"<|end|>", 0, TokenType::kControl}}, pre));
    ASSERT_TRUE(tokenizer);
    for (int i = 0; i < 200; ++i) {
      for (const std::string& text : {samples::random_bytes(random, random.next_below(80)),
                                      samples::random_text(random, random.next_below(80))}) {
        for (const bool parse : {false, true}) {
          const auto ids = tokenizer->encode(text, {.parse_specials = parse});
          ASSERT_EQ(tokenizer->decode(ids, true), text) << pre << " " << quoted(text);
        }
      }
    }
  }
}

// A long text goes through the cache of words; it must not show.
TEST(Bpe, LongTextsGiveTheSameTokensAsTheirWords) {
  const auto tokenizer = samples::make(bpe(kMerges));
  Random random(2);
  std::string text;
  std::vector<TokenId> wanted;
  for (int i = 0; i < 3000; ++i) {
    const std::string word = " " + samples::random_word(random, "abthel", 1 + random.next_below(5));
    text += word;
    for (const TokenId id : tokenizer->encode(word, {})) wanted.push_back(id);
  }
  EXPECT_EQ(tokenizer->encode(text, {}), wanted);
}

TEST(Bpe, AWholeWordBeatsTheMergesWhereTheModelSaysSo) {
  // No merges lead to "abba".
  const std::vector<samples::Token> more = {{"abba"}};
  EXPECT_THAT(samples::pieces(*samples::make(bpe(kMerges, more, "llama-bpe")), "abba"),
              ElementsAre("abba"));
  EXPECT_THAT(samples::pieces(*samples::make(bpe(kMerges, more, "gpt-2")), "abba"),
              ElementsAre("ab", "b", "a"));
}

TEST(Bpe, SpecialsOnlyWhereTheyAreAskedFor) {  // P06
  Metadata metadata = bpe(kMerges, {{"<|im_start|>", 0, TokenType::kControl},
                                    {"<|im_end|>", 0, TokenType::kControl},
                                    {"<think>", 0, TokenType::kUserDefined}});
  metadata.set_u32("tokenizer.ggml.bos_token_id", 265);
  metadata.set_u32("tokenizer.ggml.eos_token_id", 266);
  metadata.set_bool("tokenizer.ggml.add_bos_token", true);
  metadata.set_bool("tokenizer.ggml.add_eos_token", true);
  const auto tokenizer = samples::make(metadata);
  ASSERT_TRUE(tokenizer);
  const std::string text = "<think>the<|im_end|>";
  EXPECT_THAT(samples::pieces(*tokenizer, text, {.parse_specials = true}),
              ElementsAre("<think>", "the", "<|im_end|>"));
  const auto plain = tokenizer->encode(text, {});
  EXPECT_EQ(plain.front(), 267);  // user-defined tokens are always found
  EXPECT_EQ(std::ranges::count(plain, 266), 0);
  EXPECT_EQ(tokenizer->decode(plain, false), text);
  EXPECT_THAT(samples::pieces(*tokenizer, "the", {.add_specials = true}),
              ElementsAre("<|im_start|>", "the", "<|im_end|>"));
  EXPECT_EQ(tokenizer->piece_bytes(266, false), "");
  EXPECT_EQ(tokenizer->piece_bytes(266, true), "<|im_end|>");
  EXPECT_EQ(tokenizer->piece_bytes(267, false), "<think>");
  EXPECT_EQ(tokenizer->piece_bytes(-1, true), "");
  EXPECT_EQ(tokenizer->piece_bytes(100000, true), "");
}

TEST(Bpe, PlainRangesKeepTheirSpellings) {  // P06
  const auto tokenizer = samples::make(bpe(kMerges, {{"<|im_end|>", 0, TokenType::kControl}}));
  const std::string text = "a<|im_end|>b<|im_end|>";
  const std::vector<ByteRange> plain = {{0, 12}};
  const auto ids = tokenizer->encode(text, {.parse_specials = true, .plain_ranges = plain});
  EXPECT_EQ(std::ranges::count(ids, 265), 1);
  EXPECT_EQ(ids.back(), 265);
  const auto none = tokenizer->encode("the the", {.parse_specials = true, .plain_ranges = plain});
  EXPECT_EQ(none, tokenizer->encode("the the", {.parse_specials = true}));
}

TEST(Bpe, BytesWithoutTokens) {  // P05
  std::vector<samples::Token> tokens;
  for (const char c : std::string_view("abc\xEF\xBF\xBD")) tokens.push_back({spelled({&c, 1})});
  const auto make = [&](bool unknown) {
    std::vector<samples::Token> all = tokens;
    if (unknown) all.push_back({"<unk>", 0, TokenType::kUnknown});
    Metadata metadata = samples::vocabulary("gpt2", all);
    metadata.set_string("tokenizer.ggml.pre", "gpt-2");
    metadata.set_strings("tokenizer.ggml.merges", {});
    if (unknown) metadata.set_u32("tokenizer.ggml.unknown_token_id", 6);
    return samples::make(metadata);
  };
  EXPECT_THAT(make(true)->encode("axb", {}), ElementsAre(0, 6, 1));
  EXPECT_EQ(make(false)->decode(make(false)->encode("axb", {}), false), "a\uFFFDb");
  // A user-defined token spelled like a byte is the character, not the byte.
  tokens.push_back({"\u00F5", 0, TokenType::kUserDefined});
  const auto tokenizer = make(false);
  EXPECT_THAT(tokenizer->encode("\u00F5", {}), ElementsAre(6));
  EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{6}, false), "\u00F5");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("\xF5", {}), false), "\uFFFD");
}

// One word of a million letters; quadratic merging would take hours.
TEST(Bpe, HugeWordsAreNoTrouble) {  // P03, P04
  const auto tokenizer = samples::make(bpe({"a a", "aa aa", "aaaa aaaa", "a b", "b a", "ab ab"}));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode(std::string(1'000'000, 'a'), {}).size(), 125'000u);
  std::string alternating;
  for (int i = 0; i < 1'000'000; ++i) alternating += i % 2 == 0 ? 'a' : 'b';
  EXPECT_EQ(tokenizer->encode(alternating, {}).size(), 250'000u);
  EXPECT_EQ(tokenizer->encode(std::string(1'000'000, ' '), {}).size(), 1'000'000u);
  EXPECT_EQ(tokenizer->encode(std::string(1'000'000, '\xFF'), {}).size(), 1'000'000u);
}

TEST(Bpe, NormalizerAndTokensFoundAfterIt) {
  Metadata metadata =
      bpe(kMerges, {{"THE", 0, TokenType::kUserDefined}, {"XX", 0, TokenType::kUserDefined}});
  metadata.set_string("bantam.tokenizer.normalizer", R"({"type":"Lowercase"})");
  metadata.set_string("bantam.tokenizer.pre_tokenizer",
                      R"({"type":"ByteLevel","add_prefix_space":false})");
  metadata.set_i32s("bantam.tokenizer.normalized", {265});
  const auto tokenizer = samples::make(metadata);
  ASSERT_TRUE(tokenizer);
  EXPECT_THAT(samples::pieces(*tokenizer, "tHe XXLL"), ElementsAre("THE", "Ġ", "XX", "ll"));
}

TEST(Bpe, CharactersWhereNoStepSpellsBytes) {
  Metadata metadata = samples::vocabulary(
      "gpt2", {{"a"}, {"b"}, {"ab"}, {"\u4E2D"}, {"<unk>", 0, TokenType::kUnknown}});
  metadata.set_strings("tokenizer.ggml.merges", {"a b"});
  metadata.set_string("bantam.tokenizer.pre_tokenizer", R"({"type":"WhitespaceSplit"})");
  metadata.set_u32("tokenizer.ggml.unknown_token_id", 4);
  const auto tokenizer = samples::make(metadata);
  ASSERT_TRUE(tokenizer);
  EXPECT_THAT(tokenizer->encode("ab \u4E2Dz a", {}), ElementsAre(2, 3, 4, 0));
  EXPECT_EQ(tokenizer->piece_bytes(3, false), "\u4E2D");
}

TEST(Bpe, ComposesForTheModelsThatWereTrainedSo) {
  const auto qwen = samples::make(bpe(kMerges, {}, "qwen2"));
  EXPECT_EQ(qwen->decode(qwen->encode("e\u0301", {}), false), "\u00E9");
  const auto gpt2 = samples::make(bpe(kMerges, {}, "gpt-2"));
  EXPECT_EQ(gpt2->decode(gpt2->encode("e\u0301", {}), false), "e\u0301");
}

TEST(Bpe, RefusesIncompleteMetadata) {
  const auto error = [](const Metadata& metadata) {
    const auto tokenizer = make_tokenizer(metadata);
    return tokenizer ? std::string()
                     : tokenizer.error().code + ": " + tokenizer.error().to_string();
  };
  Metadata metadata = bpe(kMerges);
  metadata.erase("tokenizer.ggml.merges");
  EXPECT_THAT(error(metadata), HasSubstr("tokenizer.ggml.merges is missing"));
  EXPECT_THAT(error(bpe(kMerges, {}, "nonsense")), HasSubstr("tokenizer_unsupported"));
  metadata = bpe(kMerges);
  metadata.set_string("tokenizer.ggml.model", "rwkv");
  EXPECT_THAT(error(metadata), HasSubstr("unknown tokenizer \"rwkv\""));
  metadata.erase("tokenizer.ggml.model");
  EXPECT_THAT(error(metadata), HasSubstr("no_tokenizer"));
}

}  // namespace
}  // namespace bantam
