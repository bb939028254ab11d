// LINK: bantam_tokenizer
//
// A SentencePiece model or a tokenizer.bin of llama2.c from anywhere: an error with a place, or a
// tokenizer that encodes any text to ids of its vocabulary. The first byte says which of the two
// the rest is.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "formats/metadata.h"
#include "tokenizer/import.h"
#include "tokenizer/tokenizer.h"

namespace {

void check_error(const bantam::Error& error) {
  CHECK(!error.code.empty());
  CHECK(error.to_string().size() <= 1024);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bantam;
  if (size == 0) return 0;
  const std::string_view file(reinterpret_cast<const char*>(data) + 1, size - 1);
  Metadata metadata;
  metadata.set_string(data[0] == 'b' ? raw_key::kTokenizerBin : raw_key::kTokenizerModel,
                      std::string(file));
  if (const Result<void> done = canonicalize_tokenizer(metadata); !done) {
    check_error(done.error());
    return 0;
  }
  const auto made = make_tokenizer(metadata);
  if (!made) {
    check_error(made.error());
    return 0;
  }
  const Tokenizer& tokenizer = **made;
  const std::string_view end_of_file =
      file.substr(file.size() - std::min<std::size_t>(file.size(), 256));
  for (const std::string_view text : {std::string_view(" Aab  b\u00E9\u2581a</s>"), end_of_file}) {
    for (const bool specials : {false, true}) {
      const auto ids =
          tokenizer.encode(text, {.add_specials = specials, .parse_specials = specials});
      for (const TokenId id : ids)
        CHECK(id >= 0 && static_cast<std::size_t>(id) < tokenizer.vocab_size());
      tokenizer.decode(ids, specials);
    }
  }
  return 0;
}
