#include "train/exchange.h"

#include <algorithm>
#include <bit>
#include <vector>

namespace bantam {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;  // of what is received, held at once

class Alone final : public Exchange {
 public:
  Alone() : Exchange(0, 1) {}

 private:
  Result<void> swap(std::int64_t partner, std::span<const std::byte>,
                    std::span<std::byte>) override {
    CHECK(false, "rank {} of one", partner);
    return {};
  }
};

}  // namespace

Exchange::Exchange(std::int64_t rank, std::int64_t ranks) : rank_(rank), ranks_(ranks) {
  CHECK(std::has_single_bit(static_cast<std::uint64_t>(ranks)) && rank >= 0 && rank < ranks);
}

template <typename T>
Result<void> Exchange::add_values(std::span<T> values) {
  constexpr std::size_t kChunk = kChunkBytes / sizeof(T);
  if (ranks_ == 1) return {};
  std::vector<T> received(std::min(kChunk, values.size()));
  for (std::int64_t bit = 1; bit < ranks_; bit *= 2) {
    for (std::size_t at = 0; at < values.size(); at += kChunk) {
      const std::span<T> mine = values.subspan(at, std::min(kChunk, values.size() - at));
      const std::span<T> theirs = std::span(received).first(mine.size());
      TRY(swap(rank_ ^ bit, std::as_bytes(mine), std::as_writable_bytes(theirs)));
      // a + b = b + a to the bit, so both ends get the same.
      for (std::size_t i = 0; i < mine.size(); ++i) mine[i] += theirs[i];
    }
  }
  return {};
}

Result<void> Exchange::add(std::span<float> values) { return add_values(values); }
Result<void> Exchange::add(std::span<double> values) { return add_values(values); }

Result<void> Exchange::broadcast(std::span<std::byte> bytes) {
  // After the round of `bit` the ranks below 2 · bit have it.
  for (std::int64_t bit = 1; bit < ranks_; bit *= 2) {
    if (rank_ >= 2 * bit) continue;
    for (std::size_t at = 0; at < bytes.size(); at += kChunkBytes) {
      const auto chunk = bytes.subspan(at, std::min(kChunkBytes, bytes.size() - at));
      if (rank_ < bit) {
        TRY(swap(rank_ ^ bit, chunk, {}));
      } else {
        TRY(swap(rank_ ^ bit, {}, chunk));
      }
    }
  }
  return {};
}

Result<void> Exchange::agree(Result<void> mine) {
  double failed = mine ? 0 : 1;
  const auto asked = add(std::span(&failed, 1));
  if (!mine) return mine;
  TRY(asked);
  if (failed > 0)
    return fail(ErrorKind::kUnavailable, "peer_failed",
                "another rank of this run failed; it says why");
  return {};
}

std::unique_ptr<Exchange> alone() { return std::make_unique<Alone>(); }

}  // namespace bantam
