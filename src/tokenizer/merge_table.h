// Byte-pair merges: which two tokens in a row become which one, and in what order.
//
// merge() applies them to one word: always the earliest merge of those that can be applied, and of
// its places the leftmost (Sennrich et al., "Neural machine translation of rare words with subword
// units", 2016). Short words are searched pair by pair, longer ones merge by merge, and very long
// ones in blocks.
//
// Blocks rest on this: tokens in a row are what merging gives for their text if and only if that
// holds for every two neighbours among them. (The first merge to cross a border between two tokens
// would do so in the text of these two as well, as nothing else has happened to them by then.) So
// two blocks that overlap, and that both have one and the same token in the overlap, can be joined
// at it, as every pair of neighbours then comes from one of the blocks.
//
// Linear in practice; for a word on which no blocks agree O(n log n), a few times over. Immutable;
// any thread with a Scratch of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab.h"

namespace bantam {

class MergeTable {
 public:
  struct Merge {
    TokenId left, right, merged;
  };

  // `merges` are lines "left right", earliest first. Of two for one pair the first counts. Errors:
  // kMalformed "tokenizer_invalid" for a line without its two parts or with a token that the
  // vocabulary lacks, naming the line.
  static Result<MergeTable> build(std::span<const std::string> merges, const Vocab& vocab);

  // What merge() needs beside the word; kept from word to word.
  class Scratch;

  // Merges `ids` in place.
  void merge(std::vector<TokenId>& ids, Scratch& scratch) const;

  std::size_t size() const { return merges_.size(); }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  struct Token {
    std::size_t begin;  // the first of the symbols that it is made of
    TokenId id;
  };

  // The rank of the pair's merge: its place in merges_; kNone if there is none.
  std::uint32_t rank_of(TokenId left, TokenId right) const;

  void merge_short(std::vector<TokenId>& ids) const;
  // Appends the tokens of ids[begin, end) to `out`.
  void merge_block(std::span<const TokenId> ids, std::size_t begin, std::size_t end,
                   Scratch& scratch, std::vector<Token>& out) const;
  // Both merge the tokens of scratch.row_, whose ranks are known; the first stops when it is no
  // longer the faster one, which it is where one merge applies in many places.
  void merge_in_rounds(Scratch& scratch) const;
  void merge_by_heap(Scratch& scratch) const;
  // One round: merges the places of merge `rank` from the first one, at `from`, until a merge makes
  // an earlier one possible.
  void merge_everywhere(std::uint32_t rank, std::size_t from, Scratch& scratch) const;
  // False if two blocks have no token in common where they overlap; `ids` are then as before.
  bool merge_blocks(std::vector<TokenId>& ids, std::size_t block, Scratch& scratch) const;

  struct Slot {
    std::uint64_t key = ~std::uint64_t{0};
    std::uint32_t rank = kNone;
  };

  std::vector<Merge> merges_;
  std::vector<Slot> slots_;  // open addressing, a power of two
};

class MergeTable::Scratch {
 private:
  friend class MergeTable;
  struct Symbol {
    TokenId id;
    std::uint32_t previous, next;  // kNone at the ends
  };
  std::vector<Symbol> symbols_;
  std::vector<std::uint64_t> heap_;  // rank, then place
  std::vector<Token> row_;
  std::vector<std::uint32_t> ranks_;  // of each token of row_ with the next one
  std::vector<Token> tokens_, block_;
};

}  // namespace bantam
