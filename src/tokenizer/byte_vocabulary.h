// A vocabulary for models that have none of their own: every text can be spelled in it.
#pragma once

#include <cstdint>

#include "formats/metadata.h"

namespace bantam {

// A byte-level BPE vocabulary in the GPT-2 style, as tokenizer.ggml.* keys: ids 0 to 255 are the
// bytes, then the tokens of twelve merges, then "<|begin|>" (BOS), "<|end|>" (EOS), and unused
// tokens up to `size`, which is at least kLeastByteVocabulary.
inline constexpr std::int64_t kLeastByteVocabulary = 270;
inline constexpr std::int32_t kByteBeginToken = 268, kByteEndToken = 269;
void add_byte_vocabulary(Metadata& metadata, std::int64_t size);

}  // namespace bantam
