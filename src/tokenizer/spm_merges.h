// What two neighbouring symbols of a SentencePiece BPE become, and how urgent that is.
//
// Two sources: scores (a pair merges if its text is a token, and the best score goes first), as
// GGUF and *.model files have them; and a list of pairs, the first first, as tokenizer.json has it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/vocab.h"

namespace bantam {

// A list of strings; absent, scores count.
inline constexpr std::string_view kSpmMergesKey = "bantam.tokenizer.spm_merges";

struct SpmMerge {
  static constexpr std::uint32_t kNever = 0xFFFFFFFF;
  TokenId id = -1;
  std::uint32_t rank = kNever;  // lower goes first
};

class ScoreMerges {
 public:
  explicit ScoreMerges(const Vocab& vocab);  // keeps a reference

  // `joined` is the text of both symbols together.
  SpmMerge find(std::string_view joined, TokenId left, TokenId right) const;
  std::size_t ranks() const { return ranks_.size(); }  // ranks are below this

 private:
  // A token and part of the hash of its text, so that most texts that are none touch no more.
  struct Slot {
    std::uint32_t tag = 0;
    TokenId id = -1;  // -1: free
  };

  const Vocab& vocab_;
  std::vector<std::uint32_t> ranks_;  // by id; equal scores have equal ranks
  std::vector<Slot> slots_;           // open addressing, a power of two of them
  std::size_t longest_ = 0;           // bytes
};

class ListedMerges {
 public:
  // Each merge is "left right"; both and their concatenation must be tokens. Of two equal pairs the
  // first counts. kMalformed "tokenizer_invalid" names the merge.
  static Result<ListedMerges> parse(const std::vector<std::string>& merges, const Vocab& vocab);

  SpmMerge find(std::string_view joined, TokenId left, TokenId right) const;
  std::size_t ranks() const { return ranks_; }

 private:
  struct Slot {
    TokenId left = -1, right = -1;
    SpmMerge merge;
  };
  std::size_t slot_of(TokenId left, TokenId right) const;

  std::vector<Slot> slots_;  // open addressing, a power of two of them
  std::size_t ranks_ = 0;
};

}  // namespace bantam
