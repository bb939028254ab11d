// *.model files: what they say, and what becomes of broken ones.
#include "tokenizer/sentencepiece_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tokenizer/import.h"
#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

using samples::Message;
using samples::Token;

const std::vector<Token> kTokens = {{"<unk>", 0, TokenType::kUnknown},
                                    {"<s>", 0, TokenType::kControl},
                                    {"</s>", 0, TokenType::kControl},
                                    {"▁", -3},
                                    {"a", -2},
                                    {"▁a", -1.5f}};

std::string error_code(std::string_view bytes) {
  const auto model = SentencePieceModel::parse(bytes);
  return model ? "" : model.error().code;
}

TEST(SentencePieceModel, SaysWhatWasWritten) {
  const auto model = SentencePieceModel::parse(
      samples::sentencepiece_model(2, kTokens, samples::charsmap({{"A", "a"}}), true));
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(model->kind, SentencePieceModel::Kind::kBpe);
  EXPECT_EQ(model->pieces, (std::vector<std::string>{"<unk>", "<s>", "</s>", "▁", "a", "▁a"}));
  EXPECT_EQ(model->scores, (std::vector<float>{0, 0, 0, -3, -2, -1.5f}));
  EXPECT_EQ(model->types[2], TokenType::kControl);
  EXPECT_EQ(model->unknown, 0);
  EXPECT_EQ(model->bos, 1);
  EXPECT_EQ(model->eos, 2);
  EXPECT_EQ(model->pad, std::nullopt);  // written as -1
  EXPECT_TRUE(model->add_dummy_prefix);
  EXPECT_TRUE(model->remove_extra_whitespaces);
  EXPECT_EQ(model->charsmap, samples::charsmap({{"A", "a"}}));
}

TEST(SentencePieceModel, DefaultsOfTheFormat) {
  const std::string bytes = Message().bytes(1, Message().bytes(1, "a").out).out;
  const auto model = SentencePieceModel::parse(bytes);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(model->kind, SentencePieceModel::Kind::kUnigram);
  EXPECT_EQ(model->types, std::vector<TokenType>{TokenType::kNormal});
  EXPECT_EQ(model->unknown, std::nullopt);  // 0 by default, but that is a normal piece here
  EXPECT_EQ(model->bos, std::nullopt);      // G33: 1 by default, and there is one piece
  EXPECT_TRUE(model->remove_extra_whitespaces);
}

TEST(SentencePieceModel, SkipsFieldsItDoesNotKnow) {
  Message message;
  message.varint(9, 5).bytes(4, "x").f32(77, 1).bytes(1,
                                                      Message().bytes(1, "a").bytes(200, "z").out);
  message.number(78 << 3 | 1);
  message.out += std::string(8, 'x');  // a field of 64 bits
  const auto model = SentencePieceModel::parse(message.out);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(model->pieces, std::vector<std::string>{"a"});
}

TEST(SentencePieceModel, RefusesBrokenFilesWithTheByte) {
  const auto message = [](std::string_view bytes) {
    const auto model = SentencePieceModel::parse(bytes);
    return model ? std::string("no error") : model.error().to_string();
  };
  EXPECT_THAT(message(""), testing::HasSubstr("no pieces"));
  EXPECT_THAT(message("\x0A\x05xyz"),
              testing::HasSubstr("byte 0: field 1 claims 5 bytes, 3 are left"));
  EXPECT_THAT(message("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"),
              testing::HasSubstr("claims 18446744073709551615 bytes, 0 are left"));
  EXPECT_THAT(message("\x80"), testing::HasSubstr("byte 1: the file ends inside a number"));
  EXPECT_THAT(message(std::string(11, '\x80')), testing::HasSubstr("at most 10 bytes"));
  EXPECT_THAT(message("\x0B"), testing::HasSubstr("wire type"));
  EXPECT_THAT(message(std::string_view("\x02\x00", 2)), testing::HasSubstr("field number"));
  EXPECT_THAT(message("\x08\x01"), testing::HasSubstr("wire type 2 for a message, found 0"));
  const auto in_piece = [&](const Message& piece) {
    return message(Message().bytes(1, piece.out).out);
  };
  EXPECT_THAT(in_piece(Message().varint(3, 7)),
              testing::HasSubstr("byte 2: expected a piece type"));
  EXPECT_THAT(in_piece(Message().varint(3, 0)), testing::HasSubstr("expected a piece type"));
  EXPECT_THAT(in_piece(Message().varint(1, 0)), testing::HasSubstr("wire type 2 for piece"));
  EXPECT_THAT(in_piece(Message().f32(2, NAN)), testing::HasSubstr("not a number"));
  EXPECT_THAT(message(Message().bytes(2, Message().varint(3, 9).out).out),
              testing::HasSubstr("model type"));
  EXPECT_THAT(message(Message().bytes(2, Message().varint(41, 1u << 30).out).out),
              testing::HasSubstr("bos_id"));
}

