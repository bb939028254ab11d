#include "tokenizer/seams.h"

#include <algorithm>
#include <bit>

#include "base/unicode.h"

namespace bantam {
namespace {

constexpr char32_t kSpaceMark = U'▁';

// A broken byte counts as a character of its own, apart from all others.
char32_t next_char(std::string_view& text) {
  const DecodedChar next = decode_utf8(text);
  const auto first = static_cast<unsigned char>(text[0]);
  text.remove_prefix(next.bytes);
  return next.valid ? next.codepoint : 0x110000u + first;
}

}  // namespace

Seams::Seams(const Vocab& vocab) {
  std::size_t bytes = 0;
  for (TokenId id = 0; vocab.contains(id); ++id)
    if (is_plain(vocab.type(id))) bytes += vocab.piece(id).size();
  // Four bits a byte of spelling keep the share of set bits, and so of false answers, low.
  const int log2_bits = std::clamp(static_cast<int>(std::bit_width(4 * bytes)), 12, 24);
  bits_.resize(std::size_t{1} << (log2_bits - 6));
  shift_ = 64 - log2_bits;
  for (TokenId id = 0; vocab.contains(id); ++id)
    if (is_plain(vocab.type(id))) add(vocab.piece(id));
}

void Seams::add(std::string_view piece) {
  if (piece.empty()) return;
  for (char32_t left = next_char(piece); !piece.empty();) {
    const char32_t right = next_char(piece);
    const std::size_t at = slot(left, right);
    bits_[at / 64] |= std::uint64_t{1} << (at % 64);
    left = right;
  }
}

std::size_t Seams::slot(char32_t left, char32_t right) const {
  const std::uint64_t both = std::uint64_t{left} << 32 | right;
  return static_cast<std::size_t>((both * 0x9E3779B97F4A7C15u) >> shift_);
}

std::size_t Seams::next(std::string_view text, bool at_words) const {
  std::string_view rest = text;
  for (char32_t left = next_char(rest); !rest.empty();) {
    const std::size_t here = text.size() - rest.size();
    const char32_t right = next_char(rest);
    const std::size_t at = slot(left, right);
    const bool joins = (bits_[at / 64] >> (at % 64) & 1) != 0;
    if (!joins || (at_words && right == kSpaceMark)) return here;
    left = right;
  }
  return text.size();
}

}  // namespace bantam
