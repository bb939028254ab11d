// The three kinds of tokenizer.json with pieces that begin with "▁" or "##".
#include <gtest/gtest.h>

#include "base/base64.h"
#include "tokenizer/import.h"
#include "tokenizer/spm_merges.h"
#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

using Strings = std::vector<std::string>;

Result<Metadata> canonical(std::string json) {
  Metadata metadata;
  metadata.set_string(raw_key::kTokenizerJson, std::move(json));
  const auto done = canonicalize_tokenizer(metadata);
  if (!done) return std::unexpected(done.error());
  return metadata;
}

std::shared_ptr<const Tokenizer> tokenizer_of(std::string json) {
  const auto metadata = canonical(std::move(json));
  EXPECT_TRUE(metadata) << metadata.error().to_string();
  return metadata ? samples::make(*metadata) : nullptr;
}

std::string error_of(std::string json) {
  const auto metadata = canonical(std::move(json));
  return metadata ? "" : metadata.error().code + ": " + metadata.error().to_string();
}

constexpr std::string_view kVocab =
    R"({"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, "a": 4, "b": 5, "▁a": 6, "ab": 7, "▁ab": 8})";
constexpr std::string_view kMerges = R"(["a b", ["▁", "a"], "▁ ab", "▁a b"])";
constexpr std::string_view kLegacy =
    R"({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]})";

std::string bpe(std::string_view normalizer, std::string_view pre_tokenizer,
                std::string_view merges = kMerges, std::string_view more = "") {
  return fmt::format(
      R"({{"added_tokens": [{{"id": 1, "content": "<s>", "special": true}},
           {{"id": 2, "content": "</s>", "special": true}}],
         "normalizer": {}, "pre_tokenizer": {},
         "model": {{"type": "BPE", "byte_fallback": true, "unk_token": "<unk>", "fuse_unk": true,
                    "vocab": {}, "merges": {}{}}}}})",
      normalizer, pre_tokenizer, kVocab, merges, more);
}

constexpr EncodeOptions kParse{.parse_specials = true};

TEST(ImportSpmJson, LegacyPrependsToEveryStretch) {
  const auto tokenizer = tokenizer_of(bpe(kLegacy, "null"));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(samples::pieces(*tokenizer, "ab b", kParse), (Strings{"▁ab", "▁", "b"}));
  EXPECT_EQ(samples::pieces(*tokenizer, " ab", kParse), (Strings{"▁", "▁ab"}));
  EXPECT_EQ(samples::pieces(*tokenizer, "<s>ab</s>ab", kParse),
            (Strings{"<s>", "▁ab", "</s>", "▁ab"}));
  EXPECT_TRUE(tokenizer->drops_leading_space());
}

TEST(ImportSpmJson, MetaspaceFirstPrependsOnceAndNotToASpace) {
  const auto tokenizer = tokenizer_of(bpe(
      "null",
      R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false})"));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(samples::pieces(*tokenizer, "ab b", kParse), (Strings{"▁ab", "▁", "b"}));
  EXPECT_EQ(samples::pieces(*tokenizer, " ab", kParse), Strings{"▁ab"});
  EXPECT_EQ(samples::pieces(*tokenizer, "<s>ab", kParse), (Strings{"<s>", "ab"}));
  EXPECT_EQ(samples::pieces(*tokenizer, "ab</s>ab", kParse), (Strings{"▁ab", "</s>", "ab"}));
}

TEST(ImportSpmJson, MetaspaceAlwaysAndNeverAndTheOlderSpelling) {
  const auto always = tokenizer_of(bpe(
      "null",
      R"({"type": "Metaspace", "replacement": "▁", "add_prefix_space": true, "split": false})"));
  EXPECT_EQ(samples::pieces(*always, "<s>ab", kParse), (Strings{"<s>", "▁ab"}));
  const auto never = tokenizer_of(bpe(
      "null",
      R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false})"));
  EXPECT_EQ(samples::pieces(*never, "ab ab", kParse), (Strings{"ab", "▁ab"}));
  EXPECT_FALSE(never->drops_leading_space());
}

