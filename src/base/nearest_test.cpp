#include "base/nearest.h"

#include <gtest/gtest.h>

namespace bantam {
namespace {

using Names = std::vector<std::string>;

constexpr std::string_view kCommands[] = {"generate", "quantize", "tokenize", "render", "run"};

TEST(EditDistance, CountsTheFourEdits) {
  EXPECT_EQ(edit_distance("llama", "llama"), 0u);
  EXPECT_EQ(edit_distance("llama", "lama"), 1u);   // one deleted
  EXPECT_EQ(edit_distance("lama", "llama"), 1u);   // one inserted
  EXPECT_EQ(edit_distance("llama", "llamo"), 1u);  // one replaced
  EXPECT_EQ(edit_distance("llama", "llmaa"), 1u);  // neighbours swapped
  EXPECT_EQ(edit_distance("LLaMA", "llama"), 0u);  // case ignored
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
}

TEST(EditDistance, LooksAtSixtyFourBytesOnly) {
  const std::string a = std::string(64, 'a') + "xyz";
  const std::string b = std::string(64, 'a') + "123456";
  EXPECT_EQ(edit_distance(a, b), 0u);
}

TEST(NearestNames, GivesTheNearestFirst) {
  EXPECT_EQ(nearest_names("tokenise", kCommands), Names{"tokenize"});
  EXPECT_EQ(nearest_names("rnu", kCommands), Names{"run"});
  EXPECT_EQ(nearest_names("gen", kCommands), Names{"generate"});
}

TEST(NearestNames, GivesNothingForSomethingElse) {
  EXPECT_TRUE(nearest_names("frobnicate", kCommands).empty());
  EXPECT_TRUE(nearest_names("", kCommands).empty());
}

TEST(NearestNames, KeepsTheOrderAndTheCount) {
  constexpr std::string_view known[] = {"ab1", "ab2", "ab3", "ab4"};
  EXPECT_EQ(nearest_names("ab", known, 2), (Names{"ab1", "ab2"}));
}

TEST(DidYouMean, ReadsAsASentence) {
  constexpr std::string_view known[] = {"q4_0", "q4_1", "q4_k"};
  EXPECT_EQ(did_you_mean("q4_9", known), " Did you mean q4_0, q4_1 or q4_k?");
  EXPECT_EQ(did_you_mean("zzz", known), "");
}

}  // namespace
}  // namespace bantam
