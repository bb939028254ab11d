#include "tokenizer/tokenizer.h"

#include <algorithm>

#include "tokenizer/families.h"

namespace bantam {

bool SpecialTokens::ends_generation(TokenId id) const {
  return std::ranges::binary_search(end_of_generation, id);
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool show_control) const {
  std::string out;
  bool drop = drops_leading_space();
  for (const TokenId id : ids) {
    const std::string bytes = piece_bytes(id, show_control);
    if (bytes.empty()) continue;
    out += std::string_view(bytes).substr(drop && bytes.starts_with(' ') ? 1 : 0);
    drop = false;
  }
  return out;
}

Result<std::shared_ptr<const Tokenizer>> make_tokenizer(const Metadata& metadata) {
  constexpr std::string_view kModel = "tokenizer.ggml.model";
  if (!metadata.contains(kModel))
    return fail(ErrorKind::kNotFound, "no_tokenizer", "no vocabulary: {} is missing", kModel);
  const std::string model = TRY(metadata.string(kModel));
  TokenizerResult (*make)(Vocab, const Metadata&) = nullptr;
  if (model == "gpt2") make = make_bpe;
  if (model == "llama") make = make_spm;
  if (model == "t5" || model == "unigram") make = make_unigram;
  if (model == "bert") make = make_wordpiece;
  if (make == nullptr)
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "unknown tokenizer {}; known are \"gpt2\" (byte-level BPE), \"llama\" "
                "(SentencePiece BPE), \"t5\" (Unigram) and \"bert\" (WordPiece)",
                quoted(model));
  Vocab vocab = TRY(Vocab::from_metadata(metadata));
  return make(std::move(vocab), metadata);
}

}  // namespace bantam
