#include "runtime/kv_pool.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace bantam {
namespace {

const KvLayerShape kLayers[] = {{.kv_heads = 3, .key_width = 5, .value_width = 7},
                                {.kv_heads = 1, .key_width = 64, .value_width = 64}};

TEST(KvLayout, PartsAreAlignedAndDoNotOverlap) {
  const KvLayout layout(kLayers, DType::kF16);
  const std::size_t sizes[] = {3 * 32 * 5 * 2, 3 * 32 * 7 * 2, 32 * 64 * 2, 32 * 64 * 2};
  const std::size_t offsets[] = {layout.key_offset(0), layout.value_offset(0), layout.key_offset(1),
                                 layout.value_offset(1)};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(offsets[i] % 64, 0u);
    EXPECT_GE(i < 3 ? offsets[i + 1] : layout.block_bytes(), offsets[i] + sizes[i]);
  }
}

TEST(KvPool, ConservesBlocksThroughRandomUse) {
  const KvLayout layout(kLayers, DType::kF32);
  KvPool pool(layout, 40);
  std::vector<KvSequence> sequences(4, KvSequence(layout));
  Random random(7);
  for (int step = 0; step < 2000; ++step) {
    KvSequence& sequence = sequences[random.next_below(4)];
    const auto tokens = static_cast<std::int64_t>(random.next_below(600));
    if (random.next_below(2) == 0) {
      const auto reserved = pool.reserve(sequence, tokens);
      if (reserved) {
        EXPECT_GE(sequence.capacity(), tokens);
      } else {
        EXPECT_EQ(reserved.error().code, "kv_full");
        EXPECT_EQ(pool.free(), 0);
      }
    } else {
      pool.release(sequence, tokens);
      EXPECT_LE(sequence.capacity(), KvLayout::blocks_for(tokens) * 32 + 40 * 32);
    }
    std::int64_t used = 0;
    std::vector<std::byte*> seen;
    for (const KvSequence& one : sequences) {
      used += static_cast<std::int64_t>(one.blocks().size());
      seen.insert(seen.end(), one.blocks().begin(), one.blocks().end());
    }
    ASSERT_EQ(used + pool.free(), pool.made());
    ASSERT_LE(pool.made(), pool.capacity());
    std::ranges::sort(seen);
    ASSERT_EQ(std::ranges::adjacent_find(seen), seen.end()) << "a block has two owners";
  }
}

}  // namespace
}  // namespace bantam
