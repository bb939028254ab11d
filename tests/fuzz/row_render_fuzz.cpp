// LINK: bantam_data
//
// Rows through templates: the text before the first byte 0 is a template, the rest a JSON row.
// Whatever they are, the examples have a weight for every id, ids that the tokenizer has, and learn
// something of each; or there is an error with a code.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "data/render.h"
#include "tokenizer/byte_alphabet.h"

namespace {

using namespace bantam;

// Bytes, one merge that could straddle a seam, and two control tokens.
std::shared_ptr<const Tokenizer> make_bytes() {
  std::vector<std::string> pieces;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    append_spelling(pieces.emplace_back(), {&c, 1});
  }
  std::vector<std::int32_t> types(256, static_cast<std::int32_t>(TokenType::kNormal));
  for (const char* piece : {"ĊĊ", "<|im_start|>", "<|im_end|>"}) {
    pieces.emplace_back(piece);
    types.push_back(
        static_cast<std::int32_t>(piece[0] == '<' ? TokenType::kControl : TokenType::kNormal));
  }
  Metadata metadata;
  metadata.set_string("tokenizer.ggml.model", "gpt2");
  metadata.set_string("tokenizer.ggml.pre", "qwen2");
  metadata.set_strings("tokenizer.ggml.tokens", pieces);
  metadata.set_i32s("tokenizer.ggml.token_type", types);
  metadata.set_strings("tokenizer.ggml.merges", {"Ċ Ċ"});
  metadata.set_u32("tokenizer.ggml.eos_token_id", 258);
  auto made = make_tokenizer(metadata);
  CHECK(made.has_value(), "{}", made.error().to_string());
  return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::shared_ptr<const Tokenizer> tokenizer = make_bytes();
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t end = all.find('\0');
  if (end == all.npos) return 0;
  const auto chat = ChatTemplate::parse(all.substr(0, end), {{"eos_token", "<|im_end|>"}});
  const auto file = parse_rows(all.substr(end + 1), RowFormat::kJson, "fuzz", {});
  if (!chat || !file) return 0;
  const auto renderer = RowRenderer::create(*tokenizer, &*chat, {});
  if (!renderer) return 0;
  RenderCounts counts;
  for (const Row& row : file->rows) {
    const auto examples = renderer->render(row, counts);
    if (!examples) {
      CHECK(!examples.error().code.empty());
      continue;
    }
    for (const Example& example : *examples) {
      CHECK(!example.ids.empty() && example.ids.size() == example.weights.size());
      CHECK(example.weights[0] == 0 && example.source == row.line);
      for (const TokenId id : example.ids) CHECK(id >= 0 && id < 259);
      CHECK(std::ranges::any_of(example.weights, [](float w) { return w > 0; }));
      show_mask(*tokenizer, example, true);
    }
  }
  CHECK(counts.examples >= 0 && counts.unseen >= 0);
  return 0;
}
