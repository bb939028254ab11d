#include "tokenizer/spm_merges.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "tokenizer/seams.h"

namespace bantam {
namespace {

// A hash of short texts: eight bytes at a time, multiplied and folded.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = text.size() * 0x9E3779B97F4A7C15u;
  const auto mix = [&](std::uint64_t word) {
    hash = (hash ^ word) * 0xD6E8FEB86659FD93u;
    hash ^= hash >> 32;
  };
  while (text.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data(), 8);
    mix(word);
    text.remove_prefix(8);
  }
  std::uint64_t last = 0;
  for (const char c : text) last = last << 8 | static_cast<unsigned char>(c);
  mix(last);
  return hash;
}

std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

std::size_t table_size(std::size_t entries) {
  return std::bit_ceil(std::max<std::size_t>(2 * entries, 16));
}

}  // namespace

ScoreMerges::ScoreMerges(const Vocab& vocab) : vocab_(vocab) {
  std::vector<TokenId> order;
  for (TokenId id = 0; vocab.contains(id); ++id)
    if (is_plain(vocab.type(id)) && !vocab.piece(id).empty()) order.push_back(id);
  const auto score = [&](TokenId id) { return vocab.score(id); };  // never NaN
  std::ranges::sort(order, std::ranges::greater{}, score);

  ranks_.assign(vocab.size(), SpmMerge::kNever);
  slots_.resize(table_size(order.size()));
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && score(order[i]) != score(order[i - 1])) ++rank;
    ranks_[static_cast<std::size_t>(order[i])] = rank;
  }
  for (TokenId id = 0; vocab.contains(id); ++id) {
    if (ranks_[static_cast<std::size_t>(id)] == SpmMerge::kNever) continue;
    const std::string_view piece = vocab.piece(id);
    longest_ = std::max(longest_, piece.size());
    const std::uint64_t hash = hash_of(piece);
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at].id >= 0 && vocab.piece(slots_[at].id) != piece)
      at = (at + 1) & (slots_.size() - 1);
    if (slots_[at].id < 0) slots_[at] = {.tag = tag_of(hash), .id = id};
  }
}

SpmMerge ScoreMerges::find(std::string_view joined, TokenId /*left*/, TokenId /*right*/) const {
  if (joined.size() > longest_) return {};
  const std::uint64_t hash = hash_of(joined);
  for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    const Slot slot = slots_[at];
    if (slot.id < 0) return {};
    if (slot.tag == tag_of(hash) && vocab_.piece(slot.id) == joined)
      return {.id = slot.id, .rank = ranks_[static_cast<std::size_t>(slot.id)]};
  }
}

Result<ListedMerges> ListedMerges::parse(const std::vector<std::string>& merges,
                                         const Vocab& vocab) {
  ListedMerges list;
  list.slots_.resize(table_size(merges.size()));
  list.ranks_ = merges.size();
  std::string joined;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const std::string_view both = merges[i];
    const auto broken = [&](std::string_view what) {
      return fail(ErrorKind::kMalformed, "tokenizer_invalid", "merge {}: {}, found {}", i, what,
                  quoted(both));
    };
    const std::size_t space = both.find(' ', 1);
    if (space == both.npos || space + 1 == both.size())
      return broken("expected two tokens with a space between them");
    joined.assign(both.substr(0, space)).append(both.substr(space + 1));
    const auto left = vocab.find(both.substr(0, space));
    const auto right = vocab.find(both.substr(space + 1));
    const auto merged = vocab.find(joined);
    if (!left || !right || !merged)
      return broken("expected tokens of the vocabulary that make another one");
    Slot& slot = list.slots_[list.slot_of(*left, *right)];
    if (slot.left < 0)
      slot = {.left = *left,
              .right = *right,
              .merge = {.id = *merged, .rank = static_cast<std::uint32_t>(i)}};
  }
  return list;
}

std::size_t ListedMerges::slot_of(TokenId left, TokenId right) const {
  const std::uint64_t both =
      std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  std::size_t at = (both * 0x9E3779B97F4A7C15u) >> 32 & (slots_.size() - 1);
  while (slots_[at].left >= 0 && (slots_[at].left != left || slots_[at].right != right))
    at = (at + 1) & (slots_.size() - 1);
  return at;
}

SpmMerge ListedMerges::find(std::string_view /*joined*/, TokenId left, TokenId right) const {
  if (left < 0 || right < 0) return {};
  return slots_[slot_of(left, right)].merge;
}

}  // namespace bantam
