// LINK: bantam_chat
//
// Rendering: a template that parses ends, within its limits, with text or with an error. What it
// gives is at most the limit, and marks lie inside the text and do not overlap.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/unicode.h"
#include "chat/jinja/template.h"
#include "chat/jinja/text.h"

namespace {

const bantam::jinja::Template::Inputs& inputs() {
  static const auto made = [] {
    using namespace bantam;
    const Json json = *parse_json(
        R"({"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi é"},
            {"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f",
            "arguments":{"x":[1,2.5,true,null]}}}]}],"tools":[{"type":"function"}],
            "add_generation_prompt":true,"bos_token":"<s>","n":7,"s":"a,b;c"})");
    jinja::Template::Inputs list;
    for (const auto& [name, value] : json.as_object()) {
      list.emplace_back(name, *jinja::from_json(value, true, ""));
    }
    return list;
  }();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bantam;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = jinja::Template::parse(text);
  if (!parsed) return 0;
  const jinja::Limits limits{.fuel = 20'000, .calls = 16, .string_bytes = 1u << 16};
  const auto rendered = (*parsed)->render(inputs(), limits);
  if (!rendered) {
    CHECK(!rendered.error().code.empty());
    CHECK(rendered.error().to_string().size() <= 1024);
    return 0;
  }
  const jinja::Text& out = **rendered;
  CHECK(out.bytes.size() <= limits.string_bytes);
  CHECK(is_valid_utf8(out.bytes));
  CHECK(out.characters == jinja::count_characters(out.bytes));
  std::size_t end = 0;
  for (const jinja::Span& span : out.input) {
    CHECK(span.begin < span.end && span.end <= out.bytes.size());
    CHECK(end == 0 || span.begin > end);  // neither overlapping nor touching
    end = span.end;
  }
  return 0;
}
