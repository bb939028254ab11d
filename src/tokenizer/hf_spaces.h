// The normalizer and pre-tokenizer of a tokenizer.json as SpaceRules and the steps that remain.
//
// Files spell the same few habits in many ways: Prepend and Replace at the end of the normalizer, a
// Metaspace pre-tokenizer with prepend_scheme or the older add_prefix_space, WhitespaceSplit before
// it. What is recognised as one of them becomes a rule; normalizer steps before it are kept as they
// are; any other pre-tokenizer is refused.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "formats/metadata.h"
#include "tokenizer/space_rules.h"

namespace bantam {

// Writes the keys of SpaceRules, tokenizer.ggml.precompiled_charsmap if that is all that is left of
// the normalizer, or else bantam.tokenizer.normalizer. kUnsupported "tokenizer_unsupported" names
// the JSON pointer.
Result<void> import_spaces(const JsonObject& root, Metadata& out);

// The member `name` of `object`; null if it is absent or JSON null.
const Json* json_member(const JsonObject& object, std::string_view name);
// Whether the member "type" of an object is this string.
bool json_type_is(const Json& value, std::string_view type);

}  // namespace bantam
