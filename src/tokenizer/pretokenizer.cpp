#include "tokenizer/pretokenizer.h"

#include <algorithm>

#include "base/nearest.h"
#include "base/unicode.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pretokenizer_names.h"
#include "tokenizer/regex_step.h"
#include "tokenizer/word_splitter.h"

namespace bantam {

Result<Pretokenizer> Pretokenizer::named(std::string_view name) {
  const PretokenizerInfo* info = find_pretokenizer(name);
  if (info == nullptr) {
    std::vector<std::string_view> names;
    for (const PretokenizerInfo& known : known_pretokenizers()) names.push_back(known.name);
    std::string all;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (all.size() > 600) {
        all += fmt::format(" and {} more", names.size() - i);
        break;
      }
      all += fmt::format("{}{}", i == 0 ? "" : ", ", names[i]);
    }
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "unknown pre-tokenizer {} in tokenizer.ggml.pre.{} Known are: {}", quoted(name),
                did_you_mean(name, names), all);
  }
  Pretokenizer out;
  out.byte_level_ = true;
  for (const std::string_view pattern : info->patterns) TRY(out.add_pattern(pattern, true));
  return out;
}

Result<void> Pretokenizer::add_pattern(std::string_view pattern, bool trusted) {
  if (const WordRules* rules = known_word_rules(pattern)) {
    steps_.push_back(make_word_splitter(*rules));
  } else if (pattern == kThousandsPattern || pattern == kThousandsInWordsPattern) {
    steps_.push_back(make_thousands_splitter(pattern == kThousandsInWordsPattern));
  } else if (pattern == kLineEndPattern) {
    steps_.push_back(make_line_end_splitter());
  } else {
    steps_.push_back(
        make_split_step(TRY(Regex::compile(pattern, trusted)), SplitBehavior::kIsolated, false));
  }
  return {};
}

bool Pretokenizer::keeps_text() const {
  return std::ranges::all_of(steps_, [](const auto& step) { return step->keeps_text(); });
}

void Pretokenizer::split(std::string_view text, bool at_start, PieceSink& words) const {
  std::vector<std::unique_ptr<PieceSink>> stages;
  stages.reserve(steps_.size());
  PieceSink* first = &words;
  for (std::size_t i = steps_.size(); i-- > 0;) {
    stages.push_back(steps_[i]->open(*first, at_start));
    first = stages.back().get();
  }
  std::string spelled;
  while (!text.empty()) {
    const std::size_t valid = first_invalid_utf8(text);
    if (valid > 0) first->piece(text.substr(0, valid));
    text.remove_prefix(valid);
    std::size_t broken = 0;
    while (broken < text.size()) {
      const DecodedChar c = decode_utf8(text.substr(broken));
      if (c.valid) break;
      broken += c.bytes;
    }
    if (broken == 0) continue;
    if (spells_bytes_) {
      spelled.clear();
      append_spelling(spelled, text.substr(0, broken));
      words.piece(spelled);
    } else {
      words.piece(text.substr(0, broken));
    }
    text.remove_prefix(broken);
  }
}

}  // namespace bantam
