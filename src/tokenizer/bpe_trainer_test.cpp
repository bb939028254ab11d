#include "tokenizer/bpe_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/random.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/import.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json.h"

namespace bantam {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Metadata train(const std::vector<std::string_view>& texts, const BpeTrainerOptions& options,
               std::size_t threads = 1) {
  ThreadPool pool(threads);
  auto made = train_bpe(texts, options, pool);
  EXPECT_TRUE(made) << made.error().to_string();
  return made ? std::move(*made) : Metadata{};
}

std::vector<std::string> merges_of(const Metadata& metadata) {
  return **metadata.strings("tokenizer.ggml.merges");
}

std::string problem(std::string_view text, const BpeTrainerOptions& options) {
  ThreadPool pool(1);
  const std::vector<std::string_view> texts = {text};
  const auto made = train_bpe(texts, options, pool);
  return made ? "good" : made.error().code + ": " + made.error().to_string();
}

// Words of a few letters, some more frequent than others.
std::string words(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::uint64_t n = random.next_below(6) + 1; n > 0; --n)
      out += static_cast<char>('a' + std::min(random.next_below(4), random.next_below(6)));
    out += random.next_below(10) == 0 ? "\n" : " ";
  }
  return out;
}

// The definition, word for word: count all pairs, merge the best, count all again.
std::vector<std::string> plain_merges(std::string_view text, std::size_t count) {
  std::map<std::vector<std::string>, int> all;
  for (std::size_t at = 0; at < text.size();) {  // " ?letters", or one line break
    std::size_t end = at + 1;
    while (end < text.size() && text[end] >= 'a') ++end;
    std::vector<std::string> symbols;
    if (text[at] == '\n') end = at + 1;
    for (std::size_t i = at; i < end; ++i) symbols.emplace_back(1, text[i]);
    ++all[symbols];
    at = end;
  }
  std::vector<std::string> merges;
  while (merges.size() < count) {
    std::map<std::pair<std::string, std::string>, int> pairs;
    for (const auto& [symbols, times] : all)
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
        pairs[{symbols[i], symbols[i + 1]}] += times;
    auto best = pairs.begin();
    for (auto pair = pairs.begin(); pair != pairs.end(); ++pair)
      if (pair->second >= best->second) best = pair;  // in order of bytes: the last wins
    const auto& [left, right] = best->first;
    std::string line;
    append_spelling(line, left);
    line += ' ';
    append_spelling(line, right);
    merges.push_back(line);
    std::map<std::vector<std::string>, int> next;
    for (const auto& [symbols, times] : all) {
      std::vector<std::string> merged;
      for (std::size_t i = 0; i < symbols.size(); ++i) {
        const bool here = i + 1 < symbols.size() && symbols[i] == left && symbols[i + 1] == right;
        merged.push_back(here ? left + right : symbols[i]);
        i += here;
      }
      next[merged] += times;
    }
    all = std::move(next);
  }
  return merges;
}

TEST(BpeTrainer, MakesTheMergesOfTheDefinition) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const std::string text = words(400, seed);
    const Metadata made = train({text}, {.vocab = 256 + 60, .pretokenizer = "gpt-2"});
    EXPECT_EQ(merges_of(made), plain_merges(text, 60)) << seed;
  }
}

TEST(BpeTrainer, TiesGoToTheLastBytes) {
  const BpeTrainerOptions options{.vocab = 259, .pretokenizer = "gpt-2"};
  EXPECT_THAT(merges_of(train({"ab cd ab cd ab cd"}, options)), ElementsAre("c d", "a b", "Ġ cd"));
}

TEST(BpeTrainer, TheSameVocabularyWithAnyNumberOfThreads) {
  const std::string one = words(200000, 8), two = words(3000, 9);
  const BpeTrainerOptions options{.vocab = 700, .control = {"<|end|>"}, .eos = "<|end|>"};
  const Metadata alone = train({one, two}, options);
  EXPECT_TRUE(alone.entries() == train({one, two}, options, 2).entries());
  EXPECT_TRUE(alone.entries() == train({two, one}, options, 3).entries());
}

