// Finds added tokens in a text: the leftmost, and of those the longest, then the next after it.
//
// Linear in the text whatever the tokens are (S18): an Aho-Corasick automaton over the reversed
// spellings runs from the end of the text to its start and knows at each place the longest token
// that begins there; the rest is a walk over those places. Immutable; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab.h"

namespace bantam {

// Part of a text: a token, or plain text.
struct TextPart {
  std::string_view text;  // for a token, with the white space that it takes along
  TokenId token = -1;     // -1: plain text
};

class SpecialSplitter {
 public:
  struct Entry {
    std::string text;  // not empty
    AddedToken token;
  };

  SpecialSplitter() = default;  // finds nothing
  explicit SpecialSplitter(std::vector<Entry> entries);

  bool empty() const { return entries_.empty(); }

  // The parts of `text` in order; plain ones are never empty. Control tokens are found only if
  // `control`, and not where they overlap one of `plain` (sorted, disjoint, within the text).
  std::vector<TextPart> split(std::string_view text, bool control,
                              std::span<const ByteRange> plain = {}) const;

 private:
  struct Node {
    std::int32_t first_edge = -1;  // into edges_
    std::int32_t fail = 0;         // the node of the longest proper suffix
    std::int32_t own = -1;         // the entry that ends here
    std::int32_t shorter = 0;      // the nearest node along the failure links that ends an entry
    std::int32_t user = -1;        // the longest user-defined entry that is a suffix
  };
  struct Edge {
    std::uint8_t byte;
    std::int32_t node, next;
  };
  struct Match {
    std::size_t begin;
    std::int32_t entry;
  };

  std::int32_t child(std::int32_t node, std::uint8_t byte) const;
  void add(std::int32_t entry);
  void link();
  // The longest entry that begins where `node` was reached and that has at most `room` bytes or is
  // user-defined; -1 if none.
  std::int32_t longest(std::int32_t node, std::size_t room) const;
  // Where a token begins, from the last to the first.
  std::vector<Match> find(std::string_view text, bool control,
                          std::span<const ByteRange> plain) const;

  std::vector<Entry> entries_;
  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
  std::array<std::int32_t, 256> root_{};  // edges of the root, 0 if none
};

}  // namespace bantam
