// SentencePiece BPE with byte fallback: Llama 1 and 2, Mistral up to v3, Gemma, Phi-3.
//
// Spaces become "▁", the text is cut into characters, and of all neighbours that make a token those
// of the best score merge, the leftmost of equals first, until none do. Characters that are no
// token become their bytes, or the unknown token (Kudo and Richardson, "SentencePiece", 2018).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "base/unicode.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/fallback.h"
#include "tokenizer/families.h"
#include "tokenizer/merge_queue.h"
#include "tokenizer/seams.h"
#include "tokenizer/space_rules.h"
#include "tokenizer/spm_merges.h"

namespace bantam {
namespace {

// Up to here the best of all pairs is looked for again after every merge, which beats a queue.
constexpr std::size_t kShort = 40;
// Places are counted in 32 bits. A text of more bytes than this without a single seam is cut.
constexpr std::size_t kMaxSegment = std::size_t{1} << 30;

// The token of a piece, if plain text may become it, or else -1.
TokenId plain_token(const Vocab& vocab, std::string_view piece) {
  const std::optional<TokenId> id = vocab.find(piece);
  return id && is_plain(vocab.type(*id)) ? *id : -1;
}

using AsciiTokens = std::array<TokenId, 128>;  // plain_token() of single characters

// Encodes stretches of text between seams. Holds its working memory, so that one object serves all
// the segments of a text.
template <typename Merges>
class SegmentEncoder {
 public:
  SegmentEncoder(const Vocab& vocab, const AsciiTokens& ascii, const Merges& merges,
                 const Fallback& fallback)
      : vocab_(vocab), ascii_(ascii), merges_(merges), fallback_(fallback) {}

  // `first`: where the ids of the whole stretch begin.
  void encode(std::string_view text, std::size_t first, std::vector<TokenId>& ids) {
    text_ = text;
    first_ = first;
    splits_.clear();
    cut_into_characters();
    if (symbols_.size() <= kShort)
      merge_short();
    else
      merge_long();
    for (std::uint32_t at = 0; at != kNone; at = symbols_[at].next) {
      if (symbols_[at].id >= 0 && splits_.empty())
        ids.push_back(symbols_[at].id);
      else
        append({.begin = symbols_[at].begin, .end = end_of(at), .id = symbols_[at].id}, ids);
    }
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  struct Symbol {
    std::uint32_t begin;
    std::uint32_t previous, next;  // kNone at the ends
    TokenId id;                    // -1: not a token
    SpmMerge with_next;
  };

  struct Part {
    std::uint32_t begin, end;
    TokenId id;
  };

  std::uint32_t end_of(std::uint32_t at) const {
    const std::uint32_t next = symbols_[at].next;
    return next == kNone ? static_cast<std::uint32_t>(text_.size()) : symbols_[next].begin;
  }

  std::string_view text_between(std::uint32_t begin, std::uint32_t end) const {
    return text_.substr(begin, end - begin);
  }

  TokenId token_of(std::string_view piece) const {
    const auto first = static_cast<unsigned char>(piece[0]);
    return piece.size() == 1 && first < 128 ? ascii_[first] : plain_token(vocab_, piece);
  }

  void cut_into_characters() {
    symbols_.clear();
    symbols_.reserve(text_.size());
    for (std::size_t at = 0; at < text_.size();) {
      const std::size_t bytes = decode_utf8(text_.substr(at)).bytes;
      const auto here = static_cast<std::uint32_t>(symbols_.size());
      symbols_.push_back({.begin = static_cast<std::uint32_t>(at),
                          .previous = here - 1,  // kNone before the first
                          .next = here + 1,
                          .id = token_of(text_.substr(at, bytes)),
                          .with_next = {}});
      at += bytes;
    }
    symbols_.back().next = kNone;
    for (std::uint32_t at = 0; at < symbols_.size(); ++at) look_right(at);
  }

  // What the symbol and the one after it become.
  void look_right(std::uint32_t at) {
    Symbol& symbol = symbols_[at];
    symbol.with_next = {};
    if (symbol.next == kNone) return;
    symbol.with_next = merges_.find(text_between(symbol.begin, end_of(symbol.next)), symbol.id,
                                    symbols_[symbol.next].id);
  }

  void merge(std::uint32_t at) {
    Symbol& symbol = symbols_[at];
    const std::uint32_t gone = symbol.next;
    if (vocab_.type(symbol.with_next.id) == TokenType::kUnused)
      splits_[std::pair(symbol.begin, end_of(gone))] = symbols_[gone].begin;
    symbol.id = symbol.with_next.id;
    symbol.next = symbols_[gone].next;
    symbols_[gone].with_next = {};
    if (symbol.next != kNone) symbols_[symbol.next].previous = at;
    look_right(at);
    if (symbol.previous != kNone) look_right(symbol.previous);
  }

  void merge_short() {
    while (true) {
      std::uint32_t best = kNone;
      std::uint32_t rank = SpmMerge::kNever;
      for (std::uint32_t at = 0; at != kNone; at = symbols_[at].next) {
        if (symbols_[at].with_next.rank < rank) {
          best = at;
          rank = symbols_[at].with_next.rank;
        }
      }
      if (best == kNone) return;
      merge(best);
    }
  }

  void merge_long() {
    if (!queue_) queue_.emplace(merges_.ranks());
    const auto push = [&](std::uint32_t at) {
      if (at != kNone && symbols_[at].with_next.rank != SpmMerge::kNever)
        queue_->push({.rank = symbols_[at].with_next.rank, .place = at});
    };
    for (std::uint32_t at = 0; at < symbols_.size(); ++at) push(at);
    while (!queue_->empty()) {
      const MergeQueue::Entry entry = queue_->pop();
      __builtin_prefetch(&symbols_[std::min<std::size_t>(queue_->upcoming(), symbols_.size() - 1)]);
      if (symbols_[entry.place].with_next.rank != entry.rank) continue;  // changed meanwhile
      merge(entry.place);
      push(symbols_[entry.place].previous);
      push(entry.place);
    }
  }

  // A token that is marked as unused may be a step of a merge but not its result: it falls apart
  // into what it was made of.
  void append(const Part& whole, std::vector<TokenId>& ids) {
    for (std::vector<Part> parts = {whole}; !parts.empty();) {
      const Part part = parts.back();
      parts.pop_back();
      const auto split =
          splits_.empty() ? splits_.end() : splits_.find(std::pair(part.begin, part.end));
      if (part.id >= 0 && split == splits_.end()) {
        ids.push_back(part.id);
      } else if (part.id < 0) {
        fallback_.append(text_between(part.begin, part.end), first_, ids);
      } else {
        const std::uint32_t middle = split->second;
        for (const auto [from, to] : {std::pair(middle, part.end), std::pair(part.begin, middle)})
          parts.push_back({.begin = from, .end = to, .id = token_of(text_between(from, to))});
      }
    }
  }

  const Vocab& vocab_;
  const AsciiTokens& ascii_;
  const Merges& merges_;
  const Fallback& fallback_;
  std::string_view text_;
  std::size_t first_ = 0;
  std::vector<Symbol> symbols_;
  std::optional<MergeQueue> queue_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> splits_;  // of unused tokens
};

class SpmTokenizer final : public VocabTokenizer {
 public:
  static TokenizerResult make(Vocab vocab, const Metadata& metadata);