TEST(ImportSpmJson, GemmaReplacesOnly) {
  const auto tokenizer = tokenizer_of(bpe(
      R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})",
      R"({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false})"));
  EXPECT_EQ(samples::pieces(*tokenizer, "ab ab"), (Strings{"ab", "▁ab"}));
}

TEST(ImportSpmJson, StepsBeforeTheSpacesAreKept) {
  const auto tokenizer = tokenizer_of(bpe(
      R"({"type": "Sequence", "normalizers": [{"type": "Lowercase"},
          {"type": "Prepend", "prepend": "▁"},
          {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]})",
      "null"));
  EXPECT_EQ(samples::pieces(*tokenizer, "AB Ab"), (Strings{"▁ab", "▁ab"}));
}

TEST(ImportSpmJson, WordsCutTheMerges) {
  constexpr std::string_view kSpaces = R"(["▁ ▁"])";
  const std::string vocab = R"({"<unk>": 0, "▁": 1, "▁▁": 2})";
  const auto made = [&](bool split) {
    return tokenizer_of(fmt::format(
        R"({{"pre_tokenizer": {{"type": "Metaspace", "prepend_scheme": "never", "split": {}}},
           "model": {{"type": "BPE", "byte_fallback": true, "unk_token": "<unk>", "vocab": {},
                     "merges": {}}}}})",
        split, vocab, kSpaces));
  };
  EXPECT_EQ(samples::pieces(*made(false), "   "), (Strings{"▁▁", "▁"}));
  EXPECT_EQ(samples::pieces(*made(true), "   "), (Strings{"▁", "▁", "▁"}));
}

TEST(ImportSpmJson, MergesBecomeScoresWhereThoseSayAll) {
  const auto whole = canonical(bpe(kLegacy, "null"));
  ASSERT_TRUE(whole) << whole.error().to_string();
  EXPECT_FALSE(whole->contains(kSpmMergesKey));
  // "▁" + "ab" makes "▁ab" at rank 1, "▁a" comes between, "▁a" + "b" at rank 3: kept as a list.
  const auto interleaved = canonical(bpe(kLegacy, "null", R"(["▁ a", "▁a b", "a b", "▁ ab"])"));
  ASSERT_TRUE(interleaved);
  EXPECT_TRUE(interleaved->contains(kSpmMergesKey));
  // Without "▁a" + "b" the scores would merge it all the same.
  const auto incomplete = canonical(bpe(kLegacy, "null", R"(["▁ a", "a b", "▁ ab"])"));
  ASSERT_TRUE(incomplete);
  EXPECT_TRUE(incomplete->contains(kSpmMergesKey));
  EXPECT_EQ(samples::pieces(*samples::make(*incomplete), "ab"), (Strings{"▁a", "b"}));
}

TEST(ImportSpmJson, RefusesWhatItDoesNotKnow) {  // G36, S15, S16
  EXPECT_EQ(error_of(bpe(kLegacy, "null")), "");
  const auto expect = [](const std::string& error, std::string_view code, std::string_view place) {
    EXPECT_TRUE(error.starts_with(code)) << error;
    EXPECT_TRUE(error.contains(place)) << error;
  };
  const auto unsupported = [&](std::string json, std::string_view place) {
    expect(error_of(std::move(json)), "tokenizer_unsupported", place);
  };
  const auto invalid = [&](std::string json, std::string_view place) {
    expect(error_of(std::move(json)), "tokenizer_invalid", place);
  };
  unsupported(bpe("null", "null"), "/pre_tokenizer");
  unsupported(bpe(kLegacy, R"({"type": "Digits"})"), "Digits");
  unsupported(bpe(kLegacy, R"({"type": "Split", "pattern": {"Regex": "(a+)+$"}})"), "Split");
  unsupported(bpe("null", R"({"type": "Metaspace", "prepend_scheme": "twice"})"), "twice");
  unsupported(bpe("null", R"({"type": "Metaspace", "replacement": "_"})"), "replacement");
  unsupported(bpe("null", R"({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"},
                  {"type": "Metaspace", "prepend_scheme": "never"}]})"),
              "WhitespaceSplit");
  unsupported(bpe(kLegacy, "null", kMerges, R"(, "ignore_merges": true)"), "ignore_merges");
  unsupported(bpe(kLegacy, "null", kMerges, R"(, "end_of_word_suffix": "</w>")"), "end_of_word");
  invalid(bpe(kLegacy, "null", R"(["a x"])"), "/model/merges/0");
  invalid(bpe(kLegacy, "null", R"(["a b", "a a"])"), "/model/merges/1");
  invalid(bpe(kLegacy, "null", R"(["a b", 7])"), "/model/merges/1");
  invalid(bpe(kLegacy, "null", R"([["a"]])"), "/model/merges/0");
  invalid(bpe(kLegacy, "null", "{}"), "/model/merges");
}