TEST(SentencePieceModel, LongPiecesAreRefused) {  // G35
  const auto with = [](std::size_t size) {
    return Message().bytes(1, Message().bytes(1, std::string(size, 'a')).out).out;
  };
  EXPECT_EQ(error_code(with(64u << 10)), "");
  EXPECT_EQ(error_code(with((64u << 10) + 1)), "tokenizer_too_large");
}

TEST(SentencePieceModel, EveryTruncationIsAnErrorOrAShorterModel) {
  const std::string good = samples::sentencepiece_model(1, kTokens, "", true);
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto model = SentencePieceModel::parse(std::string_view(good).substr(0, size));
    if (!model)
      EXPECT_EQ(model.error().code, "tokenizer_invalid");
    else
      EXPECT_LE(model->pieces.size(), kTokens.size());
  }
}

TEST(SentencePieceModel, EveryChangedByteIsAnErrorOrAModel) {
  const std::string good =
      samples::sentencepiece_model(1, kTokens, samples::charsmap({{"A", "a"}}), true);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int change : {1, 0x7F, 0x80, 0xFF}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ change);
      Metadata metadata;
      metadata.set_string(raw_key::kTokenizerModel, bad);
      if (!canonicalize_tokenizer(metadata)) continue;
      if (const auto tokenizer = make_tokenizer(metadata)) (*tokenizer)->encode("Aa b <s>", {});
    }
  }
}

TEST(ImportSentencePiece, MakesATokenizer) {
  for (const unsigned type : {1u, 2u}) {
    Metadata metadata;
    metadata.set_string(raw_key::kTokenizerModel,
                        samples::sentencepiece_model(type, samples::with_bytes(kTokens),
                                                     samples::charsmap({{"A", "a"}}), true));
    const auto made = canonicalize_tokenizer(metadata);
    ASSERT_TRUE(made) << made.error().to_string();
    EXPECT_EQ(metadata.string("tokenizer.ggml.model"), type == 1 ? "t5" : "llama");
    EXPECT_FALSE(metadata.contains(raw_key::kTokenizerModel));
    EXPECT_EQ(samples::pieces(*samples::make(metadata), " A  a "),
              (std::vector<std::string>{"▁a", "▁a"}));
  }
}

TEST(ImportSentencePiece, UserDefinedTokensArePartOfTheText) {  // ids as the library gives them
  std::vector<Token> tokens = kTokens;
  tokens.push_back({"[X]", 0, TokenType::kUserDefined});
  for (const unsigned type : {1u, 2u}) {
    Metadata metadata;
    metadata.set_string(raw_key::kTokenizerModel,
                        samples::sentencepiece_model(type, samples::with_bytes(tokens)));
    ASSERT_TRUE(canonicalize_tokenizer(metadata));
    const auto tokenizer = samples::make(metadata);
    using Strings = std::vector<std::string>;
    EXPECT_EQ(samples::pieces(*tokenizer, "a[X]a"), (Strings{"▁a", "[X]", "a"}));
    EXPECT_EQ(samples::pieces(*tokenizer, "[X] a"), (Strings{"▁", "[X]", "▁a"}));
    EXPECT_EQ(samples::pieces(*tokenizer, "[X][X]"), (Strings{"▁", "[X]", "[X]"}));
    EXPECT_EQ(samples::pieces(*tokenizer, "a<s>a", {.parse_specials = true}),
              (Strings{"▁a", "<s>", "▁a"}));
    EXPECT_EQ(tokenizer->decode(tokenizer->encode("[X]a [X]", {}), false), "[X]a [X]");
  }
}

