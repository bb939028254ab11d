// Ids by other programs, from shared data: the SentencePiece library, llama2.c, and a checkpoint's
// own expectations. Vocabularies in GGUF are in expected_ids_test.cpp.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "tokenizer/tokenizer.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

fs::path data(std::string_view name) { return fs::path(BANTAM_SHARED_DATA) / name; }

std::shared_ptr<const Tokenizer> load(std::string_view name) {
  auto tokenizer = load_tokenizer(data(name));
  EXPECT_TRUE(tokenizer) << tokenizer.error().to_string();
  return tokenizer ? *tokenizer : nullptr;
}

std::string read(const fs::path& path) {
  auto text = read_file(path, 64u << 20);
  EXPECT_TRUE(text) << text.error().to_string();
  return text ? *text : std::string();
}

std::vector<TokenId> ids_of(const Json& list) {
  std::vector<TokenId> ids;
  for (const Json& id : list.as_array()) ids.push_back(static_cast<TokenId>(id.as_int64()));
  return ids;
}

// The lines of sentencepiece-expected.jsonl, or nothing where there is no shared data.
std::vector<Json> expectations() {
  const fs::path path = data("tokenizers/sentencepiece-expected.jsonl");
  if (!fs::exists(path)) return {};
  std::vector<Json> lines;
  const std::string text = read(path);
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0) lines.push_back(*parse_json(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

class SentencePieceLibrary : public testing::TestWithParam<std::string_view> {};

TEST_P(SentencePieceLibrary, GivesTheSameIds) {
  const std::vector<Json> lines = expectations();
  if (lines.empty()) GTEST_SKIP() << "needs shared data: " << BANTAM_SHARED_DATA;
  const auto tokenizer = load("tokenizers/" + std::string(GetParam()));
  ASSERT_TRUE(tokenizer);
  for (const Json& line : lines) {
    const std::string_view text = line.at("text").as_string();
    EXPECT_EQ(tokenizer->encode(text, {}), ids_of(line.at("ids").at(GetParam()))) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SentencePieceLibrary,
                         testing::Values("llama2/tokenizer.model", "mistral/tokenizer.model.v1",
                                         "mistral/mistral_instruct_tokenizer_240216.model.v2",
                                         "mistral/mistral_instruct_tokenizer_240323.model.v3",
                                         "sentencepiece/test_model.model",
                                         "sentencepiece/test_ja_model.model"));

// The same vocabulary in other formats: the ids of the library's file for its texts.
class SameVocabulary : public testing::TestWithParam<std::string_view> {};

TEST_P(SameVocabulary, GivesTheIdsOfLlama2) {
  const std::vector<Json> lines = expectations();
  if (lines.empty()) GTEST_SKIP() << "needs shared data: " << BANTAM_SHARED_DATA;
  const auto tokenizer = load(GetParam());
  ASSERT_TRUE(tokenizer);
  for (const Json& line : lines) {
    const std::string_view text = line.at("text").as_string();
    EXPECT_EQ(tokenizer->encode(text, {}), ids_of(line.at("ids").at("llama2/tokenizer.model")))
        << text;
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, {}), false), text);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, SameVocabulary,
                         testing::Values("tokenizers/llama2/tokenizer.bin",
                                         "tokenizers/phi-3/tokenizer.json",
                                         "tokenizers/ggml-vocab/ggml-vocab-llama-spm.gguf",
                                         "tokenizers/ggml-vocab/ggml-vocab-phi-3.gguf",
                                         "weights/gguf-samples/vocab-only-llama-gguf-v1.gguf",
                                         "weights/gguf-samples/llama-2-tiny-random-f16.gguf"));

TEST(Llama2c, TheTinyVocabularyInBothFormats) {
  const fs::path path = data("weights/tinyllamas/stories260K-expected.json");
  if (!fs::exists(path)) GTEST_SKIP() << "needs shared data: " << path;
  const std::string text = read(path);
  const Json expected = *parse_json(text);
  for (const std::string_view file : {"tok512.bin", "stories260K-f32.gguf"}) {
    const auto tokenizer = load("weights/tinyllamas/" + std::string(file));
    ASSERT_TRUE(tokenizer);
    for (const Json& entry : expected.at("cases").as_array()) {
      const std::string_view prompt = entry.at("prompt").as_string();
      EXPECT_EQ(tokenizer->encode(prompt, {.add_specials = true}), ids_of(entry.at("ids")))
          << file << ": " << prompt;
    }
    const Json& nll = expected.at("nll");
    EXPECT_EQ(
        tokenizer->encode(std::string_view(nll.at("text").as_string()), {.add_specials = true}),
        ids_of(nll.at("ids")));
  }
}

TEST(Phi3, SpecialTokensTakeTheWhiteSpaceAfterThemAlong) {
  if (!fs::exists(data("tokenizers/phi-3"))) GTEST_SKIP() << "needs shared data: tokenizers/phi-3";
  for (const std::string_view file :
       {"tokenizers/phi-3/tokenizer.json", "tokenizers/ggml-vocab/ggml-vocab-phi-3.gguf"}) {
    const auto tokenizer = load(file);
    ASSERT_TRUE(tokenizer);
    // "▁Hi" after a special token, with the space that each stretch of text gets.
    const std::vector<TokenId> hi = tokenizer->encode("Hi", {});
    std::vector<TokenId> expected = {*tokenizer->find("<|user|>")};
    expected.insert(expected.end(), hi.begin(), hi.end());
    expected.push_back(*tokenizer->find("<|end|>"));
    EXPECT_EQ(tokenizer->encode("<|user|>\nHi<|end|>\n", {.parse_specials = true}), expected)
        << file;
    EXPECT_GT(tokenizer->encode("<|user|>\nHi<|end|>\n", {}).size(), expected.size());
  }
}

TEST(T5Small, WordsAndTheEndOfTheText) {
  if (!fs::exists(data("tokenizers/t5-small"))) GTEST_SKIP() << "needs shared data: t5-small";
  const auto tokenizer = load("tokenizers/t5-small/tokenizer.json");
  ASSERT_TRUE(tokenizer);
  // From the model's publication: "translate English to German: The house is wonderful."
  EXPECT_EQ(tokenizer->encode("translate English to German: The house is wonderful.",
                              {.add_specials = true}),
            (std::vector<TokenId>{13959, 1566, 12, 2968, 10, 37, 629, 19, 1627, 5, 1}));
  EXPECT_EQ(tokenizer->encode("  The\u00A0house\n", {}), (std::vector<TokenId>{37, 629}));
}

TEST(Model2vec, VocabulariesOfBothKinds) {
  if (!fs::exists(data("weights/model2vec"))) GTEST_SKIP() << "needs shared data: model2vec";
  const auto wordpiece = load("weights/model2vec/test-model-float32");
  const auto unigram = load("weights/model2vec/test-model-vocab-quantized");
  ASSERT_TRUE(wordpiece && unigram);
  const auto pieces = [](const Tokenizer& tokenizer, std::string_view text) {
    std::vector<std::string> out;
    for (const TokenId id : tokenizer.encode(text, {})) out.emplace_back(tokenizer.piece(id));
    return out;
  };
  EXPECT_EQ(pieces(*wordpiece, "Hello, World"),
            (std::vector<std::string>{"▁hello", "▁,", "▁world"}));
  EXPECT_EQ(pieces(*unigram, "Hello, World"), (std::vector<std::string>{"▁hello", "▁,", "▁world"}));
}

}  // namespace
}  // namespace bantam
