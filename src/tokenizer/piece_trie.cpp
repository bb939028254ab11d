#include "tokenizer/piece_trie.h"

#include <algorithm>

namespace bantam {
namespace {

std::size_t common_prefix(std::string_view a, std::string_view b, std::size_t from) {
  const std::size_t end = std::min(a.size(), b.size());
  while (from < end && a[from] == b[from]) ++from;
  return from;
}

}  // namespace

PieceTrie::PieceTrie(std::vector<std::pair<std::string_view, TokenId>> pieces) {
  std::erase_if(pieces, [](const auto& piece) { return piece.first.empty(); });
  std::ranges::sort(pieces);
  // The pieces below a node are a range of the sorted ones that share `depth` bytes. Nodes are made
  // in order of breadth, which puts the children of each in a row.
  struct Range {
    std::size_t node, begin, end, depth;
  };
  nodes_.emplace_back();
  labels_.push_back(0);
  std::vector<Range> todo = {{.node = 0, .begin = 0, .end = pieces.size(), .depth = 0}};
  for (std::size_t next = 0; next < todo.size(); ++next) {
    auto [node, begin, end, depth] = todo[next];
    while (begin < end && pieces[begin].first.size() == depth) {  // ends here; the first counts
      if (nodes_[node].id < 0) nodes_[node].id = pieces[begin].second;
      ++begin;
    }
    nodes_[node].first_child = static_cast<std::uint32_t>(nodes_.size());
    while (begin < end) {
      const std::string_view first = pieces[begin].first;
      std::size_t group = begin + 1;
      while (group < end && pieces[group].first[depth] == first[depth]) ++group;
      const std::size_t shared = common_prefix(first, pieces[group - 1].first, depth);
      todo.push_back({.node = nodes_.size(), .begin = begin, .end = group, .depth = shared});
      nodes_.push_back({.edge = first.substr(depth, shared - depth)});
      labels_.push_back(first[depth]);
      ++nodes_[node].children;
      begin = group;
    }
  }
}

}  // namespace bantam
