#include "tune/byte_vocabulary.h"

namespace bantam {

ByteVocabulary::ByteVocabulary(const Tokenizer& tokenizer) : bytes_(tokenizer.vocab_size()) {
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (tokenizer.specials().ends_generation(id)) {
      ends_.push_back(id);
      continue;
    }
    bytes_[i] = tokenizer.piece_bytes(id, false);
    if (!bytes_[i].empty()) order_.push_back(id);
  }
  std::ranges::sort(order_, [this](TokenId a, TokenId b) {
    return std::pair(std::string_view(bytes(a)), a) < std::pair(std::string_view(bytes(b)), b);
  });
}

}  // namespace bantam
