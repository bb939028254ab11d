#include "train/shards.h"

#include <algorithm>
#include <bit>

namespace bantam {

std::vector<std::span<const Example>> cut_shards(std::span<const Example> examples,
                                                 std::int64_t group, std::int64_t shards) {
  const auto run = static_cast<std::size_t>(group);
  CHECK(examples.size() % run == 0 && shards > 0);
  const auto tokens_of = [&](std::size_t first) {
    std::size_t tokens = 0;
    for (const Example& example : examples.subspan(first, run)) tokens += example.ids.size();
    return tokens;
  };
  std::size_t total = 0;
  for (std::size_t e = 0; e < examples.size(); e += run) total += tokens_of(e);
  std::vector<std::span<const Example>> pieces;
  std::size_t at = 0, seen = 0;
  for (std::int64_t s = 0; s < shards; ++s) {
    // A group belongs to the shard that its middle falls into.
    const std::size_t end = total * static_cast<std::size_t>(s + 1);
    const std::size_t first = at;
    while (at < examples.size()) {
      const std::size_t tokens = tokens_of(at);
      if (s + 1 < shards && (2 * seen + tokens) * static_cast<std::size_t>(shards) > 2 * end) break;
      seen += tokens;
      at += run;
    }
    pieces.push_back(examples.subspan(first, at - first));
  }
  return pieces;
}

void ShardSum::pair() {
  std::vector<float>& left = pending_[pending_.size() - 2];
  kernels_.add(left.data(), pending_.back().data(), left.data(),
               static_cast<std::int64_t>(left.size()));
  spare_.push_back(std::move(pending_.back()));
  pending_.pop_back();
}

void ShardSum::add(std::span<const float> shard) {
  if (spare_.empty()) spare_.emplace_back();
  std::vector<float> values = std::move(spare_.back());
  spare_.pop_back();
  values.assign(shard.begin(), shard.end());
  pending_.push_back(std::move(values));
  ++count_;
  for (int i = 0; i < std::countr_zero(count_); ++i) pair();
}

void ShardSum::take(std::span<float> total) {
  CHECK(std::has_single_bit(count_) && pending_.size() == 1, "{} shards", count_);
  std::ranges::copy(pending_.front(), total.begin());
  spare_.push_back(std::move(pending_.front()));
  pending_.clear();
  count_ = 0;
}

double sum_of_shards(std::span<const double> shards) {
  CHECK(std::has_single_bit(shards.size()));
  if (shards.size() == 1) return shards.front();
  const std::size_t half = shards.size() / 2;
  return sum_of_shards(shards.first(half)) + sum_of_shards(shards.subspan(half));
}

}  // namespace bantam
