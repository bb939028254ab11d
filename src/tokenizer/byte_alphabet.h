// The byte alphabet of GPT-2: each of the 256 bytes as one printable character, so that any bytes
// can be spelled in a vocabulary of text. Printable Latin-1 characters stand for themselves, the
// other 68 bytes, in order, for U+0100 onwards: a space is "Ġ" (U+0120), a newline "Ċ" (U+010A).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bantam {

// The character that stands for each byte; all of them are below U+0144.
const std::array<char16_t, 256>& byte_alphabet();

// Appends the spelling of `bytes`.
void append_spelling(std::string& out, std::string_view bytes);

// The bytes that a spelling stands for; nothing if a character of it is not in the alphabet.
std::optional<std::string> spelled_bytes(std::string_view spelling);

}  // namespace bantam
