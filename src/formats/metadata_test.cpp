#include "formats/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace bantam {
namespace {

using testing::HasSubstr;

TEST(Metadata, KeepsTheOrderAndReplacesInPlace) {
  Metadata metadata;
  metadata.set_u32("a", 1);
  metadata.set_string("b", "x");
  metadata.set_bool("c", true);
  metadata.set_u32("a", 5);
  metadata.erase("b");
  metadata.erase("never there");
  metadata.set_f32("d", 0.5f);
  ASSERT_EQ(metadata.entries().size(), 3u);
  EXPECT_EQ(metadata.entries()[0].first, "a");
  EXPECT_EQ(metadata.entries()[1].first, "c");
  EXPECT_EQ(metadata.entries()[2].first, "d");
  EXPECT_EQ(*metadata.integer("a", 0, 9), 5u);
  EXPECT_TRUE(*metadata.boolean("c"));
  EXPECT_EQ(*metadata.number("d", 0, 1), 0.5);
  EXPECT_FALSE(metadata.contains("b"));
}

TEST(Metadata, GettersNameKeyWantAndFinding) {
  Metadata metadata;
  metadata.set("i", {MetaType::kI32, std::int64_t{-3}});
  metadata.set_string("s", "text");
  metadata.set_f32("nan", std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(metadata.integer("none", 0, 1).error().code, "missing_key");
  EXPECT_EQ(metadata.integer("none", 0, 1).error().where, "key \"none\"");
  EXPECT_EQ(metadata.integer("s", 0, 1).error().code, "wrong_type");
  EXPECT_THAT(metadata.integer("s", 0, 1).error().message, HasSubstr("found string"));
  EXPECT_EQ(metadata.integer("i", 0, 1).error().code, "out_of_range");
  EXPECT_THAT(metadata.integer("i", 0, 1).error().message, HasSubstr("-3"));
  EXPECT_FALSE(metadata.number("nan", -1e300, 1e300));
  EXPECT_EQ(*metadata.number("i", -5, 5), -3.0);
  EXPECT_FALSE(metadata.boolean("i"));
  EXPECT_EQ(*metadata.integer_or("none", 7, 0, 1), 7u);
  EXPECT_FALSE(metadata.integer_or("i", 7, 0, 1));
  EXPECT_EQ(*metadata.string_or("none", "d"), "d");
  EXPECT_FALSE(metadata.string_or("i", "d"));
  EXPECT_TRUE(*metadata.boolean_or("none", true));
  EXPECT_EQ(*metadata.number_or("none", 2.5, 0, 1), 2.5);
}

TEST(Metadata, ArraysAreTyped) {
  Metadata metadata;
  metadata.set_i32s("i", {-1, 2});
  metadata.set_f32s("f", {0.25f});
  metadata.set_strings("s", {"a", "b"});
  MetaArray bytes{.element = MetaType::kU8, .integers = {1, 2}, .floats = {}, .strings = {}};
  metadata.set("tokenizer.ggml.scores", {MetaType::kArray, bytes});
  EXPECT_THAT(**metadata.integers("i"), testing::ElementsAre(-1, 2));
  EXPECT_THAT(**metadata.numbers("f"), testing::ElementsAre(0.25));
  EXPECT_THAT(**metadata.strings("s"), testing::ElementsAre("a", "b"));
  EXPECT_EQ(*metadata.strings("none"), nullptr);
  EXPECT_FALSE(metadata.integers("none")->has_value());
  EXPECT_FALSE(metadata.integers("f"));
  EXPECT_FALSE(metadata.strings("i"));
  // Scores declared as bytes: right in number, wrong in kind.
  const auto scores = metadata.numbers("tokenizer.ggml.scores");
  ASSERT_FALSE(scores);
  EXPECT_THAT(scores.error().to_string(), HasSubstr("tokenizer.ggml.scores"));
  EXPECT_THAT(scores.error().message, HasSubstr("array of u8"));
  MetaArray huge{.element = MetaType::kU64, .integers = {~0ull}, .floats = {}, .strings = {}};
  metadata.set("huge", {MetaType::kArray, huge});
  EXPECT_EQ(metadata.integers("huge").error().code, "out_of_range");
}

}  // namespace
}  // namespace bantam
