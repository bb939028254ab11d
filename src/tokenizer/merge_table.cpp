#include "tokenizer/merge_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <queue>

namespace bantam {
namespace {

constexpr std::size_t kShortWord = 64;

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

  std::vector<std::uint32_t> made_by(vocab.size(), 0);  // 1 + the last merge that makes a token
  for (std::size_t i = 0; i < table.merges_.size(); ++i)
    made_by[static_cast<std::size_t>(table.merges_[i].merged)] = static_cast<std::uint32_t>(i + 1);
  for (std::size_t i = 0; i < table.merges_.size(); ++i) {
    const Merge& merge = table.merges_[i];
    if (made_by[static_cast<std::size_t>(merge.left)] > i ||
        made_by[static_cast<std::size_t>(merge.right)] > i)
      table.ordered_ = false;
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
  if (ordered_) return merge_in_rounds(ids, scratch);
  merge_by_heap(ids);
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

// ---- Long words, merge by merge --------------------------------------------------------------

void MergeTable::Scratch::prepare(std::size_t merges) {
  if (queues_.size() == merges) return;
  queues_.assign(merges, Queue{});
  busy_.assign((merges + 63) / 64, 0);
  busy_words_.assign((busy_.size() + 63) / 64, 0);
}

void MergeTable::Scratch::push(std::uint32_t rank, std::int32_t at) {
  std::int32_t place = free_;
  if (place >= 0) {
    free_ = places_[static_cast<std::size_t>(place)].next;
  } else {
    place = static_cast<std::int32_t>(places_.size());
    places_.emplace_back();
  }
  places_[static_cast<std::size_t>(place)] = {at, -1};
  Queue& queue = queues_[rank];
  if (queue.first < 0) {
    queue.first = place;
    busy_[rank / 64] |= std::uint64_t{1} << rank % 64;
    busy_words_[rank / 4096] |= std::uint64_t{1} << rank / 64 % 64;
  } else {
    places_[static_cast<std::size_t>(queue.last)].next = place;
  }
  queue.last = place;
}

std::uint32_t MergeTable::Scratch::pop(std::vector<std::int32_t>& places) {
  places.clear();
  const auto top = std::ranges::find_if(busy_words_, [](std::uint64_t bits) { return bits != 0; });
  if (top == busy_words_.end()) return kNone;
  const auto word = static_cast<std::size_t>(top - busy_words_.begin()) * 64 +
                    static_cast<std::size_t>(std::countr_zero(*top));
  const std::size_t rank = word * 64 + static_cast<std::size_t>(std::countr_zero(busy_[word]));
  busy_[word] &= busy_[word] - 1;
  if (busy_[word] == 0) *top &= *top - 1;

  Queue& queue = queues_[rank];
  for (std::int32_t place = queue.first; place >= 0;) {
    Place& here = places_[static_cast<std::size_t>(place)];
    places.push_back(here.at);
    const std::int32_t next = here.next;
    here.next = free_;
    free_ = place;
    place = next;
  }
  queue = Queue{};
  return static_cast<std::uint32_t>(rank);
}

// As merges are ordered, everything that one merge makes possible comes later: so all its places
// can be taken at once, from left to right, before any other is looked at.
void MergeTable::merge_in_rounds(std::vector<TokenId>& ids, Scratch& scratch) const {
  constexpr TokenId kGone = -1;
  scratch.prepare(merges_.size());
  scratch.places_.clear();
  scratch.free_ = -1;
  const auto count = static_cast<std::int32_t>(ids.size());
  auto& symbols = scratch.symbols_;
  symbols.resize(ids.size());
  const auto id = [&](std::int32_t at) -> TokenId& { return ids[static_cast<std::size_t>(at)]; };
  const auto symbol = [&](std::int32_t at) -> Scratch::Symbol& {
    return symbols[static_cast<std::size_t>(at)];
  };
  const auto offer = [&](std::int32_t at) {
    const std::uint32_t rank = rank_of(id(at), id(symbol(at).next));
    if (rank != kNone) scratch.push(rank, at);
  };
  for (std::int32_t i = 0; i < count; ++i) symbol(i) = {i - 1, i + 1 < count ? i + 1 : -1};
  for (std::int32_t i = 0; i + 1 < count; ++i) offer(i);

  for (std::uint32_t rank; (rank = scratch.pop(scratch.round_)) != kNone;) {
    const Merge& merge = merges_[rank];
    // Places overlap only where a token pairs with itself; then the order counts.
    if (merge.left == merge.right && !std::ranges::is_sorted(scratch.round_))
      std::ranges::sort(scratch.round_);
    scratch.merged_.clear();
    for (const std::int32_t at : scratch.round_) {
      const std::int32_t right = symbol(at).next;
      if (id(at) != merge.left || right < 0 || id(right) != merge.right) continue;  // gone since
      id(at) = merge.merged;
      id(right) = kGone;
      symbol(at).next = symbol(right).next;
      if (symbol(at).next >= 0) symbol(symbol(at).next).previous = at;
      scratch.merged_.push_back(at);
    }
    for (const std::int32_t at : scratch.merged_) {
      if (symbol(at).previous >= 0) offer(symbol(at).previous);
      if (symbol(at).next >= 0) offer(at);
    }
  }
  std::erase(ids, kGone);
}

// ---- Long words, place by place --------------------------------------------------------------

void MergeTable::merge_by_heap(std::vector<TokenId>& ids) const {
  constexpr TokenId kGone = -1;
  struct Offer {
    std::uint32_t rank;
    std::size_t at;
    bool operator>(const Offer& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  constexpr std::size_t kEnd = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> previous(ids.size()), next(ids.size());
  std::priority_queue<Offer, std::vector<Offer>, std::greater<>> offers;
  const auto offer = [&](std::size_t at) {
    const std::uint32_t rank = rank_of(ids[at], ids[next[at]]);
    if (rank != kNone) offers.push({rank, at});
  };
  for (std::size_t i = 0; i < ids.size(); ++i) {
    previous[i] = i == 0 ? kEnd : i - 1;
    next[i] = i + 1 < ids.size() ? i + 1 : kEnd;
  }
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) offer(i);
  while (!offers.empty()) {
    const auto [rank, at] = offers.top();
    offers.pop();
    const Merge& merge = merges_[rank];
    const std::size_t right = next[at];
    if (ids[at] != merge.left || right == kEnd || ids[right] != merge.right) continue;
    ids[at] = merge.merged;
    ids[right] = kGone;
    next[at] = next[right];
    if (next[at] != kEnd) {
      previous[next[at]] = at;
      offer(at);
    }
    if (previous[at] != kEnd) offer(previous[at]);
  }
  std::erase(ids, kGone);
}

}  // namespace bantam
