#include "tokenizer/known_vocabularies.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace bantam {
namespace {

std::vector<NamedId> gpt2_specials() { return {{50256, "<|endoftext|>"}}; }

std::vector<NamedId> gpt4_specials() {
  return {{100257, "<|endoftext|>"},
          {100258, "<|fim_prefix|>"},
          {100259, "<|fim_middle|>"},
          {100260, "<|fim_suffix|>"},
          {100276, "<|endofprompt|>"}};
}

std::vector<NamedId> gpt4o_specials() {
  return {{199999, "<|endoftext|>"}, {200018, "<|endofprompt|>"}};
}

// Llama 3.1 and later; 3.0 has reserved tokens in the places of 128004 and 128008.
std::vector<NamedId> llama3_specials() {
  constexpr std::size_t kFirst = 128000, kEnd = 128256;
  std::vector<NamedId> out = {{kFirst, "<|begin_of_text|>"},
                              {kFirst + 1, "<|end_of_text|>"},
                              {kFirst + 2, ""},
                              {kFirst + 3, ""},
                              {kFirst + 4, "<|finetune_right_pad_id|>"},
                              {kFirst + 5, ""},
                              {kFirst + 6, "<|start_header_id|>"},
                              {kFirst + 7, "<|end_header_id|>"},
                              {kFirst + 8, "<|eom_id|>"},
                              {kFirst + 9, "<|eot_id|>"},
                              {kFirst + 10, "<|python_tag|>"}};
  while (out.size() < kEnd - kFirst) out.push_back({kFirst + out.size(), ""});
  std::size_t reserved = 0;
  for (NamedId& token : out)
    if (token.text.empty()) token.text = fmt::format("<|reserved_special_token_{}|>", reserved++);
  return out;
}

std::vector<NamedId> qwen_specials() {
  return {{151643, "<|endoftext|>"}, {151644, "<|im_start|>"}, {151645, "<|im_end|>"}};
}

constexpr std::array<KnownVocabulary, 6> kKnown = {{
    {50256, "gpt-2", gpt2_specials, "<|endoftext|>", "<|endoftext|>"},
    {50257, "gpt-2", gpt2_specials, "<|endoftext|>", "<|endoftext|>"},
    {100256, "gpt-4", gpt4_specials, "", "<|endoftext|>"},
    {128000, "llama-bpe", llama3_specials, "<|begin_of_text|>", "<|end_of_text|>"},
    {151643, "qwen2", qwen_specials, "", "<|endoftext|>"},
    {199998, "gpt-4o", gpt4o_specials, "", "<|endoftext|>"},
}};

}  // namespace

const KnownVocabulary* known_vocabulary(std::size_t tokens) {
  const auto* found = std::ranges::find(kKnown, tokens, &KnownVocabulary::tokens);
  return found == kKnown.end() ? nullptr : found;
}

std::string unused_piece(std::size_t id) { return fmt::format("[unused {}]", id); }

}  // namespace bantam
