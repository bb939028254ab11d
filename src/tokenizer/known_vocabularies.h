// Vocabularies that are published as bare ranks or merges, without a word on how text is cut or
// which special tokens follow: known by their number of ordinary tokens.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bantam {

struct NamedId {
  std::size_t id;
  std::string text;
};

struct KnownVocabulary {
  std::size_t tokens;             // ordinary ones
  std::string_view pretokenizer;  // tokenizer.ggml.pre
  // The special tokens of the model's makers, for files that come without any.
  std::vector<NamedId> (*specials)();
  std::string_view bos, eos;  // empty: none
};

// nullptr if no known vocabulary has so many tokens.
const KnownVocabulary* known_vocabulary(std::size_t tokens);

// The spelling of an id that no source names: "[unused 17]".
std::string unused_piece(std::size_t id);

}  // namespace bantam
