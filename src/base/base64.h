// Base64 with the standard alphabet (RFC 4648, section 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bantam {

// The bytes, or nothing if `text` is not base64: another character, a length or padding that no
// encoder writes, or bits set past the last byte. Padding must be there; white space must not.
std::optional<std::string> decode_base64(std::string_view text);

std::string encode_base64(std::string_view bytes);

}  // namespace bantam
