#include "tokenizer/bpe_trainer.h"

#include <algorithm>
#include <queue>
#include <set>
#include <unordered_map>
#include <utility>

#include "tokenizer/bpe_words.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/vocab.h"

namespace bantam {
namespace {

using Symbol = std::uint32_t;  // number among the bytes and merges
using Pair = std::pair<Symbol, Symbol>;

constexpr std::size_t kBytes = 256;

struct PairHash {
  std::size_t operator()(const Pair& pair) const {
    // Fibonacci hashing of both halves.
    const std::uint64_t key = (std::uint64_t{pair.first} << 32) | pair.second;
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15ull) >> 16);
  }
};

// The words as rows of symbols, the counts of all pairs of neighbours, and where each pair is.
class Merger {
 public:
  Merger(const std::vector<std::pair<std::string, std::int64_t>>& words,
         const BpeTrainerOptions& options)
      : longest_(static_cast<std::size_t>(options.longest)), rarest_(options.rarest) {
    for (std::size_t byte = 0; byte < kBytes; ++byte)
      bytes_.emplace_back(1, static_cast<char>(byte));
    for (const auto& [text, count] : words) {
      Word& word = words_.emplace_back();
      word.count = count;
      for (const char c : text) word.symbols.push_back(static_cast<unsigned char>(c));
    }
    for (std::size_t w = 0; w < words_.size(); ++w) {
      const std::vector<Symbol>& symbols = words_[w].symbols;
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
        add({symbols[i], symbols[i + 1]}, words_[w].count, w);
    }
    push_changed();
  }

  // The next merge; false when no pair is left that may be one.
  bool next(Pair& best) {
    while (!queue_.empty()) {
      const Candidate candidate = queue_.top();
      queue_.pop();
      const auto found = pairs_.find(candidate.pair);
      const std::int64_t count = found == pairs_.end() ? 0 : found->second.count;
      if (count == candidate.count) {
        best = candidate.pair;
        merge(best);
        return true;
      }
      push(candidate.pair, count);  // it was more frequent when it was put here
    }
    return false;
  }

  const std::vector<std::string>& tokens() const { return bytes_; }  // bytes of each symbol

 private:
  struct Word {
    std::vector<Symbol> symbols;
    std::int64_t count = 0;
  };
  struct Places {
    std::int64_t count = 0;
    std::vector<std::size_t> words;  // where it is or was, in order of word unless it came back
  };
  struct Candidate {
    std::int64_t count;
    Pair pair;
    const std::vector<std::string>* bytes;
    bool operator<(const Candidate& other) const {
      if (count != other.count) return count < other.count;
      const auto& all = *bytes;
      const int left = all[pair.first].compare(all[other.pair.first]);
      return left != 0 ? left < 0 : all[pair.second] < all[other.pair.second];
    }
  };

  void push(Pair pair, std::int64_t count) {
    if (count < rarest_ || bytes_[pair.first].size() + bytes_[pair.second].size() > longest_)
      return;
    queue_.push({count, pair, &bytes_});
  }

  void push_changed() {
    for (const Pair& pair : changed_) push(pair, pairs_[pair].count);
    changed_.clear();
  }

  void add(Pair pair, std::int64_t count, std::size_t word) {
    Places& places = pairs_[pair];
    places.count += count;
    if (places.words.empty() || places.words.back() != word) places.words.push_back(word);
    changed_.insert(pair);
  }

  Symbol symbol_of(const Pair& pair) {
    const std::string text = bytes_[pair.first] + bytes_[pair.second];
    const auto [found, is_new] = by_bytes_.try_emplace(text, static_cast<Symbol>(bytes_.size()));
    if (is_new) bytes_.push_back(text);
    return found->second;  // two ways to the same bytes are one token
  }

  void merge(Pair pair) {
    const Symbol merged = symbol_of(pair);
    const std::vector<std::size_t> places = std::move(pairs_[pair].words);
    for (const std::size_t w : places) merge_in(w, pair, merged);
    pairs_.erase(pair);
    changed_.erase(pair);
    push_changed();
  }

  // Replaces the pair in one word, from the left, and counts its neighbours anew.
  void merge_in(std::size_t w, Pair pair, Symbol merged) {
    std::vector<Symbol>& symbols = words_[w].symbols;
    const std::int64_t count = words_[w].count;
    const auto is_here = [&](std::size_t i) {
      return i + 1 < symbols.size() && symbols[i] == pair.first && symbols[i + 1] == pair.second;
    };
    std::size_t at = 0;
    while (at < symbols.size() && !is_here(at)) ++at;
    if (at >= symbols.size()) return;  // an earlier merge took it
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
      pairs_[{symbols[i], symbols[i + 1]}].count -= count;
    std::size_t out = at;
    for (std::size_t i = at; i < symbols.size(); ++out) {
      const bool here = is_here(i);
      symbols[out] = here ? merged : symbols[i];
      i += here ? 2 : 1;
    }
    symbols.resize(out);
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const Pair now{symbols[i], symbols[i + 1]};
      if (now.first == merged || now.second == merged) {
        add(now, count, w);
      } else {
        pairs_[now].count += count;
      }
    }
  }

  std::size_t longest_;
  std::int64_t rarest_;
  std::vector<std::string> bytes_;
  std::unordered_map<std::string, Symbol> by_bytes_;
  std::vector<Word> words_;
  std::unordered_map<Pair, Places, PairHash> pairs_;
  std::set<Pair> changed_;  // pairs that became more frequent
  std::priority_queue<Candidate> queue_;
};

