// tokenizer.bin of llama2.c → canonical metadata.
//
// Format: i32 length of the longest piece, then for each token f32 score, i32 length, its bytes, to
// the end of the file; all little-endian. Pieces spell a space as itself, and BOS and EOS stand
// between line feeds.
#include <bit>
#include <cmath>

#include "tokenizer/fallback.h"
#include "tokenizer/import.h"
#include "tokenizer/space_rules.h"
#include "tokenizer/vocab.h"

namespace bantam {
namespace {

template <typename... Args>
std::unexpected<Error> malformed(std::size_t offset, fmt::format_string<Args...> format,
                                 Args&&... args) {
  auto error =
      fail(ErrorKind::kMalformed, "tokenizer_invalid", format, std::forward<Args>(args)...);
  return std::unexpected(std::move(error).error().in(fmt::format("byte {}", offset)));
}

std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

std::string with_space_marks(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ')
      out += kSpaceMark;
    else
      out += c;
  }
  return out;
}

void append(std::string_view text, float score, ImportedVocab& vocab) {
  const auto id = static_cast<TokenId>(vocab.pieces.size());
  auto type = TokenType::kNormal;
  if (id < 3 && text.size() > 2 && text.starts_with('\n') && text.ends_with('\n'))
    text = text.substr(1, text.size() - 2);
  if (id == 0 && text == "<unk>") {
    type = TokenType::kUnknown;
    vocab.unknown = id;
  } else if (id == 1 && text == "<s>") {
    type = TokenType::kControl;
    vocab.bos = id;
  } else if (id == 2 && text == "</s>") {
    type = TokenType::kControl;
    vocab.eos = id;
  } else if (is_byte_piece(text)) {
    type = TokenType::kByte;
  }
  vocab.pieces.push_back(with_space_marks(text));
  vocab.scores.push_back(score);
  vocab.types.push_back(type);
}

}  // namespace

Result<ImportedVocab> import_llama2c(std::string_view bytes, Metadata& out) {
  if (bytes.size() < 4) return malformed(0, "expected at least 4 bytes, found {}", bytes.size());
  ImportedVocab vocab;
  for (std::size_t at = 4; at < bytes.size();) {
    if (bytes.size() - at < 8)
      return malformed(at, "expected a score and a length (8 bytes), found {}", bytes.size() - at);
    const auto score = std::bit_cast<float>(read_u32(bytes, at));
    const std::size_t length = read_u32(bytes, at + 4);
    if (std::isnan(score)) return malformed(at, "the score is not a number");
    if (length > bytes.size() - at - 8)
      return malformed(at + 4, "token {} claims {} bytes, {} are left", vocab.pieces.size(), length,
                       bytes.size() - at - 8);
    if (length > kMaxPieceBytes || vocab.pieces.size() == kMaxVocabSize)
      return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                  "token {} at byte {}: {} bytes; at most {} tokens of {} bytes",
                  vocab.pieces.size(), at, length, kMaxVocabSize, kMaxPieceBytes);
    append(bytes.substr(at + 8, length), score, vocab);
    at += 8 + length;
  }
  if (vocab.pieces.empty()) return malformed(4, "expected tokens, found the end of the file");
  out.set_string("tokenizer.ggml.model", "llama");
  out.set_string("tokenizer.ggml.pre", "default");
  SpaceRules().to_metadata(out);
  return vocab;
}

}  // namespace bantam