TEST(BpeTrainer, TheTokenizerReadsWhatWasTrained) {
  const std::string text = words(5000, 3) + " 12 é 日本 don't\r\n\xFF\xFE";
  const BpeTrainerOptions options{
      .vocab = 400, .control = {"<s>", "</s>"}, .bos = "<s>", .eos = "</s>", .longest = 4};
  const Metadata made = train({text}, options);
  const auto tokenizer = make_tokenizer(made);
  ASSERT_TRUE(tokenizer) << tokenizer.error().to_string();
  EXPECT_EQ((*tokenizer)->vocab_size(), 400u);
  const auto ids = (*tokenizer)->encode(text, {});
  EXPECT_EQ((*tokenizer)->decode(ids, true), text);
  EXPECT_LT(ids.size(), text.size() / 2);
  EXPECT_EQ((*tokenizer)->specials().bos, 0);
  EXPECT_EQ((*tokenizer)->specials().eos, 1);
  EXPECT_THAT((*tokenizer)->encode("", {.add_specials = true}), ElementsAre(0));
  for (TokenId id = 2; id < 400; ++id)
    EXPECT_LE((*tokenizer)->piece_bytes(id, true).size(), 4u) << id;
  EXPECT_EQ((*tokenizer)->piece(2), "!");
}

TEST(BpeTrainer, TokenizerJsonIsTheSameTokenizer) {
  const std::string text = words(5000, 4) + " 1234 e\u0301 é\n\n  x";
  for (const char* pre : {"gpt-2", "qwen2", "llama-bpe"}) {
    const Metadata made = train({text}, {.vocab = 350,
                                         .pretokenizer = pre,
                                         .control = {"<s>", "</s>"},
                                         .bos = "<s>",
                                         .eos = "</s>"});
    const auto json = write_tokenizer_json(made);
    ASSERT_TRUE(json) << json.error().to_string();
    Metadata read;
    read.set_string(raw_key::kTokenizerJson, *json);
    ASSERT_TRUE(canonicalize_tokenizer(read));
    const auto ours = make_tokenizer(made), theirs = make_tokenizer(read);
    ASSERT_TRUE(theirs) << theirs.error().to_string();
    const EncodeOptions both{.add_specials = true, .parse_specials = true};
    for (const std::string_view probe : {std::string_view(text), std::string_view("<s>a</s>9 b")})
      EXPECT_EQ((*ours)->encode(probe, both), (*theirs)->encode(probe, both)) << pre;
  }
  Metadata other;
  other.set_string("tokenizer.ggml.model", "llama");
  other.set_string("tokenizer.ggml.pre", "default");
  EXPECT_FALSE(write_tokenizer_json(other));
}

TEST(BpeTrainer, ControlTokensAreNotLearned) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "ab<|end|>";
  const Metadata made =
      train({text}, {.vocab = 258, .pretokenizer = "gpt-2", .control = {"<|end|>"}});
  EXPECT_THAT(merges_of(made), ElementsAre("a b"));
  EXPECT_THAT(problem(text, {.vocab = 259, .control = {"<|end|>"}}),
              HasSubstr("vocab_too_large: the text has pairs for 258 tokens only, 259"));
}

TEST(BpeTrainer, RefusesWhatCannotBe) {
  EXPECT_THAT(problem("a", {.vocab = 256, .control = {"x"}}), HasSubstr("vocab_too_small"));
  EXPECT_THAT(problem("a", {.vocab = std::int64_t{1} << 40}), HasSubstr("vocab_too_large"));
  EXPECT_THAT(problem("a", {.control = {""}}), HasSubstr("control_invalid"));
  EXPECT_THAT(problem("a", {.control = {"x", "x"}}), HasSubstr("twice"));
  EXPECT_THAT(problem("a", {.control = {"x"}, .eos = "y"}), HasSubstr("not among"));
  EXPECT_THAT(problem("a", {.pretokenizer = "nonsense"}), HasSubstr("tokenizer_unsupported"));
  EXPECT_THAT(problem("", {}), HasSubstr("vocab_too_large"));
  EXPECT_THAT(problem("ab", {.vocab = 257}), HasSubstr("vocab_too_large"));
  EXPECT_EQ(problem("ab", {.vocab = 257, .rarest = 1}), "good");
}

TEST(BpeTrainer, AgreesWithAPublishedTrainer) {
  const auto data = std::filesystem::path(BANTAM_SHARED_DATA) / "tokenizers/bpe-training";
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "needs " << data;
  const std::string text = *read_file(data / "corpus.en", 1 << 20);
  const Metadata made =
      train({text},
            {.vocab = 500, .pretokenizer = "gpt-2", .control = {"<|endoftext|>"}, .longest = 1000});
  std::string lines;
  for (const std::string& merge : merges_of(made)) lines += merge + "\n";
  EXPECT_EQ(lines, *read_file(data / "train-bpe-reference-merges.txt", 1 << 20));
  const auto vocab = parse_json(*read_file(data / "train-bpe-reference-vocab.json", 1 << 20));
  const std::vector<std::string>& tokens = **made.strings("tokenizer.ggml.tokens");
  ASSERT_EQ(vocab->get_object().size(), tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i)
    EXPECT_EQ(vocab->get_object().at(tokens[i]).as_int64(), static_cast<std::int64_t>(i));
}

}  // namespace
}  // namespace bantam
