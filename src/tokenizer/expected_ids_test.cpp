// Ids that the models' own tokenizers give, from shared data.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "tokenizer/tokenizer.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

fs::path data(std::string_view name) { return fs::path(BANTAM_SHARED_DATA) / name; }

std::string read(const fs::path& path) {
  Result<std::string> text = read_file(path, 1u << 26);
  EXPECT_TRUE(text) << text.error().to_string();
  return text ? *text : std::string();
}

// The texts of an .inp file, each ended by a line "__ggml_vocab_test__".
std::vector<std::string> read_texts(const fs::path& path) {
  const std::string all = read(path);
  const std::string_view mark = "\n__ggml_vocab_test__\n";
  std::vector<std::string> texts;
  for (std::size_t at = 0, end; (end = all.find(mark, at)) != std::string::npos;) {
    texts.push_back(all.substr(at, end - at));
    at = end + mark.size();
  }
  return texts;
}

std::vector<std::vector<TokenId>> read_ids(const fs::path& path) {
  std::vector<std::vector<TokenId>> out;
  std::istringstream lines(read(path));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream numbers(line);
    out.emplace_back();
    for (TokenId id; numbers >> id;) out.back().push_back(id);
  }
  return out;
}

std::shared_ptr<const Tokenizer> load(const fs::path& path) {
  Result<std::shared_ptr<const Tokenizer>> tokenizer = load_tokenizer(path);
  EXPECT_TRUE(tokenizer) << tokenizer.error().to_string();
  return tokenizer ? *tokenizer : nullptr;
}

struct Pair {
  std::string_view expected;   // .inp and .out in tokenizers/ggml-vocab
  std::string_view tokenizer;  // in tokenizers/
};

class GgmlVocab : public testing::TestWithParam<Pair> {};

TEST_P(GgmlVocab, GivesTheIdsOfTheReference) {
  const fs::path base = data("tokenizers/ggml-vocab") / GetParam().expected;
  if (!fs::exists(data("tokenizers")))
    GTEST_SKIP() << "needs shared data: " << data("tokenizers").string();
  const auto tokenizer = load(data("tokenizers") / GetParam().tokenizer);
  ASSERT_NE(tokenizer, nullptr);
  const std::vector<std::string> texts = read_texts(base.string() + ".inp");
  const std::vector<std::vector<TokenId>> ids = read_ids(base.string() + ".out");
  ASSERT_EQ(texts.size(), ids.size());
  ASSERT_GT(texts.size(), 40u);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(tokenizer->encode(texts[i], {}), ids[i]) << "text " << i << ": " << quoted(texts[i]);
    EXPECT_EQ(tokenizer->decode(ids[i], true), texts[i]) << "text " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    ByteLevel, GgmlVocab,
    testing::Values(Pair{"ggml-vocab-gpt-2.gguf", "ggml-vocab/ggml-vocab-gpt-2.gguf"},
                    Pair{"ggml-vocab-falcon.gguf", "ggml-vocab/ggml-vocab-falcon.gguf"},
                    Pair{"ggml-vocab-starcoder.gguf", "ggml-vocab/ggml-vocab-starcoder.gguf"},
                    Pair{"ggml-vocab-llama-bpe.gguf", "llama3/tokenizer.model"},
                    Pair{"ggml-vocab-llama-bpe.gguf", "llama3/encoder.json"},
                    Pair{"ggml-vocab-qwen2.gguf", "qwen2"}),
    [](const auto& info) {
      std::string name(info.param.tokenizer);
      for (char& c : name)
        if (!isalnum(static_cast<unsigned char>(c))) c = '_';
      return name;
    });

TEST(ExpectedIds, SeedModelPrompts) {
  const fs::path folder = data("weights/seed-model");
  if (!fs::exists(folder)) GTEST_SKIP() << "needs shared data: " << folder.string();
  const auto tokenizer = load(folder);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->specials().eos, tokenizer->find("<|im_end|>"));
  EXPECT_TRUE(tokenizer->specials().ends_generation(*tokenizer->find("<|im_end|>")));
  std::istringstream lines(read(folder / "expected.jsonl"));
  std::size_t checked = 0;
  for (std::string line; std::getline(lines, line); ++checked) {
    const Json row = *parse_json(line);
    const auto text = [&](const char* name) {
      const Json* value = row.as_object().if_contains(name);
      return value != nullptr && value->is_string() ? std::string(value->as_string())
                                                    : std::string();
    };
    std::vector<TokenId> wanted;
    for (const Json& id : row.at("prompt_ids").as_array())
      wanted.push_back(static_cast<TokenId>(id.as_int64()));
    std::string prompt;
    if (text("kind") == "raw") {
      prompt = text("text");
    } else {
      if (!text("system").empty())
        prompt = "<|im_start|>system\n" + text("system") + "<|im_end|>\n";
      prompt += "<|im_start|>user\n" + text("text") + "<|im_end|>\n<|im_start|>assistant\n";
    }
    EXPECT_EQ(tokenizer->encode(prompt, {.parse_specials = true}), wanted) << line.substr(0, 200);
  }
  EXPECT_GT(checked, 5u);
}

}  // namespace
}  // namespace bantam