Result<void> check(const BpeTrainerOptions& options) {
  std::set<std::string_view> names;
  for (const std::string& name : options.control) {
    if (name.empty() || name.size() > kMaxPieceBytes)
      return fail(ErrorKind::kUsage, "control_invalid", "a control token of {} bytes", name.size());
    if (!names.insert(name).second)
      return fail(ErrorKind::kUsage, "control_invalid", "the control token {} is there twice",
                  quoted(name));
  }
  for (const std::string& name : {options.bos, options.eos}) {
    if (!name.empty() && !names.contains(name))
      return fail(ErrorKind::kUsage, "control_invalid", "{} is not among the control tokens",
                  quoted(name));
  }
  const std::size_t least = kBytes + options.control.size();
  if (options.vocab < static_cast<std::int64_t>(least))
    return fail(ErrorKind::kUsage, "vocab_too_small",
                "a vocabulary of {} tokens; the bytes and the control tokens are {}", options.vocab,
                least);
  if (options.vocab > static_cast<std::int64_t>(kMaxVocabSize))
    return fail(ErrorKind::kUsage, "vocab_too_large", "a vocabulary of {} tokens; at most {} fit",
                options.vocab, kMaxVocabSize);
  CHECK(options.longest >= 1 && options.rarest >= 1);
  return {};
}

std::string spelled(std::string_view bytes) {
  std::string out;
  append_spelling(out, bytes);
  return out;
}

// The bytes by the character that stands for each.
std::vector<std::uint8_t> bytes_in_order() {
  std::vector<std::uint8_t> order(kBytes);
  for (std::size_t byte = 0; byte < kBytes; ++byte) order[byte] = static_cast<std::uint8_t>(byte);
  std::ranges::sort(order, {}, [](std::uint8_t byte) { return byte_alphabet()[byte]; });
  return order;
}

Metadata describe(const BpeTrainerOptions& options, const std::vector<std::string>& tokens,
                  std::vector<std::string> merges) {
  std::vector<std::string> pieces = options.control;
  std::vector<std::int32_t> types(pieces.size(), static_cast<std::int32_t>(TokenType::kControl));
  for (const std::uint8_t byte : bytes_in_order()) pieces.push_back(spelled(tokens[byte]));
  for (std::size_t i = kBytes; i < tokens.size(); ++i) pieces.push_back(spelled(tokens[i]));
  types.resize(pieces.size(), static_cast<std::int32_t>(TokenType::kNormal));
  Metadata out;
  out.set_string("tokenizer.ggml.model", "gpt2");
  out.set_string("tokenizer.ggml.pre", options.pretokenizer);
  out.set_strings("tokenizer.ggml.tokens", std::move(pieces));
  out.set_i32s("tokenizer.ggml.token_type", types);
  out.set_strings("tokenizer.ggml.merges", std::move(merges));
  const auto role = [&](const std::string& name, std::string_view key) {
    const auto found = std::ranges::find(options.control, name);
    if (found != options.control.end())
      out.set_u32(key, static_cast<std::uint32_t>(found - options.control.begin()));
  };
  role(options.bos, "tokenizer.ggml.bos_token_id");
  role(options.eos, "tokenizer.ggml.eos_token_id");
  out.set_bool("tokenizer.ggml.add_bos_token", !options.bos.empty());
  out.set_bool("tokenizer.ggml.add_eos_token", false);
  return out;
}

}  // namespace

Result<Metadata> train_bpe(std::span<const std::string_view> texts,
                           const BpeTrainerOptions& options, ThreadPool& pool) {
  TRY(check(options));
  Merger merger(TRY(count_words(texts, options.pretokenizer, options.control, pool)), options);
  std::vector<std::string> merges;
  const std::size_t wanted = static_cast<std::size_t>(options.vocab) - options.control.size();
  while (merger.tokens().size() < wanted) {
    Pair pair;
    if (!merger.next(pair))
      return fail(ErrorKind::kUsage, "vocab_too_large",
                  "the text has pairs for {} tokens only, {} are asked for",
                  merger.tokens().size() + options.control.size(), options.vocab);
    const std::vector<std::string>& tokens = merger.tokens();
    merges.push_back(spelled(tokens[pair.first]) + " " + spelled(tokens[pair.second]));
  }
  return describe(options, merger.tokens(), std::move(merges));
}

}  // namespace bantam
