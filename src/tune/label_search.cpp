#include "tune/label_search.h"

#include <algorithm>

#include "base/result.h"

namespace bantam {
namespace {

// A log-probability is at most zero but for rounding, which this bounds many times over.
constexpr double kRounding = 1e-3;

}  // namespace

LabelTrie::LabelTrie(std::span<const std::vector<std::int32_t>> labels) : nodes_(1) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i].empty()) continue;
    std::int32_t at = 0;
    for (const std::int32_t token : labels[i]) at = child(at, token);
    Node& end = nodes_[static_cast<std::size_t>(at)];
    if (end.label < 0) end.label = static_cast<std::int32_t>(i);
    depth_ = std::max(depth_, end.depth);
  }
}

std::int32_t LabelTrie::child(std::int32_t parent, std::int32_t token) {
  for (const std::int32_t index : node(parent).children)
    if (node(index).token == token) return index;
  const auto index = static_cast<std::int32_t>(nodes_.size());
  nodes_.push_back({.parent = parent, .token = token, .depth = node(parent).depth + 1});
  nodes_[static_cast<std::size_t>(parent)].children.push_back(index);
  return index;
}

LabelSearch::LabelSearch(const LabelTrie& trie, const KernelTable& kernels)
    : trie_(trie), kernels_(kernels) {
  open_.push({});
  next();
}

bool LabelSearch::hopeless(double logprob) const {
  return best_ >= 0 && logprob + kRounding < best_logprob_;
}

// Down from the likeliest open beginning for as long as there is one way to go.
void LabelSearch::next() {
  chain_.clear();
  path_.clear();
  if (open_.empty() || hopeless(open_.top().logprob)) return;
  chain_logprob_ = open_.top().logprob;
  chain_.push_back(open_.top().node);
  open_.pop();
  while (rows() < kMaxRows) {
    const std::vector<std::int32_t>& children = trie_.node(chain_.back()).children;
    if (children.size() != 1 || trie_.node(children[0]).children.empty()) break;
    chain_.push_back(children[0]);
  }
  for (std::int32_t at = chain_.back(); at != 0; at = trie_.node(at).parent)
    path_.push_back(trie_.node(at).token);
  std::ranges::reverse(path_);
}

void LabelSearch::look_at(std::int32_t node, double logprob, bool in_chain) {
  const std::int32_t label = trie_.node(node).label;
  if (label >= 0 &&
      (best_ < 0 || logprob > best_logprob_ || (logprob == best_logprob_ && label < best_))) {
    best_ = label;
    best_logprob_ = logprob;
  }
  if (!in_chain && !trie_.node(node).children.empty() && !hopeless(logprob))
    open_.push({.logprob = logprob, .node = node});
}

void LabelSearch::take(std::span<const std::span<const float>> logits) {
  CHECK(logits.size() == chain_.size());
  double logprob = chain_logprob_;
  for (std::size_t i = 0; i < chain_.size(); ++i) {
    const std::span<const float> row = logits[i];
    const double total = kernels_.log_sum_exp(row.data(), static_cast<std::int64_t>(row.size()));
    const double before = logprob;
    for (const std::int32_t child : trie_.node(chain_[i]).children) {
      const auto token = static_cast<std::size_t>(trie_.node(child).token);
      const double with = before + (static_cast<double>(row[token]) - total);
      const bool in_chain = i + 1 < chain_.size();
      look_at(child, with, in_chain);
      if (in_chain) logprob = with;
    }
  }
  next();
}

}  // namespace bantam
