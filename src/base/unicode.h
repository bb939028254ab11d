// UTF-8 and the few questions about characters that the rest of the program asks.
//
// Bytes are never trusted to be UTF-8. Decoding reports an invalid sequence together with how many
// bytes it takes up, so that every caller moves on in the same way: the longest prefix of a valid
// sequence counts as one invalid character (the rule of Unicode 15, section 3.9, table 3-8).
// Every function is pure and may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bantam {

inline constexpr char32_t kReplacementChar = 0xFFFD;

struct DecodedChar {
  char32_t codepoint;  // kReplacementChar when invalid
  std::size_t bytes;   // 1 to 4 (1 to 3 when invalid); 0 only for an empty view
  bool valid;
};

// The first character of `text`.
DecodedChar decode_utf8(std::string_view text);

// Appends a code point (at most 0x10FFFF, no surrogate; anything else becomes U+FFFD).
void append_utf8(std::string& out, char32_t codepoint);

bool is_valid_utf8(std::string_view text);

// Offset of the first byte that is not part of valid UTF-8; text.size() when all is valid.
std::size_t first_invalid_utf8(std::string_view text);

// Each invalid sequence replaced by U+FFFD.
std::string repair_utf8(std::string_view text);

// How many bytes at the end of `text` may still become a character when more bytes follow: 0 to 3.
// What streaming keeps back.
std::size_t incomplete_utf8_tail(std::string_view text);

// The general category of a code point, by utf8proc (Unicode 15.0); kCn past U+10FFFF.
// clang-format off
enum class GeneralCategory : std::uint8_t {
  kCn, kLu, kLl, kLt, kLm, kLo, kMn, kMc, kMe, kNd, kNl, kNo, kPc, kPd, kPs, kPe,
  kPi, kPf, kPo, kSm, kSc, kSk, kSo, kZs, kZl, kZp, kCc, kCf, kCs, kCo,
};
// clang-format on
GeneralCategory general_category(char32_t c);

// Groups of categories. White space is the property White_Space.
bool is_letter(char32_t c);       // L*
bool is_number(char32_t c);       // N*
bool is_mark(char32_t c);         // M*
bool is_punctuation(char32_t c);  // P*
bool is_symbol(char32_t c);       // S*
bool is_control(char32_t c);      // Cc, Cf, Cn, Co, Cs
bool is_whitespace(char32_t c);
bool is_upper(char32_t c);      // Lu, Lt
bool is_lower(char32_t c);      // Ll
char32_t to_lower(char32_t c);  // simple case mapping
char32_t to_upper(char32_t c);

enum class Normalization : std::uint8_t { kNfc, kNfd, kNfkc, kNfkd };

// Normalised text. Invalid sequences are replaced by U+FFFD first. Linear in time.
std::string normalize(std::string_view text, Normalization form);

}  // namespace bantam
