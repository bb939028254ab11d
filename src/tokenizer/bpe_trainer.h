// Makes a byte-level BPE vocabulary from text (Sennrich et al., 2016; Radford et al., 2019).
//
// The text is cut into words by the pre-tokenizer and words are counted; then the most frequent
// pair of neighbours becomes a token, again and again, until the vocabulary is full. Of pairs as
// frequent the one whose bytes sort last wins (first by the left token, then by the right one), as
// published trainers have it: the same text gives the same vocabulary everywhere, with any number
// of threads. Only what stands next to a merge is counted again, so the time is that of reading the
// text.
//
// A vocabulary holds the control tokens, then the 256 bytes in the order of GPT-2's byte alphabet,
// then the merges in their order.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "formats/metadata.h"

namespace bantam {

struct BpeTrainerOptions {
  std::int64_t vocab = 4096;  // tokens in all; at most kMaxVocabSize
  // tokenizer.ggml.pre, which says how text is cut, wherever the vocabulary goes. "qwen2" makes
  // every digit a word of its own, "gpt-2" leaves numbers whole.
  std::string pretokenizer = "qwen2";
  // Spellings of control tokens. Where a text has one it is cut, and the spelling is not learned.
  std::vector<std::string> control = {};
  std::string bos = "", eos = "";  // names among them; a BOS is put before every text
  std::int64_t longest = 24;       // bytes of a token
  std::int64_t rarest = 2;         // times that a pair must have been seen
};

// tokenizer.ggml.* of the new vocabulary: for GGUF files as it is, for make_tokenizer(), or for
// write_tokenizer_json(). Errors, all kUsage: "vocab_too_small" for fewer tokens than the control
// tokens and the bytes; "vocab_too_large" if the text has no more pairs, saying how many tokens it
// gives; "control_invalid" for names that are empty, twice there, or not there (bos, eos);
// kUnsupported "tokenizer_unsupported" for an unknown pre-tokenizer.
Result<Metadata> train_bpe(std::span<const std::string_view> texts,
                           const BpeTrainerOptions& options, ThreadPool& pool);

}  // namespace bantam
