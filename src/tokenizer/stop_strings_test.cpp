// Stop strings in streamed text: against a slow definition, whatever the pieces the text comes in.
#include <gtest/gtest.h>

#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

using Strings = std::vector<std::string>;

// Tokens for all bytes and for pieces that cut characters and stop strings anywhere.
std::shared_ptr<const Tokenizer> byte_tokenizer(const Strings& pieces = {}) {
  std::vector<samples::Token> tokens;
  for (const std::string& piece : pieces) tokens.push_back({piece});
  Metadata metadata = samples::vocabulary("llama", samples::with_bytes(tokens));
  metadata.set_bool("tokenizer.ggml.add_space_prefix", false);
  return samples::make(metadata);
}

struct Cut {
  std::string text;
  std::optional<std::size_t> stop;
};

// The text before the stop string that begins first, the shortest of those that begin there.
Cut slow_cut(const std::string& text, const Strings& stops) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < stops.size(); ++i)
      if (!stops[i].empty() && text.compare(at, stops[i].size(), stops[i]) == 0 &&
          (!best || stops[i].size() < stops[*best].size()))
        best = i;
    if (best) return {text.substr(0, at), best};
  }
  return {text, std::nullopt};
}

// Whether a stop string may begin in the first `shown` bytes of a text that goes on.
bool may_begin(const std::string& text, std::size_t shown, const Strings& stops) {
  for (std::size_t at = 0; at < shown; ++at)
    for (const std::string& stop : stops)
      if (stop.size() > text.size() - at && stop.starts_with(text.substr(at))) return true;
  return false;
}

TEST(StopStrings, EqualTheSlowDefinitionHoweverTheTextIsCut) {
  Random random(61);
  const Strings pieces = {"a", "b", "ab", "ba", "aab", "\xE6\x97", "\xA5", "日", "bb日", "\xC3"};
  const auto tokenizer = byte_tokenizer(pieces);
  ASSERT_TRUE(tokenizer);
  std::size_t stopped = 0;
  for (int round = 0; round < 3000; ++round) {
    Strings stops;
    for (std::uint64_t i = random.next_below(4); i > 0; --i) {
      stops.emplace_back();
      for (std::uint64_t k = random.next_below(5); k > 0; --k)
        stops.back() += Strings{"a", "b", "日"}[random.next_below(3)];
    }
    StreamDecoder decoder(*tokenizer, stops);
    std::vector<TokenId> ids;
    std::string shown;
    while (ids.size() < 20 && !decoder.stopped()) {
      ids.push_back(static_cast<TokenId>(random.next_below(pieces.size())));
      shown += decoder.push(ids.back());
      const std::string bytes = tokenizer->decode(ids, false);
      const std::string known = repair_utf8(
          std::string_view(bytes).substr(0, bytes.size() - incomplete_utf8_tail(bytes)));
      ASSERT_TRUE(slow_cut(known, stops).text.starts_with(shown));
      if (!decoder.stopped()) EXPECT_FALSE(may_begin(known, shown.size(), stops)) << shown;
    }
    const bool early = decoder.stopped().has_value();
    shown += decoder.finish();
    const Cut expected = slow_cut(repair_utf8(tokenizer->decode(ids, false)), stops);
    ASSERT_EQ(shown, expected.text) << round;
    ASSERT_EQ(decoder.stopped(), expected.stop) << round;
    if (early) EXPECT_EQ(decoder.push(0), "");
    stopped += early ? 1 : 0;
  }
  EXPECT_GT(stopped, 300u);
}

TEST(StopStrings, AreHeldBackUntilTheyAreKnown) {
  const auto tokenizer = byte_tokenizer({"x", "<", "en", "d", ">", "e"});
  StreamDecoder decoder(*tokenizer, {"<end>"});
  EXPECT_EQ(decoder.push(0), "x");
  EXPECT_EQ(decoder.push(1), "");
  EXPECT_EQ(decoder.push(2), "");
  EXPECT_EQ(decoder.push(1), "<en");  // that was none, but the next may be
  EXPECT_EQ(decoder.push(2), "");
  EXPECT_EQ(decoder.push(3), "");
  EXPECT_EQ(decoder.stopped(), std::nullopt);
  EXPECT_EQ(decoder.push(4), "");
  EXPECT_EQ(decoder.stopped(), 0u);
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StopStrings, WhatIsLeftAtTheEndIsShown) {
  const auto tokenizer = byte_tokenizer({"ab"});
  StreamDecoder decoder(*tokenizer, {"abc"});
  EXPECT_EQ(decoder.push(0), "");
  EXPECT_EQ(decoder.finish(), "ab");
  EXPECT_EQ(decoder.stopped(), std::nullopt);
}

TEST(StopStrings, AcrossTheBytesOfACharacter) {
  const auto tokenizer = byte_tokenizer({"a\xE6", "\x97\xA5", "b"});
  StreamDecoder decoder(*tokenizer, {"日b"});
  EXPECT_EQ(decoder.push(0), "a");
  EXPECT_EQ(decoder.push(1), "");
  EXPECT_EQ(decoder.push(2), "");
  EXPECT_EQ(decoder.stopped(), 0u);
}

TEST(StopStrings, LongOnesInALongText) {  // P12: the caps, and no quadratic work
  const auto tokenizer = byte_tokenizer({"a", "b"});
  Strings stops;
  for (std::size_t i = 0; i < 16; ++i) stops.push_back(std::string(255 - i, 'a') + "b");
  StreamDecoder decoder(*tokenizer, stops);
  std::size_t shown = 0;
  for (int i = 0; i < 3000; ++i) shown += decoder.push(0).size();
  EXPECT_EQ(shown, 3000u - 255);
  EXPECT_EQ(decoder.push(1), "");  // all of them end here; the longest begins first
  EXPECT_EQ(decoder.stopped(), 0u);
}

}  // namespace
}  // namespace bantam
