#include "tokenizer/charsmap.h"

#include <gtest/gtest.h>

#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

// The definition: at each place the longest rule, or else the character.
std::string slow_apply(std::string_view text, const std::map<std::string, std::string>& rules) {
  std::string out;
  while (!text.empty()) {
    std::size_t longest = 0;
    for (const auto& [from, to] : rules)
      if (text.starts_with(from)) longest = std::max(longest, from.size());
    if (longest > 0) {
      out += rules.at(std::string(text.substr(0, longest)));
      text.remove_prefix(longest);
      continue;
    }
    const DecodedChar next = decode_utf8(text);
    out += next.valid ? text.substr(0, next.bytes) : std::string_view("\uFFFD");
    text.remove_prefix(next.valid ? next.bytes : 1);
  }
  return out;
}

TEST(CharsMap, EqualsTheSlowDefinitionOnRandomRules) {
  Random random(41);
  for (int round = 0; round < 200; ++round) {
    std::map<std::string, std::string> rules;
    for (std::size_t i = 0, count = 1 + random.next_below(20); i < count; ++i) {
      std::string from = samples::random_word(random, "ab\xC3\xA9", 1 + random.next_below(4));
      rules[from] = samples::random_word(random, "xyz ", random.next_below(6));
    }
    const Result<CharsMap> map = CharsMap::parse(samples::charsmap(rules));
    ASSERT_TRUE(map) << map.error().to_string();
    for (int i = 0; i < 20; ++i) {
      const std::string text =
          samples::random_word(random, "aab\xC3\xA9\xFF", random.next_below(30));
      ASSERT_EQ(map->apply(text), slow_apply(text, rules));
    }
  }
}

TEST(CharsMap, WithoutRulesOnlyBrokenBytesChange) {
  EXPECT_EQ(CharsMap().apply("aé\xFF\xE6\x97日"), "aé\uFFFD\uFFFD\uFFFD日");
}

TEST(CharsMap, RefusesSizesThatDoNotFit) {
  const std::string good = samples::charsmap({{"a", "b"}});
  const auto refused = [](std::string_view bytes) {
    const Result<CharsMap> map = CharsMap::parse(bytes);
    return !map && map.error().code == "tokenizer_invalid";
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused(good.substr(0, 3)));
  EXPECT_TRUE(refused(good.substr(0, 4)));
  EXPECT_TRUE(refused(good.substr(0, good.size() / 2)));  // the trie is cut off
  EXPECT_TRUE(refused(good.substr(0, good.size() - 1)));  // the last NUL is
  std::string size = good;
  size[0] = static_cast<char>(size[0] + 1);
  EXPECT_TRUE(refused(size));  // no multiple of 4
  size = good;
  size[3] = '\xFF';
  EXPECT_TRUE(refused(size));
  EXPECT_TRUE(refused(samples::charsmap({{"a", std::string(257, 'x')}})));  // S17
  EXPECT_FALSE(refused(samples::charsmap({{"a", std::string(256, 'x')}})));
}

TEST(CharsMap, CorruptTablesAreHarmless) {
  const std::string good = samples::charsmap({{"a", "b"}, {"ab", "c"}, {"é", "e"}});
  Random random(42);
  std::size_t changed = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    for (std::uint64_t k = 0; k <= random.next_below(8); ++k)
      bad[4 + random.next_below(bad.size() - 5)] = static_cast<char>(random.next_below(256));
    const Result<CharsMap> map = CharsMap::parse(bad);
    if (!map) continue;
    const std::string out = map->apply("abé abé");
    EXPECT_LE(out.size(), 10u * 256);
    changed += out != "cé cé" ? 1 : 0;
  }
  EXPECT_GT(changed, 0u);
}

}  // namespace
}  // namespace bantam
