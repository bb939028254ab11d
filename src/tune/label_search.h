// Which of many labels a model finds most likely as its answer, without looking at all of them.
//
// Labels that begin alike share what is computed for the beginning (a trie of their ids), and the
// likeliest beginning is looked at first. A label can be no likelier than its beginning, so what
// begins worse than the best whole label is never computed. The answer, and the bits of its
// log-probability, are those of scoring every label by itself.
#pragma once

#include <cstdint>
#include <queue>
#include <span>
#include <vector>

#include "kernels/kernels.h"

namespace bantam {

// The ids of labels as a tree. Immutable.
class LabelTrie {
 public:
  struct Node {
    std::int32_t parent = -1, token = -1;  // none at the root
    std::int32_t label = -1;               // that ends here; the first of equal ones
    std::int64_t depth = 0;
    std::vector<std::int32_t> children;
  };

  // A label without ids is never found; one at least has some.
  explicit LabelTrie(std::span<const std::vector<std::int32_t>> labels);

  const Node& node(std::int32_t index) const { return nodes_[static_cast<std::size_t>(index)]; }
  std::int64_t depth() const { return depth_; }  // of the longest label

 private:
  std::int32_t child(std::int32_t parent, std::int32_t token);

  std::vector<Node> nodes_;  // the root first
  std::int64_t depth_ = 0;
};

// One question. Keeps references.
//
//   while (!search.done()) {
//     … run the model on the prompt and search.path() …
//     search.take(logits after each of the last search.rows() ids);
//   }
class LabelSearch {
 public:
  static constexpr std::int64_t kMaxRows = 8;  // at most so many rows at a time

  LabelSearch(const LabelTrie& trie, const KernelTable& kernels);

  bool done() const { return chain_.empty(); }
  std::span<const std::int32_t> path() const { return path_; }  // may be empty: after the prompt
  std::int64_t rows() const { return static_cast<std::int64_t>(chain_.size()); }
  void take(std::span<const std::span<const float>> logits);

  // Once done.
  std::size_t label() const { return static_cast<std::size_t>(best_); }
  double logprob() const { return best_logprob_; }

 private:
  struct Open {
    double logprob = 0;
    std::int32_t node = 0;
    bool operator<(const Open& other) const {
      return logprob != other.logprob ? logprob < other.logprob : node > other.node;
    }
  };

  bool hopeless(double logprob) const;
  void next();
  void look_at(std::int32_t node, double logprob, bool in_chain);

  const LabelTrie& trie_;
  const KernelTable& kernels_;
  std::priority_queue<Open> open_;
  std::vector<std::int32_t> chain_;  // nodes after which logits are wanted, each the next's parent
  std::vector<std::int32_t> path_;   // ids to the last of them
  double chain_logprob_ = 0;         // of the first of them
  std::int32_t best_ = -1;
  double best_logprob_ = 0;
};

}  // namespace bantam
