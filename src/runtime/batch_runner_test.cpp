#include "runtime/batch_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace bantam {
namespace {

TEST(NextChunk, CutsIntoAsFewStepsAsCanBeAndAsEven) {
  for (std::int64_t most : {1, 2, 7, 16, 256}) {
    for (std::int64_t tokens = 1; tokens <= 600; ++tokens) {
      std::vector<std::int64_t> chunks;
      for (std::int64_t left = tokens; left > 0; left -= chunks.back()) {
        chunks.push_back(next_chunk(left, most));
        ASSERT_GE(chunks.back(), 1);
        ASSERT_LE(chunks.back(), most) << tokens;
      }
      const auto fewest = static_cast<std::size_t>((tokens + most - 1) / most);
      EXPECT_EQ(chunks.size(), fewest) << tokens << " by " << most;
      const auto [least, largest] = std::ranges::minmax(chunks);
      EXPECT_LE(largest - least, 1) << tokens << " by " << most;
    }
  }
}

}  // namespace
}  // namespace bantam
