#include "tokenizer/byte_vocabulary.h"

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tokenizer/byte_alphabet.h"

namespace bantam {

void add_byte_vocabulary(Metadata& metadata, std::int64_t size) {
  CHECK(size >= kLeastByteVocabulary, "a vocabulary of {}", size);
  const auto spelled = [](std::string_view bytes) {
    std::string piece;
    append_spelling(piece, bytes);
    return piece;
  };
  const std::pair<std::string_view, std::string_view> merges[] = {
      {"h", "e"}, {" ", "t"},   {"i", "n"}, {" ", "a"},  {"e", "r"}, {"o", "n"},
      {"r", "e"}, {" t", "he"}, {"a", "n"}, {"in", "g"}, {" ", "s"}, {"l", "l"}};
  std::vector<std::string> tokens, rules;
  std::vector<std::int32_t> types;
  const auto add = [&](std::string piece, std::int32_t type) {
    tokens.push_back(std::move(piece));
    types.push_back(type);
  };
  constexpr std::int32_t kNormal = 1, kControl = 3, kUnused = 5;
  for (int byte = 0; byte < 256; ++byte)
    add(spelled(std::string(1, static_cast<char>(byte))), kNormal);
  for (const auto& [left, right] : merges) {
    add(spelled(left) + spelled(right), kNormal);
    rules.push_back(spelled(left) + " " + spelled(right));
  }
  add("<|begin|>", kControl);
  add("<|end|>", kControl);
  while (static_cast<std::int64_t>(tokens.size()) < size)
    add(fmt::format("<|unused_{}|>", tokens.size()), kUnused);

  metadata.set_string("tokenizer.ggml.model", "gpt2");
  metadata.set_string("tokenizer.ggml.pre", "gpt-2");
  metadata.set_strings("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set_i32s("tokenizer.ggml.token_type", types);
  metadata.set_strings("tokenizer.ggml.merges", std::move(rules));
  metadata.set_u32("tokenizer.ggml.bos_token_id", kByteBeginToken);
  metadata.set_u32("tokenizer.ggml.eos_token_id", kByteEndToken);
  metadata.set_bool("tokenizer.ggml.add_bos_token", false);
}

}  // namespace bantam
