// LINK: bantam_base
//
// Bytes as text: decoding always moves on, repairing gives valid UTF-8, and every normal form is
// valid and stable.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bantam;
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  std::string rebuilt;
  bool all_valid = true;
  for (std::size_t at = 0; at < text.size();) {
    const DecodedChar next = decode_utf8(text.substr(at));
    CHECK(next.bytes >= 1 && next.bytes <= 4 && at + next.bytes <= text.size());
    if (!next.valid && all_valid) {
      CHECK(first_invalid_utf8(text) == at);
      all_valid = false;
    }
    append_utf8(rebuilt, next.codepoint);
    at += next.bytes;
  }
  CHECK(is_valid_utf8(text) == all_valid);
  CHECK(repair_utf8(text) == rebuilt);
  CHECK(is_valid_utf8(rebuilt));
  CHECK(!all_valid || rebuilt == text);
  CHECK(incomplete_utf8_tail(text) <= 3);

  for (const Normalization form :
       {Normalization::kNfc, Normalization::kNfd, Normalization::kNfkc, Normalization::kNfkd}) {
    const std::string normal = normalize(text, form);
    CHECK(is_valid_utf8(normal));
    CHECK(normalize(normal, form) == normal);
  }
  CHECK(quoted(text).size() <= 64 * 12 + 5);  // a character may be three escaped bytes
  return 0;
}
