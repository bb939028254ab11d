// Distillation from a teacher with other tokens: byte by byte.
//
// Both models say something of the next byte of an answer. A model whose tokens of the answer end
// at some byte before, with the bytes r since then, gives byte c the sum of p over the tokens that
// begin with r c, and "the token ends here" the p of the token r: that is all bytes c for which it
// has no longer token. So the outcomes that both can tell apart are compared: each byte for which
// both have tokens, the end of the answer, and everything else as one. A coarser view of two
// distributions never makes them differ more, so that a teacher is matched where that can be seen.
//
// The loss of a token is the sum of the divergences at its bytes; the derivative by an outcome's
// logarithm is shared out to the tokens that make it up, by their probability. What is left out,
// and is the scheme's bias: a model that would spell the same bytes in another way than its
// tokenizer does has probability there that is not counted; and an outcome that one of the two
// finds impossible is left out of both.
//
// A teacher sees the row in its own template and tokens. Its answers must have the same bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "train/losses.h"
#include "tune/byte_vocabulary.h"
#include "tune/forward_pass.h"

namespace bantam {

// An answer's bytes, and where the tokens of them are.
struct ByteAnswer {
  std::string bytes;
  // Of every learned token, in order: its position in the example and its first byte. An end has
  // the number of bytes before it, as has what stands for none.
  struct Token {
    std::int64_t position = 0;
    std::size_t begin = 0;
    bool ends = false;
  };
  std::vector<Token> tokens;
};
// Of what an example learns, all its turns in a row.
ByteAnswer byte_answer(const Example& example, const ByteVocabulary& vocabulary);
// Whether both say the same and end at the same places.
bool same_answers(const ByteAnswer& one, const ByteAnswer& other);

// The teacher's examples are those of the same number, Example::number; their answers are the same.
struct ByteTeacher {
  std::shared_ptr<ForwardPass> pass;
  std::shared_ptr<const ByteVocabulary> vocabulary;
  std::vector<Example> examples;
};

std::unique_ptr<Objective> make_byte_distillation(const DistillationOptions& options,
                                                  std::shared_ptr<const ByteVocabulary> student,
                                                  ByteTeacher teacher, ThreadPool& pool);

}  // namespace bantam
