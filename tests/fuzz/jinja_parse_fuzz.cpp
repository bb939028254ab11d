// LINK: bantam_chat
//
// Templates: any text parses or ends with a short error that has a code.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "chat/jinja/template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bantam;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = jinja::Template::parse(text);
  if (!parsed) {
    CHECK(!parsed.error().code.empty());
    CHECK(parsed.error().to_string().size() <= 1024);
  }
  return 0;
}