std::string unigram(
    std::string_view normalizer, std::string_view pre_tokenizer,
    std::string_view vocab = R"([["<unk>", 0], ["▁", -2], ["a", -2.5], ["▁a", -1]])",
    std::string_view more = R"(, "unk_id": 0)") {
  return fmt::format(
      R"({{"normalizer": {}, "pre_tokenizer": {}, "model": {{"type": "Unigram", "vocab": {}{}}}}})",
      normalizer, pre_tokenizer, vocab, more);
}

constexpr std::string_view kWords =
    R"({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"},
        {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true}]})";

TEST(ImportUnigramJson, CharsmapAndWords) {
  const std::string map = encode_base64(samples::charsmap({{"A", "a"}, {"x", " "}}));
  const auto metadata = canonical(unigram(
      fmt::format(R"({{"type": "Precompiled", "precompiled_charsmap": "{}"}})", map), kWords));
  ASSERT_TRUE(metadata) << metadata.error().to_string();
  EXPECT_TRUE(metadata->contains("tokenizer.ggml.precompiled_charsmap"));
  EXPECT_FALSE(metadata->contains("bantam.tokenizer.normalizer"));
  EXPECT_EQ(metadata->boolean("tokenizer.ggml.remove_extra_whitespaces"), true);
  EXPECT_EQ(samples::pieces(*samples::make(*metadata), " A\u2003axa b▁a\n"),
            (Strings{"▁a", "▁a", "▁a", "▁", "<unk>", "▁a"}));
}

TEST(ImportUnigramJson, OtherNormalizersAreKept) {
  const auto metadata = canonical(unigram(R"({"type": "Lowercase"})", kWords));
  ASSERT_TRUE(metadata) << metadata.error().to_string();
  EXPECT_TRUE(metadata->contains("bantam.tokenizer.normalizer"));
  EXPECT_EQ(samples::pieces(*samples::make(*metadata), "A a"), (Strings{"▁a", "▁a"}));
}

TEST(ImportUnigramJson, SpacesAroundManyCharacters) {  // as model2vec writes it
  std::string steps = R"({"type": "BertNormalizer"})";
  for (char c = '!'; c <= '/'; ++c) {
    if (c == '"') continue;
    steps += fmt::format(
        R"(, {{"type": "Replace", "pattern": {{"String": "{}"}}, "content": " {} "}})", c, c);
  }
  const auto sequence = [](std::string_view list) {
    return fmt::format(R"({{"type": "Sequence", "normalizers": [{}]}})", list);
  };
  const auto tokenizer = tokenizer_of(unigram(sequence(steps), kWords));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(samples::pieces(*tokenizer, "A!a"), (Strings{"▁a", "▁", "<unk>", "▁a"}));
  // S17: steps that feed each other.
  std::string bomb;
  for (int i = 0; i < 7; ++i)
    bomb += fmt::format(R"({}{{"type": "Replace", "pattern": {{"String": "a"}}, "content": "aa"}})",
                        i == 0 ? "" : ", ");
  EXPECT_EQ(make_tokenizer(*canonical(unigram(sequence(bomb), kWords))).error().code,
            "tokenizer_too_large");
}

