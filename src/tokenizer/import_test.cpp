// Byte-level BPE from its published formats; rows G36, S15 to S18 of the bad inputs.
#include "tokenizer/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<Metadata> canonical(std::initializer_list<std::pair<std::string_view, std::string>> files) {
  Metadata metadata;
  for (const auto& [key, text] : files) metadata.set_string(key, text);
  const auto done = canonicalize_tokenizer(metadata);
  if (!done) return std::unexpected(done.error());
  return metadata;
}

std::string error_of(std::initializer_list<std::pair<std::string_view, std::string>> files) {
  const auto metadata = canonical(files);
  return metadata ? std::string() : metadata.error().code + ": " + metadata.error().to_string();
}

// tokenizer.json with a little vocabulary and other parts as given: ,"name":value…
std::string json(std::string_view parts = "", std::string_view model = "") {
  return fmt::format(
      R"({{"model":{{"type":"BPE","vocab":{{"a":0,"b":1,"ab":2,"Ġ":3,"Ġab":4}},
          "merges":["a b",["Ġ","ab"]]{}}}{}}})",
      model, parts);
}

constexpr std::string_view kByteLevel =
    R"(,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false})";

TEST(ImportBpe, VocabularyMergesAndTheNameOfThePreTokenizer) {
  const auto metadata = canonical({{raw_key::kTokenizerJson, json(kByteLevel)}});
  ASSERT_TRUE(metadata) << metadata.error().to_string();
  EXPECT_EQ(*metadata->string("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(*metadata->string("tokenizer.ggml.pre"), "gpt-2");
  EXPECT_THAT(**metadata->strings("tokenizer.ggml.tokens"),
              ElementsAre("a", "b", "ab", "Ġ", "Ġab"));
  EXPECT_THAT(**metadata->strings("tokenizer.ggml.merges"), ElementsAre("a b", "Ġ ab"));
  EXPECT_FALSE(metadata->contains("bantam.tokenizer.pre_tokenizer"));
  EXPECT_FALSE(metadata->contains(raw_key::kTokenizerJson));
  EXPECT_THAT(samples::pieces(*samples::make(*metadata), "ab ab"), ElementsAre("ab", "Ġab"));
}

TEST(ImportBpe, KnownPipelinesGetTheirNamesAndOthersAreKept) {
  const auto pre_of = [](std::string_view steps, std::string_view normalizer,
                         std::string_view model) {
    const auto metadata =
        canonical({{raw_key::kTokenizerJson,
                    json(fmt::format(R"(,"normalizer":{},"pre_tokenizer":{{"type":"Sequence",
                              "pretokenizers":[{}]}})",
                                     normalizer, steps),
                         model)}});
    EXPECT_TRUE(metadata) << metadata.error().to_string();
    if (!metadata) return std::string();
    EXPECT_EQ(metadata->contains("bantam.tokenizer.pre_tokenizer"),
              *metadata->string("tokenizer.ggml.pre") == "custom");
    EXPECT_NE(samples::make(*metadata), nullptr);
    return *metadata->string("tokenizer.ggml.pre");
  };
  const std::string bytes = R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";
  const auto split = [&](std::string_view pattern) {
    std::string text;
    append_json_string(text, pattern);
    return fmt::format(
        R"({{"type":"Split","pattern":{{"Regex":{}}},"behavior":"Isolated","invert":false}},{})",
        text, bytes);
  };
  const std::string llama = split(
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)");
  const std::string qwen = split(
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)");
  const std::string digits =
      R"({"type":"Digits","individual_digits":true},
         {"type":"ByteLevel","add_prefix_space":false,"use_regex":true})";
  EXPECT_EQ(pre_of(llama, "null", R"(,"ignore_merges":true)"), "llama-bpe");
  EXPECT_EQ(pre_of(llama, "null", ""), "dbrx");
  EXPECT_EQ(pre_of(qwen, R"({"type":"NFC"})", ""), "qwen2");
  EXPECT_EQ(pre_of(qwen, "null", R"(,"ignore_merges":true)"), "custom");
  EXPECT_EQ(pre_of(digits, "null", ""), "starcoder");
  EXPECT_EQ(pre_of(digits, R"({"type":"Lowercase"})", ""), "custom");
  EXPECT_EQ(pre_of(split("x+"), "null", ""), "custom");
  EXPECT_EQ(pre_of(bytes, "null", ""), "custom");
}

