// /post_processor of tokenizer.json: what stands around a text.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace bantam {

struct Surroundings {
  std::vector<std::int32_t> prefix, suffix;
};

// For single texts (pairs are for classifiers of two). `value` may be null. `find` knows the ids of
// spellings. Known types: TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel (which
// adds nothing), Sequence. Errors: kUnsupported "tokenizer_unsupported" for another type,
// kMalformed "tokenizer_invalid".
Result<Surroundings> read_post_processor(
    const Json& value, const std::function<std::optional<TokenId>(std::string_view)>& find);

}  // namespace bantam
