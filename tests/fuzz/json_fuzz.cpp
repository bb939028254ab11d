// LINK: bantam_base
//
// JSON: what is read and written again reads the same, whatever the style; everything else is an
// error with a place.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "base/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bantam;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const JsonLimits limits{.max_bytes = 1u << 20, .max_depth = 32};
  const Result<Json> value = parse_json(text, limits);
  if (!value) {
    CHECK(!value.error().code.empty());
    CHECK(value.error().to_string().size() <= 1024);
    return 0;
  }
  for (const JsonStyle& style :
       {JsonStyle{}, JsonStyle{.indent = 2}, JsonStyle{.ascii = true, .sort_keys = true}}) {
    const std::string written = write_json(*value, style);
    CHECK(is_valid_utf8(written));
    // Indentation can make the text longer than the limit that the original kept.
    const Result<Json> again = parse_json(written, {.max_bytes = 64u << 20, .max_depth = 32});
    CHECK(again.has_value(), "{}", again.error().to_string());
    CHECK(*again == *value);
  }
  return 0;
}
