#include "tokenizer/byte_alphabet.h"

#include "base/unicode.h"

namespace bantam {
namespace {

constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char16_t, 256> make_alphabet() {
  std::array<char16_t, 256> characters{};
  char16_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte)
    characters[byte] = stands_for_itself(byte) ? static_cast<char16_t>(byte) : next++;
  return characters;
}

constexpr std::array<char16_t, 256> kAlphabet = make_alphabet();

constexpr std::array<std::int16_t, 0x144> make_bytes() {
  std::array<std::int16_t, 0x144> bytes{};
  bytes.fill(-1);
  for (unsigned byte = 0; byte < 256; ++byte)
    bytes[kAlphabet[byte]] = static_cast<std::int16_t>(byte);
  return bytes;
}

constexpr std::array<std::int16_t, 0x144> kBytes = make_bytes();

}  // namespace

const std::array<char16_t, 256>& byte_alphabet() { return kAlphabet; }

void append_spelling(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const char16_t spelled = kAlphabet[static_cast<unsigned char>(c)];
    if (spelled < 0x80) {
      out += static_cast<char>(spelled);
    } else {
      out += static_cast<char>(0xC0 | (spelled >> 6));
      out += static_cast<char>(0x80 | (spelled & 0x3F));
    }
  }
}

std::optional<std::string> spelled_bytes(std::string_view spelling) {
  std::string out;
  out.reserve(spelling.size());
  while (!spelling.empty()) {
    const DecodedChar c = decode_utf8(spelling);
    if (!c.valid || c.codepoint >= kBytes.size() || kBytes[c.codepoint] < 0) return std::nullopt;
    out += static_cast<char>(kBytes[c.codepoint]);
    spelling.remove_prefix(c.bytes);
  }
  return out;
}

}  // namespace bantam
