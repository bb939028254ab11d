// LINK: bantam_tokenizer
//
// tokenizer.json: anything that is taken for a tokenizer encodes any text to ids of its own and
// decodes them, streamed or whole, without harm; everything else is an error that names a place.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unicode.h"
#include "formats/metadata.h"
#include "tokenizer/import.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace {

// What a tokenizer must survive, whatever its vocabulary: words, digits, spaces, several scripts,
// marks, broken UTF-8, special-looking text.
constexpr std::string_view kTexts[] = {"",
                                       "hello world",
                                       "  a  b\n\n\tc ",
                                       "1234 5.6",
                                       "caf\xC3\xA9 \xE6\x97\xA5\xE6\x9C\xAC e\xCC\x81",
                                       "\xF0\x9F\xA6\x86\xEF\xB8\x8F",
                                       "\xFF\xFE\x80 \xED\xA0\x80",
                                       "<s>[CLS]<|im_end|></s>"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bantam;
  Metadata metadata;
  metadata.set_string(raw_key::kTokenizerJson,
                      std::string(reinterpret_cast<const char*>(data), size));
  const Result<void> imported = canonicalize_tokenizer(metadata);
  if (!imported) {
    CHECK(!imported.error().code.empty() && imported.error().to_string().size() <= 1024);
    return 0;
  }
  const auto tokenizer = make_tokenizer(metadata);
  if (!tokenizer) {
    CHECK(!tokenizer.error().code.empty() && tokenizer.error().to_string().size() <= 1024);
    return 0;
  }
  for (const std::string_view text : kTexts) {
    for (const bool specials : {false, true}) {
      const auto ids =
          (*tokenizer)->encode(text, {.add_specials = specials, .parse_specials = specials});
      StreamDecoder decoder(**tokenizer, {}, specials);
      std::string streamed;
      for (const TokenId id : ids) {
        CHECK(id >= 0 && static_cast<std::size_t>(id) < (*tokenizer)->vocab_size());
        streamed += decoder.push(id);
      }
      streamed += decoder.finish();
      CHECK(streamed == repair_utf8((*tokenizer)->decode(ids, specials)));
    }
  }
  return 0;
}
