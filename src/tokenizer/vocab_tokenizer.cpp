#include "tokenizer/vocab_tokenizer.h"

#include <algorithm>

namespace bantam {

VocabTokenizer::VocabTokenizer(Vocab vocab, std::optional<Normalizer> normalizer,
                               std::string description)
    : vocab_(std::move(vocab)),
      normalizer_(std::move(normalizer)),
      description_(std::move(description)) {
  if (normalizer_ && normalizer_->empty()) normalizer_.reset();
  std::vector<SpecialSplitter::Entry> raw, normalized;
  for (const AddedToken& token : vocab_.added()) {
    std::string text(vocab_.piece(token.id));
    if (token.normalized && normalizer_) {
      text = normalizer_->apply(text);
      if (!text.empty()) normalized.push_back({std::move(text), token});
    } else {
      raw.push_back({std::move(text), token});
    }
  }
  raw_ = SpecialSplitter(std::move(raw));
  normalized_ = SpecialSplitter(std::move(normalized));
}

std::vector<TokenId> VocabTokenizer::encode(std::string_view text,
                                            const EncodeOptions& options) const {
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 3 + 8);
  if (options.add_specials) ids = specials().prefix;
  bool at_start = true;
  for (const TextPart& part : raw_.split(text, options.parse_specials, options.plain_ranges)) {
    if (part.token >= 0) {
      if (at_start && vocab_.type(part.token) == TokenType::kUserDefined)
        begin_with_user_defined(ids);
      ids.push_back(part.token);
    } else {
      // Normalisation moves bytes, so a stretch that holds a part of a plain range is plain whole.
      const auto begin = static_cast<std::size_t>(part.text.data() - text.data());
      const auto range = std::ranges::upper_bound(options.plain_ranges, begin, {}, &ByteRange::end);
      const bool plain =
          range != options.plain_ranges.end() && range->begin < begin + part.text.size();
      encode_stretch(part.text, at_start, options.parse_specials && !plain, ids);
    }
    at_start = false;
  }
  if (options.add_specials)
    ids.insert(ids.end(), specials().suffix.begin(), specials().suffix.end());
  return ids;
}

void VocabTokenizer::encode_stretch(std::string_view text, bool at_start, bool parse_specials,
                                    std::vector<TokenId>& ids) const {
  if (!normalizer_) return encode_text(text, at_start, ids);
  const std::string normal = normalizer_->apply(text);
  if (normalized_.empty()) {
    if (!normal.empty()) encode_text(normal, at_start, ids);
    return;
  }
  for (const TextPart& part : normalized_.split(normal, parse_specials)) {
    if (part.token >= 0)
      ids.push_back(part.token);
    else
      encode_text(part.text, at_start, ids);
    at_start = false;
  }
}

std::string VocabTokenizer::piece_bytes(TokenId id, bool show_control) const {
  if (!vocab_.contains(id)) return {};
  switch (vocab_.type(id)) {
    case TokenType::kControl:
    case TokenType::kUnknown:
      return show_control ? std::string(vocab_.piece(id)) : std::string();
    case TokenType::kUserDefined:
      return std::string(vocab_.piece(id));
    case TokenType::kNormal:
    case TokenType::kUnused:
    case TokenType::kByte:
      break;
  }
  return normal_bytes(id);
}

std::string_view VocabTokenizer::piece(TokenId id) const {
  return vocab_.contains(id) ? vocab_.piece(id) : std::string_view();
}

TokenType VocabTokenizer::type(TokenId id) const {
  return vocab_.contains(id) ? vocab_.type(id) : TokenType::kUnused;
}

}  // namespace bantam
