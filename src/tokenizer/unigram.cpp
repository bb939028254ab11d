// Unigram: of all ways to cut a text into tokens, the one with the best sum of scores
// (Kudo, "Subword regularization", ACL 2018). T5, XLM-RoBERTa, ALBERT, model2vec.
//
// A character that no token covers costs ten more than the worst token. Of two equally good ways
// the one whose last token starts earlier wins. What is equally good depends on how sums are
// rounded: the SentencePiece library, which made the models and is the default here, keeps them as
// floats from the start of the text on; with bantam.tokenizer.exact_scores they are doubles, as in
// Hugging Face's tokenizers.
#include "tokenizer/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/unicode.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/fallback.h"
#include "tokenizer/families.h"
#include "tokenizer/piece_trie.h"
#include "tokenizer/seams.h"
#include "tokenizer/space_rules.h"

namespace bantam {
namespace {

constexpr double kUnknownPenalty = 10.0;

class UnigramTokenizer final : public VocabTokenizer {
 public:
  static TokenizerResult make(Vocab vocab, const Metadata& metadata);

  bool drops_leading_space() const override { return spaces_.prefix; }

 protected:
  void encode_text(std::string_view text, bool at_start, std::vector<TokenId>& ids) const override {
    const std::string mapped = charsmap_ ? charsmap_->apply(text) : std::string();
    const std::string normal =
        spaces_.apply(charsmap_ ? mapped : text, stretch_begin(vocab(), at_start, ids));
    std::vector<Step> steps;
    const std::size_t first = ids.size();
    double score = 0;
    for (std::string_view rest = normal; !rest.empty();) {
      const std::size_t bytes = seams_.next(rest, spaces_.split);
      score = encode_segment(rest.substr(0, bytes), spaces_.split ? 0 : score, first, steps, ids);
      rest.remove_prefix(bytes);
    }
  }

  void begin_with_user_defined(std::vector<TokenId>& ids) const override {
    if (spaces_.inline_tokens && !spaces_.collapse) encode_text({}, true, ids);
  }

  std::string normal_bytes(TokenId id) const override {
    if (type(id) == TokenType::kByte) return {static_cast<char>(vocab().byte_value(id))};
    return unescape_spaces(piece(id));
  }

 private:
  // The best way to a place in the text: its score and the last token on it.
  struct Step {
    double score = -std::numeric_limits<double>::infinity();
    std::size_t begin = 0;
    TokenId id = -1;  // -1: a character that is no token
  };

  UnigramTokenizer(Vocab vocab, std::optional<Normalizer> normalizer, std::string description)
      : VocabTokenizer(std::move(vocab), std::move(normalizer), std::move(description)),
        seams_(this->vocab()) {}

  // Of the vocabulary, or of the exact list, which may be shorter than the vocabulary.
  void set_scores(const std::optional<std::vector<double>>& exact);
  void build_trie();

  // A sum as it is kept.
  double rounded(double sum) const {
    return exact_ ? sum : static_cast<double>(static_cast<float>(sum));
  }

  // Appends the ids of text between seams. `score` is that of the text before it; returns that of
  // the text up to its end.
  double encode_segment(std::string_view text, double score, std::size_t first,
                        std::vector<Step>& steps, std::vector<TokenId>& ids) const;