TEST(ImportBpe, AddedTokensTypesAndFlags) {
  const auto metadata = canonical(
      {{raw_key::kTokenizerJson,
        json(fmt::format(
            R"({},"added_tokens":[{{"id":7,"content":"<x>","special":true,"normalized":false}},
               {{"id":0,"content":"a","special":true,"lstrip":true}},
               {{"id":6,"content":"<y>","rstrip":true,"single_word":true,"special":false}}])",
            kByteLevel))},
       {raw_key::kTokenizerConfig,
        R"({"added_tokens_decoder":{"8":{"content":"<z>","special":true},
                                    "7":{"content":"<x>","special":false}},
            "eos_token":{"content":"<z>"},"bos_token":null,"pad_token":"missing"})"}});
  ASSERT_TRUE(metadata) << metadata.error().to_string();
  EXPECT_THAT(**metadata->strings("tokenizer.ggml.tokens"),
              ElementsAre("a", "b", "ab", "Ġ", "Ġab", "[unused 5]", "<y>", "<x>", "<z>"));
  EXPECT_THAT(**metadata->integers("tokenizer.ggml.token_type"),
              ElementsAre(3, 1, 1, 1, 1, 5, 4, 3, 3));
  EXPECT_THAT(**metadata->integers("bantam.tokenizer.lstrip"), ElementsAre(0));
  EXPECT_THAT(**metadata->integers("bantam.tokenizer.rstrip"), ElementsAre(6));
  EXPECT_THAT(**metadata->integers("bantam.tokenizer.single_word"), ElementsAre(6));
  EXPECT_THAT(**metadata->integers("bantam.tokenizer.normalized"), ElementsAre(6));
  EXPECT_EQ(*metadata->integer("tokenizer.ggml.eos_token_id", 0, 99), 8u);
  EXPECT_FALSE(metadata->contains("tokenizer.ggml.bos_token_id"));
  EXPECT_FALSE(metadata->contains("tokenizer.ggml.padding_token_id"));
}

TEST(ImportBpe, TheModelsOwnEndAndTheTokenizersBothEnd) {
  Metadata metadata;
  metadata.set_string(raw_key::kTokenizerJson, json(kByteLevel));
  metadata.set_string(raw_key::kTokenizerConfig, R"({"eos_token":"ab"})");
  metadata.set_u32("tokenizer.ggml.eos_token_id", 4);
  ASSERT_TRUE(canonicalize_tokenizer(metadata));
  const auto tokenizer = samples::make(metadata);
  EXPECT_EQ(tokenizer->specials().eos, 2);
  EXPECT_THAT(tokenizer->specials().end_of_generation, ElementsAre(2, 4));
}

TEST(ImportBpe, PostProcessorsAndTheWishesOfTheConfiguration) {
  const auto around = [](std::string_view processor, std::string_view config) {
    const auto metadata =
        canonical({{raw_key::kTokenizerJson,
                    json(fmt::format(R"({},"post_processor":{})", kByteLevel, processor))},
                   {raw_key::kTokenizerConfig, std::string(config)}});
    EXPECT_TRUE(metadata) << metadata.error().to_string();
    if (!metadata) return std::string();
    const auto tokenizer = samples::make(*metadata);
    std::string out;
    for (const TokenId id : tokenizer->encode("b", {.add_specials = true}))
      out += fmt::format("{} ", id);
    return out;
  };
  const std::string_view roles = R"({"bos_token":"a","eos_token":"ab"})";
  const std::string_view both =
      R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a","type_id":0}},
          {"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"ab","type_id":0}}],
          "special_tokens":{"a":{"id":"a","ids":[0],"tokens":["a"]}}})";
  EXPECT_EQ(around("null", roles), "1 ");
  EXPECT_EQ(around(both, roles), "0 1 2 ");
  EXPECT_EQ(around(both, "{}"), "0 1 2 ");  // without roles, too
  EXPECT_EQ(around(R"({"type":"RobertaProcessing","sep":["ab",2],"cls":["a",0]})", roles),
            "0 1 2 ");
  EXPECT_EQ(around(R"({"type":"Sequence","processors":[{"type":"ByteLevel"},
                      {"type":"BertProcessing","sep":["ab",2],"cls":["Ġ",3]}]})",
                   roles),
            "3 1 2 ");
  EXPECT_EQ(around(both, R"({"bos_token":"a","eos_token":"ab","add_eos_token":false})"), "0 1 ");
  EXPECT_EQ(around("null", R"({"bos_token":"a","eos_token":"ab","add_bos_token":true})"), "0 1 ");
  EXPECT_EQ(around(R"({"type":"ByteLevel"})", roles), "1 ");
}

