// A byte-level BPE vocabulary as tokenizer.json, which Hugging Face's programs read.
#pragma once

#include <string>

#include "base/result.h"
#include "formats/metadata.h"

namespace bantam {

// Of the metadata that train_bpe() makes or a GGUF file of such a vocabulary holds: tokens, merges,
// how text is cut, and the BOS before it. canonicalize_tokenizer() reads it back as the same
// tokenizer. kUnsupported "tokenizer_unsupported" for other families.
Result<std::string> write_tokenizer_json(const Metadata& metadata);

}  // namespace bantam