TEST(ImportUnigramJson, RefusesBrokenVocabularies) {
  EXPECT_TRUE(error_of(unigram("null", kWords, R"([["a"]])")).contains("/model/vocab/0"));
  EXPECT_TRUE(
      error_of(unigram("null", kWords, R"([["<unk>", 0], [1, 2]])")).contains("/model/vocab/1"));
  EXPECT_TRUE(error_of(unigram("null", kWords, R"([["<unk>", 1e300]])")).contains("too large"));
  EXPECT_TRUE(
      error_of(unigram("null", kWords, R"([["a", 0]])", R"(, "unk_id": 1)")).contains("unk_id"));
  EXPECT_TRUE(
      error_of(unigram("null", kWords, R"([["a", 0]])", R"(, "unk_id": -1)")).contains("unk_id"));
  EXPECT_TRUE(error_of(unigram("null", "null")).contains("/pre_tokenizer"));
  EXPECT_TRUE(error_of(unigram(R"({"type": "Precompiled", "precompiled_charsmap": "!"})", kWords))
                  .contains("base64"));
  const std::string zeros = encode_base64(std::string(8, '\0'));
  const auto bad_map = canonical(unigram(
      fmt::format(R"({{"type": "Precompiled", "precompiled_charsmap": "{}"}})", zeros), kWords));
  ASSERT_TRUE(bad_map);
  EXPECT_EQ(make_tokenizer(*bad_map).error().code, "tokenizer_invalid");
}

std::string wordpiece(std::string_view normalizer, std::string_view more = "") {
  return fmt::format(
      R"({{"added_tokens": [{{"id": 0, "content": "[UNK]", "special": true}},
           {{"id": 1, "content": "[CLS]", "special": true}},
           {{"id": 2, "content": "[SEP]", "special": true}}],
         "normalizer": {}, "pre_tokenizer": {{"type": "BertPreTokenizer"}},
         "post_processor": {{"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}},
         "model": {{"type": "WordPiece", "unk_token": "[UNK]",
           "vocab": {{"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "un": 3, "##aff": 4, "##": 5, "Un": 6}}{}}}}})",
      normalizer, more);
}

TEST(ImportWordPieceJson, SpellsPiecesAsGgufDoes) {
  const auto metadata = canonical(wordpiece(R"({"type": "BertNormalizer"})"));
  ASSERT_TRUE(metadata) << metadata.error().to_string();
  const auto tokenizer = samples::make(*metadata);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(samples::pieces(*tokenizer, "Unaff un", {.add_specials = true}),
            (Strings{"[CLS]", "▁un", "aff", "▁un", "[SEP]"}));
  EXPECT_EQ(tokenizer->piece(5), "▁##");
  EXPECT_EQ(metadata->boolean("tokenizer.ggml.normalizer.lowercase"), true);
  const auto cased = canonical(wordpiece(R"({"type": "BertNormalizer", "lowercase": false})"));
  EXPECT_EQ(samples::pieces(*samples::make(*cased), "Unaff"), (Strings{"▁Un", "aff"}));
  const auto none = canonical(wordpiece("null"));
  EXPECT_EQ(samples::pieces(*samples::make(*none), "Unaff"), (Strings{"▁Un", "aff"}));
  const auto short_words = canonical(wordpiece("null", R"(, "max_input_chars_per_word": 2)"));
  EXPECT_EQ(samples::pieces(*samples::make(*short_words), "Un unaff"), (Strings{"▁Un", "[UNK]"}));
}

TEST(ImportVocabTxt, OneTokenALine) {
  Metadata metadata;
  metadata.set_string(raw_key::kVocabTxt, "[PAD]\n[UNK]\r\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n");
  const auto done = canonicalize_tokenizer(metadata);
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(samples::pieces(*samples::make(metadata), "UNaff x", {.add_specials = true}),
            (Strings{"[CLS]", "▁un", "aff", "[UNK]", "[SEP]"}));
  Metadata no_unknown;
  no_unknown.set_string(raw_key::kVocabTxt, "a\nb\n");
  EXPECT_EQ(canonicalize_tokenizer(no_unknown).error().code, "tokenizer_invalid");
}

}  // namespace
}  // namespace bantam