TEST(ImportBpe, RefusesWhatIsWrong) {
  const auto error = [](std::string text) { return error_of({{raw_key::kTokenizerJson, text}}); };
  EXPECT_THAT(error("{"), HasSubstr("tokenizer_invalid: tokenizer.json"));
  EXPECT_THAT(error("[]"), HasSubstr("expected an object"));
  EXPECT_THAT(error("{}"), HasSubstr("/model"));
  EXPECT_THAT(error(R"({"model":{"type":"WordLevel"}})"), HasSubstr("unknown tokenizer"));
  EXPECT_THAT(error(R"({"model":{"type":"BPE","merges":[]}})"), HasSubstr("/model/vocab"));
  EXPECT_THAT(error(R"({"model":{"type":"BPE","vocab":{"a":0}}})"), HasSubstr("/model/merges"));
  EXPECT_THAT(error(R"({"model":{"type":"BPE","vocab":[],"merges":[]}})"),
              HasSubstr("/model/vocab"));
  EXPECT_THAT(error(R"({"model":{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}})"),
              HasSubstr("the same id 0"));
  EXPECT_THAT(error(R"({"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}})"), HasSubstr("id"));
  EXPECT_THAT(error(R"({"model":{"type":"BPE","vocab":{"a":4000000},"merges":[]}})"),
              HasSubstr("expected an id below"));  // nothing is made for millions of gaps
  EXPECT_THAT(error(R"({"model":{"type":"BPE","vocab":{"a":1.5},"merges":[]}})"), HasSubstr("id"));
  EXPECT_THAT(error(R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[3]}})"),
              HasSubstr("/model/merges/0"));
  EXPECT_THAT(error(R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}})"),
              HasSubstr("/model/merges/0"));
  EXPECT_THAT(error(json(kByteLevel, R"(,"dropout":0.1)")), HasSubstr("/model/dropout"));
  EXPECT_THAT(error(json(kByteLevel, R"(,"end_of_word_suffix":"</w>")")),
              HasSubstr("end_of_word_suffix"));
  EXPECT_THAT(error(json(R"(,"added_tokens":[{"id":9,"content":""}])")), HasSubstr("not be empty"));
  EXPECT_THAT(error(json(R"(,"added_tokens":[{"id":0,"content":"zz"}])")),
              HasSubstr("which the vocabulary gives to \"a\""));
  EXPECT_THAT(error(json(R"(,"added_tokens":[{"id":999999,"content":"zz"}])")),
              HasSubstr("999999"));
  EXPECT_THAT(error(json(R"(,"added_tokens":[{"id":4294967296,"content":"zz"}])")),
              HasSubstr("/added_tokens/0/id"));
  EXPECT_THAT(error(json(R"(,"post_processor":{"type":"Odd"})")),
              HasSubstr("post-processor \"Odd\""));
  EXPECT_THAT(error(json(R"(,"post_processor":{"type":"BertProcessing","cls":["zz",1]})")),
              HasSubstr("no token \"zz\""));
  // S15: depth is limited before anything is built.
  EXPECT_THAT(error(std::string(100000, '[')), HasSubstr("tokenizer"));
}

