#include "tokenizer/merge_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

namespace bantam {
namespace {

constexpr std::size_t kShortWord = 32;
constexpr std::size_t kLongWord = 512;  // in blocks from here on
constexpr std::size_t kBlock = 256;
constexpr std::size_t kFewPlaces = 16;  // one in so many: not worth a round

std::uint64_t pair_key(TokenId left, TokenId right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

// Spreads keys over the table: the finalizer of MurmurHash3.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDull;
  x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53ull;
  return x ^ (x >> 33);
}

Result<TokenId> part(std::string_view piece, std::size_t line, const Vocab& vocab) {
  if (const std::optional<TokenId> id = vocab.find(piece)) return *id;
  return fail(ErrorKind::kMalformed, "tokenizer_invalid",
              "tokenizer.ggml.merges[{}]: the vocabulary has no token {}", line, quoted(piece));
}

}  // namespace

Result<MergeTable> MergeTable::build(std::span<const std::string> merges, const Vocab& vocab) {
  if (merges.size() > kMaxVocabSize)
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                "tokenizer.ggml.merges has {} lines, at most {} fit", merges.size(), kMaxVocabSize);
  MergeTable table;
  table.merges_.reserve(merges.size());
  table.slots_.resize(std::bit_ceil(merges.size() * 2 + 1));
  const std::size_t mask = table.slots_.size() - 1;
  std::size_t budget = 64 * merges.size() + 4096;  // keys made to collide cost more
  std::string merged;
  for (std::size_t line = 0; line < merges.size(); ++line) {
    const std::string_view text = merges[line];
    // A part may itself begin with a space, where the vocabulary does not spell bytes.
    const std::size_t space = text.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == text.size())
      return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                  "tokenizer.ggml.merges[{}] is {}, expected two tokens and a space between", line,
                  quoted(text));
    const TokenId left = TRY(part(text.substr(0, space), line, vocab));
    const TokenId right = TRY(part(text.substr(space + 1), line, vocab));
    merged.assign(text.substr(0, space)).append(text.substr(space + 1));
    const TokenId whole = TRY(part(merged, line, vocab));

    const std::uint64_t key = pair_key(left, right);
    std::size_t slot = mix(key) & mask;
    for (; table.slots_[slot].rank != kNone && table.slots_[slot].key != key;
         slot = (slot + 1) & mask) {
      if (budget-- == 0)
        return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                    "the pairs in tokenizer.ggml.merges collide as if made to (at line {})", line);
    }
    if (table.slots_[slot].rank == kNone)
      table.slots_[slot] = {key, static_cast<std::uint32_t>(table.merges_.size())};
    table.merges_.push_back({left, right, whole});
  }

  return table;
}

std::uint32_t MergeTable::rank_of(TokenId left, TokenId right) const {
  const std::size_t mask = slots_.size() - 1;
  const std::uint64_t key = pair_key(left, right);
  std::size_t slot = mix(key) & mask;
  while (slots_[slot].key != key) {
    if (slots_[slot].rank == kNone) return kNone;
    slot = (slot + 1) & mask;
  }
  return slots_[slot].rank;
}

void MergeTable::merge(std::vector<TokenId>& ids, Scratch& scratch) const {
  if (ids.size() < 2 || merges_.empty()) return;
  if (ids.size() <= kShortWord) return merge_short(ids);
  if (ids.size() > kLongWord) {
    for (std::size_t block = kBlock; block < ids.size(); block *= 4)
      if (merge_blocks(ids, block, scratch)) return;
  }
  scratch.tokens_.clear();
  merge_block(ids, 0, ids.size(), scratch, scratch.tokens_);
  ids.clear();
  for (const Token& token : scratch.tokens_) ids.push_back(token.id);
}

void MergeTable::merge_short(std::vector<TokenId>& ids) const {
  std::array<std::uint32_t, kShortWord> ranks;  // of the pair that begins at each symbol
  std::size_t size = ids.size();
  for (std::size_t i = 0; i + 1 < size; ++i) ranks[i] = rank_of(ids[i], ids[i + 1]);
  while (size > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < size; ++i)
      if (ranks[i] < ranks[best]) best = i;
    if (ranks[best] == kNone) break;
    ids[best] = merges_[ranks[best]].merged;
    --size;
    for (std::size_t i = best + 1; i < size; ++i) ids[i] = ids[i + 1];
    for (std::size_t i = best + 1; i + 1 < size; ++i) ranks[i] = ranks[i + 1];
    if (best + 1 < size) ranks[best] = rank_of(ids[best], ids[best + 1]);
    if (best > 0) ranks[best - 1] = rank_of(ids[best - 1], ids[best]);
  }
  ids.resize(size);
}

void MergeTable::merge_block(std::span<const TokenId> ids, std::size_t begin, std::size_t end,
                             Scratch& scratch, std::vector<Token>& out) const {
  std::vector<Token>& row = scratch.row_;
  row.clear();
  for (std::size_t i = begin; i < end; ++i) row.push_back({i, ids[i]});
  scratch.ranks_.assign(row.size(), kNone);
  for (std::size_t i = 0; i + 1 < row.size(); ++i)
    scratch.ranks_[i] = rank_of(row[i].id, row[i + 1].id);
  merge_in_rounds(scratch);
  merge_by_heap(scratch);
  out.insert(out.end(), row.begin(), row.end());
}

