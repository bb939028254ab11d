// Streams against whole texts; row P36 and the stop strings of P12 of the bad inputs.
#include "tokenizer/stream_decoder.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/unicode.h"
#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

// A byte for each id below 256, and a few longer tokens: nothing between tokens and bytes.
class Bytes final : public Tokenizer {
 public:
  explicit Bytes(std::vector<std::string> more = {}, bool drops = false)
      : more_(std::move(more)), drops_(drops) {}
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions&) const override {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string piece_bytes(TokenId id, bool /*show_control*/) const override {
    if (id < 256) return std::string(1, static_cast<char>(id));
    return more_[static_cast<std::size_t>(id) - 256];
  }
  bool drops_leading_space() const override { return drops_; }
  std::size_t vocab_size() const override { return 256 + more_.size(); }
  std::string_view piece(TokenId) const override { return ""; }
  TokenType type(TokenId) const override { return TokenType::kNormal; }
  std::optional<TokenId> find(std::string_view) const override { return std::nullopt; }
  const SpecialTokens& specials() const override { return specials_; }
  std::string_view description() const override { return "bytes"; }

 private:
  std::vector<std::string> more_;
  bool drops_;
  SpecialTokens specials_;
};

struct Streamed {
  std::string text;
  std::optional<std::size_t> stopped;
};

Streamed stream(const Tokenizer& tokenizer, std::span<const TokenId> ids,
                std::vector<std::string> stops = {}) {
  StreamDecoder decoder(tokenizer, stops);
  Streamed out;
  for (const TokenId id : ids) {
    const std::string text = decoder.push(id);
    EXPECT_TRUE(is_valid_utf8(text)) << quoted(text);
    out.text += text;
  }
  out.text += decoder.finish();
  EXPECT_TRUE(is_valid_utf8(out.text));
  out.stopped = decoder.stopped();
  return out;
}

TEST(StreamDecoder, GivesTheRepairedTextOfTheWhole) {
  Random random(1);
  const Bytes tokenizer({"\xE4\xB8", "\xAD", " the", "\xF0\x9F\x98", "", "\xFF\xE4"});
  for (int i = 0; i < 3000; ++i) {
    std::vector<TokenId> ids;
    for (std::uint64_t n = random.next_below(30); n > 0; --n)
      ids.push_back(static_cast<TokenId>(random.next_below(2) == 0 ? 256 + random.next_below(6)
                                                                   : random.next_below(256)));
    EXPECT_EQ(stream(tokenizer, ids).text, repair_utf8(tokenizer.decode(ids, false)));
  }
}

TEST(StreamDecoder, HoldsBackOnlyWhatMayBecomeACharacter) {
  const Bytes tokenizer;
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.push(0x9F), "");
  EXPECT_EQ(decoder.push(0x98), "");
  EXPECT_EQ(decoder.held(), 3u);
  EXPECT_EQ(decoder.push(0x80), "\U0001F600");
  EXPECT_EQ(decoder.held(), 0u);
  EXPECT_EQ(decoder.push('a'), "a");
  EXPECT_EQ(decoder.push(0xE4), "");
  EXPECT_EQ(decoder.push('b'), "\uFFFDb");
  EXPECT_EQ(decoder.push(0xE4), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");  // P36: once, at the end
}

TEST(StreamDecoder, DropsTheSpaceThatTheEncoderHadPut) {
  const Bytes tokenizer({"", " the"}, true);
  const std::vector<TokenId> ids = {256, 257, 257};
  EXPECT_EQ(tokenizer.decode(ids, false), "the the");
  EXPECT_EQ(stream(tokenizer, ids).text, "the the");
  const std::vector<TokenId> spaces = {' ', ' ', 'x'};
  EXPECT_EQ(tokenizer.decode(spaces, false), " x");
  EXPECT_EQ(stream(tokenizer, spaces).text, " x");
}

// The definition: the text before the stop string that begins first.
Streamed slow_stop(const std::string& text, const std::vector<std::string>& stops) {
  Streamed out{.text = text, .stopped = std::nullopt};
  std::size_t found = text.size() + 1;
  for (std::size_t i = 0; i < stops.size(); ++i) {
    if (stops[i].empty()) continue;
    const std::size_t at = text.find(stops[i]);
    if (at == std::string::npos) continue;
    if (at < found || (at == found && stops[i].size() < stops[*out.stopped].size())) {
      found = at;
      out.stopped = i;
    }
  }
  if (out.stopped) out.text = text.substr(0, found);
  return out;
}

TEST(StreamDecoder, StopsWhereTheWholeTextWould) {  // P12
  Random random(2);
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::string> stops;
    for (std::uint64_t n = random.next_below(4); n > 0; --n)
      stops.push_back(samples::random_word(random, "ab", random.next_below(5)));
    const std::string text = samples::random_word(random, "abc", random.next_below(16));
    // In tokens of random lengths.
    std::vector<std::string> pieces;
    std::vector<TokenId> ids;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = 1 + random.next_below(4);
      pieces.push_back(text.substr(at, size));
      ids.push_back(static_cast<TokenId>(255 + pieces.size()));
      at += size;
    }
    const Bytes tokenizer(pieces);
    const Streamed got = stream(tokenizer, ids, stops);
    const Streamed wanted = slow_stop(text, stops);
    ASSERT_EQ(got.text, wanted.text) << text << " " << testing::PrintToString(stops);
    ASSERT_EQ(got.stopped, wanted.stopped) << text << " " << testing::PrintToString(stops);
  }
}

TEST(StreamDecoder, AStopStringMayCutACharacterSequenceNotACharacter) {
  const Bytes tokenizer;
  const std::vector<TokenId> ids = tokenizer.encode("na\u00EFve \u4E2D\u6587 end", {});
  EXPECT_EQ(stream(tokenizer, ids, {"\u6587"}).text, "na\u00EFve \u4E2D");
  StreamDecoder decoder(tokenizer, {"END"});
  std::string text;
  for (const TokenId id : tokenizer.encode("xEN", {})) text += decoder.push(id);
  EXPECT_EQ(text, "x");
  EXPECT_EQ(decoder.push('.'), "EN.");
  for (const TokenId id : tokenizer.encode("END", {})) EXPECT_EQ(decoder.push(id), "");
  EXPECT_EQ(decoder.stopped(), 0u);
  EXPECT_EQ(decoder.push('x'), "");
  EXPECT_EQ(decoder.finish(), "");
}

}  // namespace
}  // namespace bantam
