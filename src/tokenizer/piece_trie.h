// The tokens that begin at a place in a text, shortest first: a radix trie over byte strings.
//
// At most two nodes a piece, whatever the pieces are. Keeps views of the pieces, which must outlive
// it. Immutable; any thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace bantam {

class PieceTrie {
 public:
  PieceTrie() = default;  // finds nothing
  // Empty pieces are left out. Of two pieces with one spelling the lower id counts.
  explicit PieceTrie(std::vector<std::pair<std::string_view, TokenId>> pieces);

  // Calls found(bytes, id) for every piece that `text` begins with, shortest first.
  template <typename Found>
  void for_each_prefix(std::string_view text, Found&& found) const {
    if (nodes_.empty()) return;
    std::size_t node = 0;
    std::size_t depth = 0;
    while (depth < text.size()) {
      const std::size_t child = child_of(nodes_[node], text[depth]);
      if (child == 0) return;
      const std::string_view edge = nodes_[child].edge;
      if (edge.size() > text.size() - depth ||
          std::memcmp(edge.data(), text.data() + depth, edge.size()) != 0)
        return;
      depth += edge.size();
      node = child;
      if (nodes_[node].id >= 0) found(depth, nodes_[node].id);
    }
  }

 private:
  struct Node {
    std::string_view edge;  // from the parent to here
    std::uint32_t first_child = 0, children = 0;
    TokenId id = -1;
  };
  // The child whose edge begins with `byte`; 0, the root, if there is none.
  std::size_t child_of(const Node& node, char byte) const {
    if (node.children == 0) return 0;
    const char* const labels = labels_.data() + node.first_child;
    const void* const at = std::memchr(labels, static_cast<unsigned char>(byte), node.children);
    if (at == nullptr) return 0;
    return node.first_child + static_cast<std::size_t>(static_cast<const char*>(at) - labels);
  }

  std::vector<Node> nodes_;   // the root first; the children of a node in a row
  std::vector<char> labels_;  // the first byte of each node's edge
};

}  // namespace bantam
