// The vocabulary and the roles of its tokens; rows G16, G33 to G36 and G38 of the bad inputs.
#include "tokenizer/vocab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tokenizer/special_tokens.h"

namespace bantam {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Metadata with_tokens(std::vector<std::string> pieces, std::vector<std::int32_t> types = {}) {
  Metadata metadata;
  metadata.set_string("tokenizer.ggml.model", "gpt2");
  metadata.set_strings("tokenizer.ggml.tokens", std::move(pieces));
  if (!types.empty()) metadata.set_i32s("tokenizer.ggml.token_type", types);
  return metadata;
}

std::string error_of(const Metadata& metadata) {
  const Result<Vocab> vocab = Vocab::from_metadata(metadata);
  return vocab ? "" : vocab.error().code + ": " + vocab.error().to_string();
}

SpecialTokens specials_of(const Metadata& metadata) {
  const Result<Vocab> vocab = Vocab::from_metadata(metadata);
  EXPECT_TRUE(vocab) << vocab.error().to_string();
  return vocab ? vocab->specials() : SpecialTokens();
}

TEST(Vocab, FindsEachSpelling) {
  const Result<Vocab> vocab = Vocab::from_metadata(with_tokens({"a", "", "ab", "\xFF", "日本"}));
  ASSERT_TRUE(vocab);
  EXPECT_EQ(vocab->size(), 5u);
  for (TokenId id = 0; id < 5; ++id) EXPECT_EQ(vocab->find(vocab->piece(id)), id);
  EXPECT_EQ(vocab->find("b"), std::nullopt);
  EXPECT_FALSE(vocab->contains(5));
  EXPECT_FALSE(vocab->contains(-1));
}

TEST(Vocab, OfOneSpellingTheFirstTokenWins) {  // G36
  const Result<Vocab> vocab = Vocab::from_metadata(with_tokens({"x", "same", "same", "same"}));
  ASSERT_TRUE(vocab);
  EXPECT_EQ(vocab->find("same"), 1);
  EXPECT_EQ(vocab->piece(3), "same");
}

TEST(Vocab, ManyTokensAreFoundAgain) {
  std::vector<std::string> pieces;
  for (int i = 0; i < 50000; ++i) pieces.push_back(fmt::format("token {}", i * 7919));
  const Result<Vocab> vocab = Vocab::from_metadata(with_tokens(pieces));
  ASSERT_TRUE(vocab);
  for (std::size_t i = 0; i < pieces.size(); i += 97)
    EXPECT_EQ(vocab->find(pieces[i]), static_cast<TokenId>(i));
}

TEST(Vocab, RefusesWhatDoesNotFit) {
  EXPECT_THAT(error_of(Metadata()), HasSubstr("no_tokenizer"));
  EXPECT_THAT(error_of(with_tokens({})), HasSubstr("is empty"));
  EXPECT_THAT(error_of(with_tokens({"a", "b"}, {1})), HasSubstr("must be as many"));
  EXPECT_THAT(error_of(with_tokens({"a", "b"}, {1, 7})), HasSubstr("token_type[1] is 7"));
  EXPECT_THAT(error_of(with_tokens({"a", "b"}, {1, -1})), HasSubstr("token_type[1] is -1"));
  EXPECT_THAT(error_of(with_tokens({"a", std::string((64u << 10) + 1, 'x')})),  // G35
              HasSubstr("token too long: token 1"));
  EXPECT_EQ(error_of(with_tokens({"a", std::string(64u << 10, 'x')})), "");
}

TEST(Vocab, ScoresMustBeNumbersOfTheRightType) {  // G16
  Metadata metadata = with_tokens({"a", "b"});
  metadata.set("tokenizer.ggml.scores",
               MetaValue{.type = MetaType::kArray,
                         .value = MetaArray{.element = MetaType::kU8, .integers = {1, 2}}});
  EXPECT_THAT(error_of(metadata), HasSubstr("wrong element type for tokenizer.ggml.scores"));
  metadata.set_f32s("tokenizer.ggml.scores", {1.0f});
  EXPECT_THAT(error_of(metadata), HasSubstr("must be as many"));
  metadata.set_f32s("tokenizer.ggml.scores", {1.0f, std::numeric_limits<float>::quiet_NaN()});
  EXPECT_THAT(error_of(metadata), HasSubstr("scores[1] is not a number"));
  metadata.set_f32s("tokenizer.ggml.scores", {1.0f, -2.5f});
  const Result<Vocab> vocab = Vocab::from_metadata(metadata);
  ASSERT_TRUE(vocab);
  EXPECT_EQ(vocab->score(1), -2.5f);
}

TEST(Vocab, RefusesBadByteTokens) {  // G34
  for (const char* bad : {"<0x-1>", "<0xZZ>", "<0x1>", "<0x001>", "x", ""})
    EXPECT_THAT(error_of(with_tokens({"a", bad}, {1, 6})), HasSubstr("bad byte token")) << bad;
  const Result<Vocab> vocab = Vocab::from_metadata(with_tokens({"<0x0A>", "<0xff>"}, {6, 6}));
  ASSERT_TRUE(vocab);
  EXPECT_EQ(vocab->byte_token(0x0A), 0);
  EXPECT_EQ(vocab->byte_token(0xFF), 1);
  EXPECT_EQ(vocab->byte_token(0x0B), std::nullopt);
  EXPECT_EQ(vocab->byte_value(1), 0xFF);
}

TEST(Vocab, RefusesIdsOutOfRange) {  // G33, G38
  for (const char* key : {"bos", "eos", "eot", "eom", "unknown", "padding", "mask", "cls"}) {
    Metadata metadata = with_tokens({"only"});
    const std::string name = fmt::format("tokenizer.ggml.{}_token_id", key);
    metadata.set_u32(name, 1);
    EXPECT_THAT(error_of(metadata), HasSubstr(name + " out of range"));
    metadata.set_u32(name, 0);
    EXPECT_EQ(error_of(metadata), "");
  }
  for (const char* key : {"tokenizer.ggml.eos_token_ids", "bantam.tokenizer.lstrip",
                          "bantam.tokenizer.prefix", "bantam.tokenizer.suffix"}) {
    for (const std::int32_t bad : {-1, 1, std::numeric_limits<std::int32_t>::max()}) {
      Metadata metadata = with_tokens({"only"});
      metadata.set_i32s(key, {0, bad});
      EXPECT_THAT(error_of(metadata), HasSubstr("out of range")) << key << " " << bad;
    }
  }
}

TEST(Vocab, ListsTheTokensThatAreLookedForInText) {
  Metadata metadata =
      with_tokens({"a", "<s>", "<unk>", "<think>", "", "<0x00>"}, {1, 3, 2, 4, 3, 6});
  metadata.set_i32s("bantam.tokenizer.rstrip", {3, 1});
  const Result<Vocab> vocab = Vocab::from_metadata(metadata);
  ASSERT_TRUE(vocab);
  ASSERT_EQ(vocab->added().size(), 3u);  // an empty one can't be found
  EXPECT_EQ(vocab->added()[0].id, 1);
  EXPECT_TRUE(vocab->added()[0].control);
  EXPECT_TRUE(vocab->added()[0].rstrip);
  EXPECT_TRUE(vocab->added()[1].control);
  EXPECT_FALSE(vocab->added()[1].rstrip);
  EXPECT_FALSE(vocab->added()[2].control);
  EXPECT_TRUE(vocab->added()[2].rstrip);
}

TEST(Vocab, PhiThreeStripsAfterItsTokens) {
  Metadata metadata = with_tokens({"<s>", "<|user|>", "<unk>"}, {3, 3, 2});
  metadata.set_string("general.name", "Phi-3 mini");
  const Result<Vocab> vocab = Vocab::from_metadata(metadata);
  ASSERT_TRUE(vocab);
  EXPECT_FALSE(vocab->added()[0].rstrip);
  EXPECT_TRUE(vocab->added()[1].rstrip);
  EXPECT_FALSE(vocab->added()[2].rstrip);
}

TEST(Vocab, OldFilesWithoutTypesStillHaveControlTokens) {
  const Result<Vocab> vocab =
      Vocab::from_metadata(with_tokens({"a", "<|im_end|>", "<0x41>", "<unk>", "</s>"}));
  ASSERT_TRUE(vocab);
  EXPECT_EQ(vocab->type(0), TokenType::kNormal);
  EXPECT_EQ(vocab->type(1), TokenType::kControl);
  EXPECT_EQ(vocab->type(2), TokenType::kByte);
  EXPECT_EQ(vocab->type(3), TokenType::kUnknown);
  EXPECT_EQ(vocab->type(4), TokenType::kControl);
}

TEST(SpecialTokens, EveryKnownEndOfTurnEndsAGeneration) {
  Metadata metadata =
      with_tokens({"a", "<|endoftext|>", "<|im_end|>", "<|im_start|>", "<|eot_id|>", "<eos>"},
                  {1, 3, 3, 3, 1, 4});  // a normal token spelled so is just text
  metadata.set_u32("tokenizer.ggml.eos_token_id", 0);
  const SpecialTokens specials = specials_of(metadata);
  EXPECT_THAT(specials.end_of_generation, ElementsAre(0, 1, 2, 5));
  EXPECT_EQ(specials.eot, 2);
  EXPECT_TRUE(specials.ends_generation(5));
  EXPECT_FALSE(specials.ends_generation(3));
  metadata.set_u32("tokenizer.ggml.eot_token_id", 3);
  metadata.set_i32s("tokenizer.ggml.eos_token_ids", {4, 0});
  EXPECT_EQ(specials_of(metadata).eot, 3);
  EXPECT_THAT(specials_of(metadata).end_of_generation, ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(SpecialTokens, EndOfMessageIsNotEndOfAnswerInHarmony) {
  const std::vector<std::int32_t> control = {3, 3, 3};
  EXPECT_THAT(
      specials_of(with_tokens({"<|end|>", "<|return|>", "<|call|>"}, control)).end_of_generation,
      ElementsAre(1, 2));
  EXPECT_THAT(
      specials_of(with_tokens({"<|end|>", "<|user|>", "<|call|>"}, control)).end_of_generation,
      ElementsAre(0, 2));
  EXPECT_THAT(
      specials_of(with_tokens({"</s>", "<|tool_response>", "<eos>"}, control)).end_of_generation,
      ElementsAre(1, 2));
}

TEST(SpecialTokens, WhatSurroundsATextDependsOnTheFamilyUnlessItIsSaid) {
  const auto make = [](std::string_view model, std::string_view pre) {
    Metadata metadata = with_tokens({"<s>", "</s>", "[CLS]", "[SEP]"}, {3, 3, 3, 3});
    metadata.set_string("tokenizer.ggml.model", std::string(model));
    metadata.set_string("tokenizer.ggml.pre", std::string(pre));
    metadata.set_u32("tokenizer.ggml.bos_token_id", 0);
    metadata.set_u32("tokenizer.ggml.eos_token_id", 1);
    return metadata;
  };
  EXPECT_THAT(specials_of(make("gpt2", "gpt-2")).prefix, ElementsAre());
  EXPECT_THAT(specials_of(make("gpt2", "llama-bpe")).prefix, ElementsAre(0));
  EXPECT_TRUE(specials_of(make("gpt2", "llama-bpe")).add_bos);
  EXPECT_THAT(specials_of(make("gpt2", "llama-bpe")).suffix, ElementsAre());
  EXPECT_THAT(specials_of(make("llama", "default")).prefix, ElementsAre(0));
  EXPECT_THAT(specials_of(make("t5", "")).suffix, ElementsAre(1));
  EXPECT_TRUE(specials_of(make("t5", "")).add_eos);
  EXPECT_THAT(specials_of(make("bert", "")).suffix, ElementsAre(3));

  Metadata metadata = make("llama", "default");
  metadata.set_bool("tokenizer.ggml.add_bos_token", false);
  metadata.set_bool("tokenizer.ggml.add_eos_token", true);
  EXPECT_THAT(specials_of(metadata).prefix, ElementsAre());
  EXPECT_FALSE(specials_of(metadata).add_bos);
  EXPECT_THAT(specials_of(metadata).suffix, ElementsAre(1));
  metadata.set_i32s("bantam.tokenizer.prefix", {2, 0, 2});
  EXPECT_THAT(specials_of(metadata).prefix, ElementsAre(2, 0, 2));
  EXPECT_TRUE(specials_of(metadata).add_bos);
}

}  // namespace
}  // namespace bantam