  Seams seams_;
  PieceTrie trie_;
  std::vector<double> scores_;  // by id
  double unknown_score_ = 0;
  bool exact_ = false;
  Fallback fallback_;
  SpaceRules spaces_;
  std::optional<CharsMap> charsmap_;
};

void UnigramTokenizer::set_scores(const std::optional<std::vector<double>>& exact) {
  exact_ = exact.has_value();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double worst = kInfinity, best = -kInfinity;
  for (TokenId id = 0; vocab().contains(id); ++id) {
    const auto at = static_cast<std::size_t>(id);
    const bool listed = exact && at < exact->size();
    scores_.push_back(listed ? (*exact)[at] : static_cast<double>(vocab().score(id)));
    // Hugging Face's list counts whole, the library's as far as tokens are normal ones.
    if (!listed && (exact || vocab().type(id) != TokenType::kNormal)) continue;
    worst = std::min(worst, scores_.back());
    best = std::max(best, scores_.back());
  }
  unknown_score_ = rounded((std::isfinite(worst) ? worst : 0) - kUnknownPenalty);
  // A user-defined token beats every way to spell it otherwise.
  for (TokenId id = 0; vocab().contains(id); ++id)
    if (vocab().type(id) == TokenType::kUserDefined)
      scores_[static_cast<std::size_t>(id)] =
          static_cast<double>(vocab().piece(id).size()) * best - 0.1;
}

void UnigramTokenizer::build_trie() {
  std::vector<std::pair<std::string_view, TokenId>> pieces;
  for (TokenId id = 0; vocab().contains(id); ++id)
    if (vocab().type(id) == TokenType::kNormal || vocab().type(id) == TokenType::kUserDefined)
      pieces.emplace_back(vocab().piece(id), id);
  trie_ = PieceTrie(std::move(pieces));
}

double UnigramTokenizer::encode_segment(std::string_view text, double score, std::size_t first,
                                        std::vector<Step>& steps, std::vector<TokenId>& ids) const {
  steps.assign(text.size() + 1, {});
  steps[0].score = score;
  for (std::size_t i = 1; i < steps.size(); ++i) steps[i].begin = i;  // not reached yet
  // A place that nothing has reached takes even minus infinity. The library compares a sum before
  // it rounds it.
  const auto offer = [&](std::size_t begin, std::size_t end, double sum, TokenId id) {
    Step& step = steps[end];
    if (sum > step.score || step.begin == end)
      step = {.score = rounded(sum), .begin = begin, .id = id};
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t character = decode_utf8(text.substr(at)).bytes;
    bool covered = false;
    trie_.for_each_prefix(text.substr(at), [&](std::size_t bytes, TokenId id) {
      offer(at, at + bytes, steps[at].score + scores_[static_cast<std::size_t>(id)], id);
      covered = covered || bytes == character;
    });
    if (!covered) offer(at, at + character, rounded(steps[at].score + unknown_score_), -1);
    at += character;
  }
  score = steps.back().score;
  // Back along the best way; the steps that are on it are linked forward in place.
  std::size_t next = text.size();
  for (std::size_t at = text.size(); at > 0;) {
    const std::size_t begin = steps[at].begin;
    steps[at].begin = next;  // from here on: the end of the token after this one
    next = at;
    at = begin;
  }
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = next;
    if (steps[end].id >= 0)
      ids.push_back(steps[end].id);
    else
      fallback_.append(text.substr(begin, end - begin), first, ids);
    next = steps[end].begin;
    begin = end;
  }
  return score;
}

TokenizerResult UnigramTokenizer::make(Vocab vocab, const Metadata& metadata) {
  if (!vocab.has_scores())
    return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                "tokenizer.ggml.scores is missing: a Unigram vocabulary is made of them");
  const std::string steps = TRY(metadata.string_or(kNormalizerKey, "null"));
  std::optional<Normalizer> normalizer = TRY(Normalizer::parse_text(steps));
  std::string description = fmt::format("Unigram, {} tokens", vocab.size());
  std::shared_ptr<UnigramTokenizer> made(
      new UnigramTokenizer(std::move(vocab), std::move(normalizer), std::move(description)));
  const std::optional<std::vector<double>> exact = TRY(metadata.numbers(kExactScoresKey));
  made->set_scores(exact);
  made->build_trie();
  made->fallback_ = TRY(Fallback::from_metadata(made->vocab(), metadata));
  made->spaces_ = TRY(SpaceRules::from_metadata(metadata));
  made->charsmap_ = TRY(read_charsmap(metadata));
  if (!made->charsmap_ && !made->fallback_.has_all_bytes()) made->charsmap_.emplace();
  return made;
}

}  // namespace

TokenizerResult make_unigram(Vocab vocab, const Metadata& metadata) {
  return UnigramTokenizer::make(std::move(vocab), metadata);
}

}  // namespace bantam
