#include "tensor/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "base/random.h"

namespace bantam {
namespace {

TEST(Arena, AllocationsAreAlignedAndApart) {
  Arena arena;
  Random random(1);
  std::vector<std::span<std::uint8_t>> all;
  for (int i = 0; i < 500; ++i) {
    const auto bytes = arena.alloc_span<std::uint8_t>(random.next_below(5000));
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % Arena::kAlignment, 0u);
    std::ranges::fill(bytes, static_cast<std::uint8_t>(i));
    all.push_back(bytes);
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    EXPECT_TRUE(std::ranges::all_of(all[i], [i](std::uint8_t byte) {
      return byte == static_cast<std::uint8_t>(i);
    })) << i;
}

TEST(Arena, EmptyRequestsHaveAddressesOfTheirOwn) {
  Arena arena;
  EXPECT_NE(arena.alloc<float>(0), arena.alloc<float>(0));
}

TEST(Arena, SecondStepTakesNothingFromTheSystem) {
  Arena arena;
  const auto step = [&arena] {
    std::vector<float*> places;
    for (std::size_t i = 1; i < 200; ++i) places.push_back(arena.alloc<float>(37 * i));
    return places;
  };
  const auto first = step();
  const std::size_t held = arena.capacity(), used = arena.used();
  arena.reset();
  EXPECT_EQ(arena.used(), 0u);
  EXPECT_EQ(step(), first);  // the same places, too
  EXPECT_EQ(arena.capacity(), held);
  EXPECT_EQ(arena.used(), used);
}

TEST(Arena, RewindGivesUpWhatCameAfterTheMarkOnly) {
  Arena arena;
  float* const kept = arena.alloc<float>(1000);
  kept[999] = 7.0f;
  const Arena::Mark mark = arena.mark();
  const std::size_t used = arena.used();
  float* const first = arena.alloc<float>(10);
  for (std::size_t i = 1; i < 100; ++i) arena.alloc<float>(997 * i);  // several chunks on
  arena.rewind(mark);
  EXPECT_EQ(arena.used(), used);
  EXPECT_EQ(arena.alloc<float>(10), first);
  EXPECT_EQ(kept[999], 7.0f);
}

TEST(Arena, HighWaterMarkSurvivesReset) {
  Arena arena;
  EXPECT_EQ(arena.high_water(), 0u);
  arena.alloc<float>(100);  // 400 bytes, padded to 448
  arena.alloc<char>(1);
  EXPECT_EQ(arena.used(), 512u);
  arena.reset();
  arena.alloc<char>(1);
  EXPECT_EQ(arena.used(), 64u);
  EXPECT_EQ(arena.high_water(), 512u);
}

TEST(Arena, MoreThanAChunkInOnePiece) {
  Arena arena;
  arena.alloc<char>(10);
  const auto big = arena.alloc_span<char>(10 << 20);
  std::memset(big.data(), 1, big.size());
  EXPECT_GE(arena.capacity(), big.size());
}

TEST(Arena, ReservedMemoryIsUsed) {
  Arena arena;
  ASSERT_TRUE(arena.reserve(1 << 20));
  const std::size_t held = arena.capacity();
  EXPECT_GE(held, std::size_t{1} << 20);
  for (int i = 0; i < 16; ++i) arena.alloc<char>(1 << 16);
  EXPECT_EQ(arena.capacity(), held);
  ASSERT_TRUE(arena.reserve(1));
  EXPECT_GT(arena.capacity(), held);  // the first piece is full
}

TEST(Arena, ReservingTheImpossibleIsAnError) {
  Arena arena;
  const auto result = arena.reserve(std::size_t{1} << 63);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, "out_of_memory");
  EXPECT_EQ(arena.capacity(), 0u);
}

TEST(ArenaDeathTest, OverflowingCountsAreOurBug) {
  Arena arena;
  EXPECT_DEATH(arena.alloc<float>(SIZE_MAX / 2), "objects");
}

TEST(Arena, FloatTensorsHaveTheirShape) {
  Arena arena;
  const FloatTensor tensor = arena.alloc_floats({3, 5});
  EXPECT_EQ(tensor.shape, (Shape{3, 5}));
  EXPECT_EQ(tensor.values().size(), 15u);
}

}  // namespace
}  // namespace bantam