TEST(ImportBpe, LeavesTheMetadataAloneOnFailure) {
  Metadata metadata;
  metadata.set_string(raw_key::kTokenizerJson, "{");
  metadata.set_u32("other", 3);
  EXPECT_FALSE(canonicalize_tokenizer(metadata));
  EXPECT_EQ(*metadata.string(raw_key::kTokenizerJson), "{");
  EXPECT_EQ(metadata.entries().size(), 2u);
  metadata.erase(raw_key::kTokenizerJson);
  EXPECT_TRUE(canonicalize_tokenizer(metadata));  // nothing to do
  EXPECT_EQ(metadata.entries().size(), 1u);
}

TEST(ImportVocabMerges, WithCompanions) {
  const auto metadata =
      canonical({{raw_key::kVocabJson, R"({"a":0,"b":1,"ab":2})"},
                 {raw_key::kMergesTxt, "#version: 0.2\r\na b\r\n\n"},
                 {raw_key::kAddedTokens, R"({"<|im_end|>":3})"},
                 {raw_key::kSpecialTokensMap, R"({"eos_token":"<|im_end|>"})"},
                 {raw_key::kTokenizerConfig, R"({"tokenizer_class":"Qwen2TokenizerFast"})"}});
  ASSERT_TRUE(metadata) << metadata.error().to_string();
  EXPECT_EQ(*metadata->string("tokenizer.ggml.pre"), "qwen2");
  EXPECT_THAT(**metadata->strings("tokenizer.ggml.merges"), ElementsAre("a b"));
  EXPECT_EQ(*metadata->integer("tokenizer.ggml.eos_token_id", 0, 9), 3u);
  EXPECT_EQ(samples::make(*metadata)->type(3), TokenType::kControl);
  EXPECT_THAT(error_of({{raw_key::kVocabJson, R"({"a":0})"}, {raw_key::kAddedTokens, "[1]"}}),
              HasSubstr("added_tokens.json"));
}

// 50256 ranks, which is GPT-2's number: bytes, pairs of bytes, and one token of three.
std::string ranks() {
  std::string text;
  std::size_t rank = 0;
  const auto add = [&](std::string_view bytes) {
    text += fmt::format("{} {}\n", encode_base64(bytes), rank++);
  };
  for (int c = 0; c < 256; ++c) add(std::string(1, static_cast<char>(c)));
  for (int c = 0; c < 50255 - 256; ++c)
    add(std::string{static_cast<char>(c / 256), static_cast<char>(c % 256)});
  add("\x01\x02\x03");
  return text;
}

TEST(ImportRanks, MergesFollowFromRanks) {
  const auto metadata = canonical({{raw_key::kTokenizerModel, ranks()}});
  ASSERT_TRUE(metadata) << metadata.error().to_string();
  EXPECT_EQ(*metadata->string("tokenizer.ggml.pre"), "gpt-2");
  const auto& merges = **metadata->strings("tokenizer.ggml.merges");
  // A pair has one way to be made, the token of three has two: in order of their parts.
  ASSERT_EQ(merges.size(), 50256u - 256u + 1u);
  std::string one, two, three, one_two, two_three;
  append_spelling(one, "\x01");
  append_spelling(three, "\x03");
  append_spelling(one_two, "\x01\x02");
  append_spelling(two_three, "\x02\x03");
  EXPECT_EQ(merges[merges.size() - 2], one + " " + two_three);
  EXPECT_EQ(merges.back(), one_two + " " + three);
  const auto tokenizer = samples::make(*metadata);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->piece(50256), "<|endoftext|>");
  EXPECT_EQ(tokenizer->specials().eos, 50256);
  EXPECT_THAT(tokenizer->encode("\x01\x02\x03", {}), ElementsAre(50255));
}

TEST(ImportRanks, RefusesWhatIsWrong) {
  const auto error = [](std::string text) { return error_of({{raw_key::kTokenizerModel, text}}); };
  EXPECT_THAT(error("YQ== 0\nYg== 2\n"), HasSubstr("line 2 of the ranks has rank 2, expected 1"));
  EXPECT_THAT(error("YQ== 0\nYg=\n"), HasSubstr("line 2 of the ranks is \"Yg=\""));
  EXPECT_THAT(error("YQ== x\n"), HasSubstr("line 1"));
  EXPECT_THAT(error("YQ== 0\nYg== 1\n"), HasSubstr("a file of 2 ranks"));
}

}  // namespace
}  // namespace bantam
