// Finds added tokens in a text: the leftmost, and of those the longest, then the next after it.
//
// Linear in the text whatever the tokens are (S18): an Aho-Corasick automaton over the reversed
// spellings runs from the end of the text to its start and knows at each place the longest token
// that begins there; the rest is a walk over those places. Immutable; any thread.
#pragma once

#include <array>
#include <cstdint>
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
  // `control`, and then as if the others did not exist.
  std::vector<TextPart> split(std::string_view text, bool control) const;

 private:
  struct Match {
    std::size_t begin;
    std::int32_t entry;
  };
  // One automaton over some of the entries.
  struct Automaton {
    struct Node {
      std::int32_t first_edge = -1;  // into edges
      std::int32_t fail = 0;
      std::int32_t entry = -1;  // longest entry that is a suffix of this node's path
    };
    struct Edge {
      std::uint8_t byte;
      std::int32_t node, next;
    };
    std::vector<Node> nodes;
    std::vector<Edge> edges;
    std::array<std::int32_t, 256> root{};  // edges of the root, 0 if none

    void build(std::span<const Entry> entries, bool control);
    std::int32_t child(std::int32_t node, std::uint8_t byte) const;
    // Where a token begins, from the last to the first.
    std::vector<Match> find(std::string_view text) const;
  };

  std::vector<Entry> entries_;
  Automaton all_, user_defined_;
};

}  // namespace bantam
