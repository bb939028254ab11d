// The tokens with a role, from metadata: ids that keys name, what add_specials adds, and every
// token that ends a generation.
//
// Not all files name their roles: where a key is absent, the conventions of the family hold
// (SentencePiece: 1 is BOS, 2 EOS; BERT: [CLS] … [SEP]), and tokens that models are known to end
// their turns with ("<|im_end|>", "<|eot_id|>", …) end a generation wherever a vocabulary has them
// as control or user-defined tokens.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/metadata.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab.h"

namespace bantam {

// Errors: kMalformed "tokenizer_invalid" for an id out of range, naming the key.
Result<SpecialTokens> read_special_tokens(const Metadata& metadata, const Vocab& vocab);

// Token ids listed under `key`, each checked against the vocabulary; empty when absent.
Result<std::vector<TokenId>> read_token_ids(const Metadata& metadata, std::string_view key,
                                            const Vocab& vocab);

// Spellings that end a turn, the likeliest end-of-turn token first.
std::span<const std::string_view> turn_endings();

}  // namespace bantam
