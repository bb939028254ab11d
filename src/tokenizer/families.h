// What a family of tokenizers provides; it builds on VocabTokenizer. One file a family (bpe.cpp,
// spm.cpp, unigram.cpp, wordpiece.cpp); make_tokenizer() chooses by tokenizer.ggml.model.
#pragma once

#include <memory>

#include "base/result.h"
#include "formats/metadata.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab.h"
#include "tokenizer/vocab_tokenizer.h"

namespace bantam {

using TokenizerResult = Result<std::shared_ptr<const Tokenizer>>;

TokenizerResult make_bpe(Vocab vocab, const Metadata& metadata);        // "gpt2"
TokenizerResult make_spm(Vocab vocab, const Metadata& metadata);        // "llama"
TokenizerResult make_unigram(Vocab vocab, const Metadata& metadata);    // "t5", "unigram"
TokenizerResult make_wordpiece(Vocab vocab, const Metadata& metadata);  // "bert"

}  // namespace bantam