TEST(ImportSentencePiece, RefusesKindsItDoesNotKnow) {
  const auto code = [](const std::string& bytes) {
    Metadata metadata, out;
    const auto vocab = import_sentencepiece(bytes, out);
    return vocab ? std::string() : vocab.error().code;
  };
  EXPECT_EQ(code(samples::sentencepiece_model(3, kTokens)), "tokenizer_unsupported");
  EXPECT_EQ(code(samples::sentencepiece_model(4, kTokens)), "tokenizer_unsupported");
  const std::string piece = Message().bytes(1, Message().bytes(1, "a").out).out;
  EXPECT_EQ(code(piece + Message().bytes(2, Message().varint(24, 1).out).out),
            "tokenizer_unsupported");
  EXPECT_EQ(code(piece + Message().bytes(3, Message().varint(5, 0).out).out),
            "tokenizer_unsupported");
  EXPECT_EQ(code(piece), "");
}

// ---- tokenizer.bin of llama2.c ----------------------------------------------------------------

std::string llama2c(const std::vector<Token>& tokens) {
  std::string out(4, '\0');
  const auto put = [&](std::uint32_t value) {
    for (unsigned i = 0; i < 4; ++i) out += static_cast<char>(value >> 8 * i & 0xFF);
  };
  for (const Token& token : tokens) {
    put(std::bit_cast<std::uint32_t>(token.score));
    put(static_cast<std::uint32_t>(token.piece.size()));
    out += token.piece;
  }
  return out;
}

const std::vector<Token> kLlama2c = {{"<unk>"},  {"\n<s>\n"}, {"\n</s>\n"}, {"<0x0A>"},
                                     {" a", -1}, {" ", -2},   {"a", -3}};

TEST(ImportLlama2c, SpacesBecomeMarksAndTheSpecialsLoseTheirLineFeeds) {
  Metadata out;
  const auto vocab = import_llama2c(llama2c(kLlama2c), out);
  ASSERT_TRUE(vocab) << vocab.error().to_string();
  EXPECT_EQ(vocab->pieces,
            (std::vector<std::string>{"<unk>", "<s>", "</s>", "<0x0A>", "▁a", "▁", "a"}));
  EXPECT_EQ(vocab->types[0], TokenType::kUnknown);
  EXPECT_EQ(vocab->types[1], TokenType::kControl);
  EXPECT_EQ(vocab->types[3], TokenType::kByte);
  EXPECT_EQ(vocab->bos, 1);
  EXPECT_EQ(vocab->eos, 2);
  EXPECT_EQ(out.string("tokenizer.ggml.model"), "llama");
}

TEST(ImportLlama2c, EveryTruncationIsAnErrorOrAShorterVocabulary) {
  const std::string good = llama2c(kLlama2c);
  std::size_t sound = 0;
  for (std::size_t size = 0; size <= good.size(); ++size) {
    Metadata out;
    const auto vocab = import_llama2c(std::string_view(good).substr(0, size), out);
    if (vocab)
      ++sound;
    else
      EXPECT_EQ(vocab.error().code, "tokenizer_invalid");
  }
  EXPECT_EQ(sound, kLlama2c.size());
}

TEST(ImportLlama2c, RefusesLengthsThatDoNotFit) {  // G35
  const auto message = [](std::string bytes) {
    Metadata out;
    const auto vocab = import_llama2c(bytes, out);
    return vocab ? std::string() : vocab.error().to_string();
  };
  std::string bad = llama2c({{"a"}});
  bad[11] = '\x7F';  // the highest byte of the length
  EXPECT_THAT(message(bad),
              testing::HasSubstr("byte 8: token 0 claims 2130706433 bytes, 1 are left"));
  EXPECT_THAT(message(llama2c({{std::string((64u << 10) + 1, 'a')}})), testing::HasSubstr("65537"));
  EXPECT_THAT(message(llama2c({{"a", NAN}})), testing::HasSubstr("not a number"));
  EXPECT_THAT(message(std::string(4, '\0')), testing::HasSubstr("end of the file"));
}

}  // namespace
}  // namespace bantam