  bool drops_leading_space() const override { return spaces_.prefix; }

 protected:
  void encode_text(std::string_view text, bool at_start, std::vector<TokenId>& ids) const override {
    std::string normal = charsmap_ ? charsmap_->apply(text) : std::string();
    normal = spaces_.apply(charsmap_ ? normal : text, stretch_begin(vocab(), at_start, ids));
    if (listed_)
      encode_normal(normal, *listed_, ids);
    else
      encode_normal(normal, scored_, ids);
  }

  void begin_with_user_defined(std::vector<TokenId>& ids) const override {
    if (spaces_.inline_tokens && !spaces_.collapse) encode_text({}, true, ids);
  }

  std::string normal_bytes(TokenId id) const override {
    if (type(id) == TokenType::kByte) return {static_cast<char>(vocab().byte_value(id))};
    return unescape_spaces(piece(id));
  }

 private:
  SpmTokenizer(Vocab vocab, std::optional<Normalizer> normalizer, std::string description)
      : VocabTokenizer(std::move(vocab), std::move(normalizer), std::move(description)),
        seams_(this->vocab()),
        scored_(this->vocab()) {
    for (std::size_t c = 0; c < ascii_.size(); ++c) {
      const auto character = static_cast<char>(c);
      ascii_[c] = plain_token(this->vocab(), std::string_view(&character, 1));
    }
  }

  template <typename Merges>
  void encode_normal(std::string_view text, const Merges& merges, std::vector<TokenId>& ids) const {
    SegmentEncoder<Merges> encoder(vocab(), ascii_, merges, fallback_);
    for (const std::size_t first = ids.size(); !text.empty();) {
      const std::size_t bytes = std::min(seams_.next(text, spaces_.split), kMaxSegment);
      encoder.encode(text.substr(0, bytes), first, ids);
      text.remove_prefix(bytes);
    }
  }

  Seams seams_;
  AsciiTokens ascii_{};
  ScoreMerges scored_;
  std::optional<ListedMerges> listed_;  // counts instead, if there
  Fallback fallback_;
  SpaceRules spaces_;
  std::optional<CharsMap> charsmap_;
};

TokenizerResult SpmTokenizer::make(Vocab vocab, const Metadata& metadata) {
  const std::vector<std::string>* const merges = TRY(metadata.strings(kSpmMergesKey));
  if (merges == nullptr && !vocab.has_scores())
    return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                "tokenizer.ggml.scores is missing: without scores nothing says which pieces merge");
  const std::string steps = TRY(metadata.string_or(kNormalizerKey, "null"));
  std::optional<Normalizer> normalizer = TRY(Normalizer::parse_text(steps));
  std::string description = fmt::format("SentencePiece BPE, {} tokens", vocab.size());
  std::shared_ptr<SpmTokenizer> made(
      new SpmTokenizer(std::move(vocab), std::move(normalizer), std::move(description)));
  if (merges != nullptr) made->listed_ = TRY(ListedMerges::parse(*merges, made->vocab()));
  made->fallback_ = TRY(Fallback::from_metadata(made->vocab(), metadata));
  made->spaces_ = TRY(SpaceRules::from_metadata(metadata));
  made->charsmap_ = TRY(read_charsmap(metadata));
  if (!made->charsmap_ && !made->fallback_.has_all_bytes()) made->charsmap_.emplace();
  return made;
}

}  // namespace

TokenizerResult make_spm(Vocab vocab, const Metadata& metadata) {
  return SpmTokenizer::make(std::move(vocab), metadata);
}

}  // namespace bantam