void MergeTable::merge_in_rounds(Scratch& scratch) const {
  const std::vector<std::uint32_t>& ranks = scratch.ranks_;
  for (std::size_t before = 0; before != ranks.size();) {
    std::uint32_t first = kNone;
    for (const std::uint32_t rank : ranks) first = std::min(first, rank);
    if (first == kNone) return;
    const auto from = static_cast<std::size_t>(std::ranges::find(ranks, first) - ranks.begin());
    before = ranks.size();
    merge_everywhere(first, from, scratch);
    if (before - ranks.size() < before / kFewPlaces) return;
  }
}

void MergeTable::merge_everywhere(std::uint32_t rank, std::size_t from, Scratch& scratch) const {
  std::vector<Token>& row = scratch.row_;
  std::vector<std::uint32_t>& ranks = scratch.ranks_;
  const TokenId merged = merges_[rank].merged;
  std::size_t to = from;
  bool earlier = false;  // a merge has become possible that comes before this one
  for (std::size_t i = from; i < row.size(); ++to) {
    if (earlier || ranks[i] != rank) {
      row[to] = row[i];
      ranks[to] = ranks[i];
      ++i;
      continue;
    }
    if (to > 0) {
      ranks[to - 1] = rank_of(row[to - 1].id, merged);
      earlier = ranks[to - 1] < rank;
    }
    row[to] = {row[i].begin, merged};
    i += 2;
    ranks[to] = i < row.size() ? rank_of(merged, row[i].id) : kNone;
    earlier = earlier || ranks[to] < rank;
  }
  row.resize(to);
  ranks.resize(to);
}

void MergeTable::merge_by_heap(Scratch& scratch) const {
  std::vector<Token>& row = scratch.row_;
  CHECK(row.size() < kNone);
  const auto count = static_cast<std::uint32_t>(row.size());
  std::vector<Scratch::Symbol>& symbols = scratch.symbols_;
  std::vector<std::uint64_t>& heap = scratch.heap_;
  symbols.resize(count);
  heap.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    symbols[i] = {row[i].id, i == 0 ? kNone : i - 1, i + 1 < count ? i + 1 : kNone};
    if (scratch.ranks_[i] != kNone) heap.push_back(std::uint64_t{scratch.ranks_[i]} << 32 | i);
  }
  if (heap.empty()) return;
  std::ranges::make_heap(heap, std::greater<>());
  const auto offer = [&](std::uint32_t at) {
    const std::uint32_t rank = rank_of(symbols[at].id, symbols[symbols[at].next].id);
    if (rank == kNone) return;
    heap.push_back(std::uint64_t{rank} << 32 | at);
    std::ranges::push_heap(heap, std::greater<>());
  };
  constexpr TokenId kGone = -1;
  while (!heap.empty()) {
    std::ranges::pop_heap(heap, std::greater<>());
    const Merge& merge = merges_[heap.back() >> 32];
    const auto at = static_cast<std::uint32_t>(heap.back());
    heap.pop_back();
    Scratch::Symbol& left = symbols[at];
    // The pair may have gone since it was offered.
    if (left.id != merge.left || left.next == kNone || symbols[left.next].id != merge.right)
      continue;
    left.id = merge.merged;
    symbols[left.next].id = kGone;
    left.next = symbols[left.next].next;
    if (left.next != kNone) {
      symbols[left.next].previous = at;
      offer(at);
    }
    if (left.previous != kNone) offer(left.previous);
  }
  std::size_t to = 0;
  for (std::uint32_t i = 0; i != kNone; i = symbols[i].next)
    row[to++] = {row[i].begin, symbols[i].id};
  row.resize(to);
}

bool MergeTable::merge_blocks(std::vector<TokenId>& ids, std::size_t block,
                              Scratch& scratch) const {
  const std::size_t overlap = block / 4;
  std::vector<Token>& tokens = scratch.tokens_;
  std::vector<Token>& next = scratch.block_;
  tokens.clear();
  std::size_t end = std::min(block, ids.size());
  merge_block(ids, 0, end, scratch, tokens);
  while (end < ids.size()) {
    // The next block begins with the last token that leaves room for the overlap.
    std::size_t join = tokens.size() - 1;
    while (join > 0 && tokens[join].begin + overlap > end) --join;
    const std::size_t begin = tokens[join].begin;
    const std::size_t next_end = std::min(begin + block, ids.size());
    if (next_end <= end) return false;
    next.clear();
    merge_block(ids, begin, next_end, scratch, next);
    std::size_t i = join, j = 0;
    while (i < tokens.size() && j < next.size() &&
           (tokens[i].begin != next[j].begin || tokens[i].id != next[j].id)) {
      if (tokens[i].begin <= next[j].begin)
        ++i;
      else
        ++j;
    }
    if (i == tokens.size() || j == next.size()) return false;
    tokens.resize(i);
    tokens.insert(tokens.end(), next.begin() + static_cast<std::ptrdiff_t>(j), next.end());
    end = next_end;
  }
  ids.clear();
  for (const Token& token : tokens) ids.push_back(token.id);
  return true;
}

}  // namespace bantam
