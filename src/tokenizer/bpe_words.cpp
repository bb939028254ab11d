#include "tokenizer/bpe_words.h"

#include <algorithm>
#include <unordered_map>

#include "base/unicode.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/pretokenizer_names.h"

namespace bantam {
namespace {

// Texts are shared out among the threads in pieces of about this size.
constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

struct WordHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view word) const {
    return std::hash<std::string_view>()(word);
  }
};
using WordCounts = std::unordered_map<std::string, std::int64_t, WordHash, std::equal_to<>>;

class Counter final : public PieceSink {
 public:
  void piece(std::string_view word) override {
    const auto found = counts.find(word);
    if (found != counts.end()) {
      ++found->second;
    } else {
      counts.emplace(word, 1);
    }
  }
  WordCounts counts;
};

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// A place at or after `from` where no pre-tokenizer joins what is before and after: a space between
// two letters. All of the text if there is none.
std::size_t word_boundary(std::string_view text, std::size_t from) {
  for (std::size_t at = std::max<std::size_t>(from, 1); at + 1 < text.size(); ++at)
    if (text[at] == ' ' && is_ascii_letter(text[at - 1]) && is_ascii_letter(text[at + 1]))
      return at;
  return text.size();
}

void cut_pieces(std::string_view text, std::vector<std::string_view>& pieces) {
  while (!text.empty()) {
    const std::size_t end =
        text.size() <= kPieceBytes ? text.size() : word_boundary(text, kPieceBytes);
    pieces.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

// What is between control tokens.
void cut_at_control(std::string_view text, const std::vector<std::string>& control,
                    std::vector<std::string_view>& pieces) {
  std::vector<std::size_t> next(control.size());  // the next place of each
  for (std::size_t i = 0; i < control.size(); ++i) next[i] = text.find(control[i]);
  std::size_t done = 0;
  for (;;) {
    std::size_t at = text.npos, length = 0;
    for (std::size_t i = 0; i < control.size(); ++i) {
      if (next[i] < done) next[i] = text.find(control[i], done);
      if (next[i] < at || (next[i] == at && at != text.npos && control[i].size() > length)) {
        at = next[i];
        length = control[i].size();
      }
    }
    cut_pieces(text.substr(done, std::min(at, text.size()) - done), pieces);
    if (at == text.npos) return;
    done = at + length;
  }
}

}  // namespace

Result<std::vector<std::pair<std::string, std::int64_t>>> count_words(
    std::span<const std::string_view> texts, std::string_view pretokenizer,
    const std::vector<std::string>& control, ThreadPool& pool) {
  const Pretokenizer words = TRY(Pretokenizer::named(pretokenizer));
  const bool compose = find_pretokenizer(pretokenizer)->compose;
  std::vector<std::string_view> pieces;
  for (const std::string_view text : texts) cut_at_control(text, control, pieces);

  std::vector<Counter> counters(pool.size());
  pool.parallel_for(pieces.size(), 1, [&](std::size_t begin, std::size_t end, std::size_t worker) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::string composed = compose ? normalize(pieces[i], Normalization::kNfc) : "";
      words.split(compose ? composed : pieces[i], true, counters[worker]);
    }
  });
  WordCounts& all = counters[0].counts;
  for (std::size_t i = 1; i < counters.size(); ++i)
    for (const auto& [word, count] : counters[i].counts) all[word] += count;
  std::vector<std::pair<std::string, std::int64_t>> sorted(all.begin(), all.end());
  std::ranges::sort(sorted);
  return sorted;
}

}  // namespace bantam
