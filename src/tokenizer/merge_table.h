// Byte-pair merges: which two tokens in a row become which one, and in what order.
//
// merge() applies them to one word: always the earliest merge of those that can be applied, and of
// its places the leftmost (Sennrich et al., "Neural machine translation of rare words with subword
// units", 2016). Short words are searched pair by pair; long ones use a queue of places for each
// merge, linear in practice and O(n log n) at worst. Immutable; any thread with a Scratch of its
// own.
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

  // The rank of the pair's merge: its place in merges_; kNone if there is none.
  std::uint32_t rank_of(TokenId left, TokenId right) const;

  void merge_short(std::vector<TokenId>& ids) const;
  void merge_in_rounds(std::vector<TokenId>& ids, Scratch& scratch) const;
  void merge_by_heap(std::vector<TokenId>& ids) const;

  struct Slot {
    std::uint64_t key = ~std::uint64_t{0};
    std::uint32_t rank = kNone;
  };

  std::vector<Merge> merges_;
  std::vector<Slot> slots_;  // open addressing, a power of two
  // Every merge comes later than those that make its two parts, so that a merge never makes an
  // earlier one possible. Published vocabularies are so; others take the slower way.
  bool ordered_ = true;
};

class MergeTable::Scratch {
 public:
  Scratch() = default;

 private:
  friend class MergeTable;
  struct Place {
    std::int32_t at, next;
  };
  struct Queue {
    std::int32_t first = -1, last = -1;  // into places_
  };
  struct Symbol {
    std::int32_t previous, next;
  };

  void prepare(std::size_t merges);
  void push(std::uint32_t rank, std::int32_t at);
  // The places of the lowest rank with any, in the order they were pushed; kNone if there is none.
  std::uint32_t pop(std::vector<std::int32_t>& places);

  std::vector<Queue> queues_;              // one a merge
  std::vector<std::uint64_t> busy_;        // one bit a merge: its queue is not empty
  std::vector<std::uint64_t> busy_words_;  // one bit a word of busy_
  std::vector<Place> places_;
  std::int32_t free_ = -1;
  std::vector<Symbol> symbols_;
  std::vector<std::int32_t> round_, merged_;
};

}  // namespace bantam
