// Sums over ranks and shards: the same bits however many ranks there are. Ranks are threads here.
#include "train/exchange.h"

#include <gtest/gtest.h>

#include <cmath>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/random.h"
#include "train/shards.h"

namespace bantam {
namespace {

// Ranks in one process, with a box of messages for every pair.
class Meeting {
 public:
  explicit Meeting(std::int64_t ranks) : ranks_(ranks) {}

  class Rank final : public Exchange {
   public:
    Rank(Meeting& meeting, std::int64_t rank) : Exchange(rank, meeting.ranks_), meeting_(meeting) {}

   private:
    Result<void> swap(std::int64_t partner, std::span<const std::byte> out,
                      std::span<std::byte> in) override {
      std::unique_lock lock(meeting_.mutex_);
      meeting_.boxes_[{rank(), partner}].emplace_back(out.begin(), out.end());
      meeting_.arrived_.notify_all();
      auto& box = meeting_.boxes_[{partner, rank()}];
      meeting_.arrived_.wait(lock, [&] { return !box.empty(); });
      EXPECT_EQ(box.front().size(), in.size());
      std::ranges::copy(box.front(), in.begin());
      box.pop_front();
      return {};
    }
    Meeting& meeting_;
  };

  template <typename Body>
  void run(const Body& body) {
    std::vector<std::jthread> threads;
    for (std::int64_t r = 0; r < ranks_; ++r)
      threads.emplace_back([this, r, &body] {
        Rank rank(*this, r);
        body(rank);
      });
  }

 private:
  std::int64_t ranks_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::deque<std::vector<std::byte>>> boxes_;
};

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>(random.next_normal()));
  return values;
}

TEST(Exchange, AnyNumberOfRanksSumsShardsToTheSameBits) {
  constexpr std::size_t kSize = (1 << 18) + 37;  // more than a message
  constexpr std::int64_t kShards = 8;
  std::vector<std::vector<float>> shards;
  for (std::uint64_t s = 0; s < kShards; ++s) shards.push_back(random_floats(kSize, s));
  std::vector<float> want(kSize), in_order(kSize);
  for (std::size_t i = 0; i < kSize; ++i) {
    const auto at = [&](std::size_t s) { return shards[s][i]; };
    want[i] = ((at(0) + at(1)) + (at(2) + at(3))) + ((at(4) + at(5)) + (at(6) + at(7)));
    for (std::size_t s = 0; s < kShards; ++s) in_order[i] += at(s);
  }
  ASSERT_NE(want, in_order) << "the order does not matter here, so nothing is tested";

  for (const std::int64_t ranks : {1, 2, 4, 8}) {
    Meeting meeting(ranks);
    meeting.run([&](Exchange& exchange) {
      ShardSum sum(*choose_kernels("").value());
      const std::int64_t mine = kShards / ranks;
      for (std::int64_t s = 0; s < mine; ++s)
        sum.add(shards[static_cast<std::size_t>(exchange.rank() * mine + s)]);
      std::vector<float> total(kSize);
      sum.take(total);
      ASSERT_TRUE(exchange.add(total).has_value());
      EXPECT_TRUE(total == want) << "rank " << exchange.rank() << " of " << ranks;
    });
  }
}

TEST(Exchange, EveryRankGetsTheBytesOfRankZero) {
  for (const std::int64_t ranks : {1, 2, 4, 8}) {
    Meeting meeting(ranks);
    meeting.run([&](Exchange& exchange) {
      // Negative zero, too, which a sum with zeros would lose.
      std::vector<float> values(10, exchange.rank() == 0 ? -0.0F : 5.0F);
      ASSERT_TRUE(exchange.broadcast(std::as_writable_bytes(std::span(values))).has_value());
      for (const float value : values) EXPECT_TRUE(std::signbit(value) && value == 0.0F);
    });
  }
}

TEST(Exchange, OneRankThatFailsFailsAll) {
  Meeting meeting(4);
  meeting.run([&](Exchange& exchange) {
    EXPECT_TRUE(exchange.agree({}).has_value());
    const Result<void> mine =
        exchange.rank() == 2 ? fail(ErrorKind::kIo, "broken", "mine") : Result<void>();
    EXPECT_EQ(exchange.agree(mine).error().code, exchange.rank() == 2 ? "broken" : "peer_failed");
  });
}

TEST(Shards, AreWholeGroupsOfAboutEqualSize) {
  std::vector<Example> examples;
  for (const std::size_t length : {5U, 5U, 30U, 2U, 9U, 9U, 1U, 1U, 21U, 20U})
    examples.push_back({.ids = std::vector<std::int32_t>(length), .weights = {}});
  for (const std::int64_t shards : {1, 2, 4, 16}) {
    const auto pieces = cut_shards(examples, 2, shards);
    ASSERT_EQ(pieces.size(), static_cast<std::size_t>(shards));
    const Example* next = examples.data();
    for (const auto piece : pieces) {
      EXPECT_EQ(piece.size() % 2, 0U);
      EXPECT_EQ(piece.data(), next);
      next += piece.size();
    }
    EXPECT_EQ(next, examples.data() + examples.size());
  }
  // 10 + 32 + 18 | 2 + 41 is as near to equal as whole groups come.
  EXPECT_EQ(cut_shards(examples, 2, 2)[0].size(), 6U);
}

TEST(Shards, NumbersAreSummedInTheSameTree) {
  const double big = 0x1p53;
  EXPECT_EQ(sum_of_shards(std::vector{1.0, big, 1.0, -big}), 1.0);
  EXPECT_EQ(((1.0 + big) + 1.0) + -big, 0.0) << "the order does not matter here";
}

}  // namespace
}  // namespace bantam
