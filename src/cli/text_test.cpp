#include "cli/text.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace bantam {
namespace {

TEST(HumanBytes, KeepsThreeDigits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1000), "1.00 kB");
  EXPECT_EQ(human_bytes(4'741'120), "4.74 MB");
  EXPECT_EQ(human_bytes(47'411'200), "47.4 MB");
  EXPECT_EQ(human_bytes(474'112'000), "474 MB");
}

TEST(HumanBytes, GoesUpAUnitRatherThanShowAThousand) {
  EXPECT_EQ(human_bytes(999'499), "999 kB");
  EXPECT_EQ(human_bytes(999'500), "1.00 MB");
  EXPECT_EQ(human_bytes(9'996), "10.0 kB");
}

TEST(HumanBytes, HasALargestUnit) { EXPECT_EQ(human_bytes(UINT64_MAX), "18446744 TB"); }

TEST(HumanCount, NamesParameterCounts) {
  EXPECT_EQ(human_count(960), "960");
  EXPECT_EQ(human_count(260'032), "260 K");
  EXPECT_EQ(human_count(1'235'814'400), "1.24 B");
}

TEST(HumanTime, GoesFromSecondsToHours) {
  EXPECT_EQ(human_time(8.24), "8.2 s");
  EXPECT_EQ(human_time(750), "12 min 30 s");
  EXPECT_EQ(human_time(11'130), "3 h 05 min");
}

}  // namespace
}  // namespace bantam
