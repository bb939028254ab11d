#include "tokenizer/fallback.h"

#include <algorithm>

namespace bantam {

bool is_byte_piece(std::string_view piece) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with('>') && hex(piece[3]) &&
         hex(piece[4]);
}

Result<Fallback> Fallback::from_metadata(const Vocab& vocab, const Metadata& metadata) {
  Fallback fallback;
  fallback.fuse_ = TRY(metadata.boolean_or(kFuseUnknownKey, true));
  fallback.unknown_ = vocab.specials().unknown;
  for (TokenId id = 0; vocab.contains(id) && !fallback.unknown_; ++id)
    if (vocab.type(id) == TokenType::kUnknown) fallback.unknown_ = id;
  for (std::size_t byte = 0; byte < 256; ++byte)
    fallback.bytes_[byte] = vocab.byte_token(static_cast<std::uint8_t>(byte)).value_or(-1);
  fallback.has_all_bytes_ =
      std::ranges::all_of(fallback.bytes_, [](TokenId id) { return id >= 0; });
  if (!fallback.has_all_bytes_ && !fallback.unknown_)
    return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                "expected an unknown token or tokens for all 256 bytes, found neither");
  return fallback;
}

void Fallback::append(std::string_view character, std::size_t first,
                      std::vector<TokenId>& ids) const {
  const auto token = [&](char c) { return bytes_[static_cast<unsigned char>(c)]; };
  if (std::ranges::all_of(character, [&](char c) { return token(c) >= 0; })) {
    for (const char c : character) ids.push_back(token(c));
  } else if (!(fuse_ && ids.size() > first && ids.back() == *unknown_)) {
    ids.push_back(*unknown_);
  }
}

}  // namespace bantam
