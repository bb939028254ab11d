#include "base/hash.h"

#include <gtest/gtest.h>

namespace bantam {
namespace {

std::uint64_t hash_of(std::string_view text) {
  Hash64 hash;
  hash.add(text);
  return hash.value();
}

// Known values of XXH64 with seed 0.
TEST(Hash64, GivesTheValuesOfXxh64) {
  EXPECT_EQ(hash_of(""), 0xef46db3751d8e999);
  EXPECT_EQ(hash_of("a"), 0xd24ec4f1a98c6e5b);
  EXPECT_EQ(hash_of("abc"), 0x44bc2cf5ad770999);
  EXPECT_EQ(hash_of("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1);
}

TEST(Hash64, DoesNotDependOnHowTheBytesAreCut) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += static_cast<char>(i * 37);
  for (std::size_t piece = 1; piece < 70; ++piece) {
    Hash64 hash;
    for (std::size_t at = 0; at < text.size(); at += piece)
      hash.add(std::string_view(text).substr(at, piece));
    EXPECT_EQ(hash.value(), hash_of(text)) << piece;
  }
  EXPECT_EQ(Hash64().hex(), "ef46db3751d8e999");
}

}  // namespace
}  // namespace bantam
