#include "tokenizer/word_splitter.h"

#include <array>
#include <cstddef>
#include <string>

#include "base/unicode.h"

namespace bantam {
namespace {

// What the patterns ask of a character, as bits.
enum Kind : std::uint8_t {
  kLetter = 1,     // \p{L}
  kNumber = 2,     // \p{N}
  kSpace = 4,      // \s
  kNewline = 8,    // [\r\n]
  kUpperish = 16,  // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
  kLowerish = 32,  // [\p{Ll}\p{Lm}\p{Lo}\p{M}]
  kMark = 64,      // \p{M}
  kDigit = 128,    // \p{Nd}
};

std::uint8_t kind_of(char32_t c) {
  if (is_whitespace(c)) return kSpace;
  switch (general_category(c)) {
    case GeneralCategory::kLu:
    case GeneralCategory::kLt:
      return kLetter | kUpperish;
    case GeneralCategory::kLl:
      return kLetter | kLowerish;
    case GeneralCategory::kLm:
    case GeneralCategory::kLo:
      return kLetter | kUpperish | kLowerish;
    case GeneralCategory::kMn:
    case GeneralCategory::kMc:
    case GeneralCategory::kMe:
      return kMark | kUpperish | kLowerish;
    case GeneralCategory::kNd:
      return kNumber | kDigit;
    case GeneralCategory::kNl:
    case GeneralCategory::kNo:
      return kNumber;
    default:
      return 0;
  }
}

constexpr std::array<std::uint8_t, 128> make_ascii_kinds() {
  std::array<std::uint8_t, 128> kinds{};
  for (unsigned c = 'A'; c <= 'Z'; ++c) kinds[c] = kLetter | kUpperish;
  for (unsigned c = 'a'; c <= 'z'; ++c) kinds[c] = kLetter | kLowerish;
  for (unsigned c = '0'; c <= '9'; ++c) kinds[c] = kNumber | kDigit;
  for (unsigned c = 0x09; c <= 0x0D; ++c) kinds[c] = kSpace;
  kinds[' '] = kSpace;
  kinds['\r'] = kinds['\n'] = kSpace | kNewline;
  return kinds;
}

constexpr std::array<std::uint8_t, 128> kAsciiKinds = make_ascii_kinds();

// A place in a text that is valid UTF-8.
class Cursor {
 public:
  Cursor(std::string_view text, std::size_t at) : text_(text), at_(at) { look(); }

  std::size_t at() const { return at_; }
  bool done() const { return at_ == text_.size(); }
  bool is(unsigned kinds) const { return (kind_ & kinds) != 0; }
  // Neither white space, letter nor number; false at the end.
  bool is_other(unsigned words) const { return !done() && !is(kSpace | kNumber | words); }
  char byte() const { return done() ? '\0' : text_[at_]; }
  void next() {
    at_ += size_;
    look();
  }
  void skip(unsigned kinds) {
    while (is(kinds)) next();
  }

 private:
  void look() {
    if (done()) {
      kind_ = 0;
      size_ = 0;
      return;
    }
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte < 0x80) [[likely]] {
      kind_ = kAsciiKinds[byte];
      size_ = 1;
      return;
    }
    const DecodedChar c = decode_utf8(text_.substr(at_));
    kind_ = kind_of(c.codepoint);
    size_ = static_cast<std::uint8_t>(c.bytes);
  }

  std::string_view text_;
  std::size_t at_;
  std::uint8_t kind_ = 0, size_ = 0;
};

// Bytes of 's, 't, 'd, 'm, 're, 've or 'll at the start of `text`; 0 if none. Without case, the
// long s (U+017F) counts as an s.
std::size_t contraction(std::string_view text, bool any_case) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  const auto lower = [&](std::size_t i) {
    const char c = i < text.size() ? text[i] : '\0';
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = lower(1), second = lower(2);
  if (first == 's' || first == 't' || first == 'd' || first == 'm') return 2;
  if (second == 'e' && (first == 'r' || first == 'v')) return 3;
  if (first == 'l' && second == 'l') return 3;
  return any_case && text.substr(1).starts_with("\u017F") ? 3 : 0;
}

// \s+(?!\S)|\s+ : all of a run of white space at the end of the text, otherwise all but its last
// character, which goes with what follows; the run must be there.
std::size_t end_of_spaces(std::string_view text, std::size_t begin) {
  Cursor cursor(text, begin);
  std::size_t last = begin;
  while (cursor.is(kSpace)) {
    last = cursor.at();
    cursor.next();
  }
  return cursor.done() || last == begin ? cursor.at() : last;
}

std::size_t end_of_gpt2_word(std::string_view text, std::size_t begin) {
  if (const std::size_t size = contraction(text.substr(begin), false)) return begin + size;
  Cursor cursor(text, begin);
  if (cursor.byte() == ' ') cursor.next();
  if (cursor.is(kLetter)) {
    cursor.skip(kLetter);
  } else if (cursor.is(kNumber)) {
    cursor.skip(kNumber);
  } else if (cursor.is_other(kLetter)) {
    while (cursor.is_other(kLetter)) cursor.next();
  } else {
    return end_of_spaces(text, begin);
  }
  return cursor.at();
}

// The tail that kGpt4 and kGpt4o share: digits, others, newlines, spaces.
std::size_t end_of_non_word(std::string_view text, std::size_t begin, const WordRules& rules,
                            unsigned words) {
  Cursor cursor(text, begin);
  if (cursor.is(kNumber)) {
    for (unsigned i = 0; i < rules.digits && cursor.is(kNumber); ++i) cursor.next();
    return cursor.at();
  }
  if (cursor.byte() == ' ') cursor.next();
  if (cursor.is_other(words)) {
    while (cursor.is_other(words)) cursor.next();
    while (cursor.is(kNewline) || (rules.slash && cursor.byte() == '/')) cursor.next();
    return cursor.at();
  }
  // \s*[\r\n]+ : up to the last newline of the run of white space.
  Cursor spaces(text, begin);
  std::size_t newline = begin;
  while (spaces.is(kSpace)) {
    const bool is_newline = spaces.is(kNewline);
    spaces.next();
    if (is_newline) newline = spaces.at();
  }
  if (newline > begin) return newline;
  CHECK(spaces.at() > begin, "a character is letter, number, space or other");
  return end_of_spaces(text, begin);
}

std::size_t end_of_gpt4_word(std::string_view text, std::size_t begin, const WordRules& rules) {
  const unsigned words = rules.marks_are_letters ? kLetter | kMark : kLetter;
  if (rules.contractions) {
    if (const std::size_t size = contraction(text.substr(begin), true)) return begin + size;
  }
  Cursor cursor(text, begin);
  if (!cursor.is(kNewline | kLetter | kNumber)) {
    // A mark may be the optional first character or the first of the word: it is the same word.
    Cursor second = cursor;
    second.next();
    if (second.is(words)) cursor = second;
  }
  if (cursor.is(words)) {
    cursor.skip(words);
    return cursor.at();
  }
  return end_of_non_word(text, begin, rules, words);
}

// [U]*[L]+ from `begin`; `begin` if it does not match. With `upper_only` set where it fails: the
// end of [U]+[L]*.
std::size_t end_of_capitalized(std::string_view text, std::size_t begin, std::size_t& upper_only) {
  Cursor cursor(text, begin);
  std::size_t lower_end = begin;  // after the last character of the run of U that is in L too
  while (cursor.is(kUpperish)) {
    const bool lower = cursor.is(kLowerish);
    cursor.next();
    if (lower) lower_end = cursor.at();
  }
  upper_only = cursor.at();
  if (!cursor.is(kLowerish)) return lower_end;
  cursor.skip(kLowerish);
  return cursor.at();
}

std::size_t end_of_gpt4o_word(std::string_view text, std::size_t begin, const WordRules& rules) {
  const auto with_contraction = [&](std::size_t end) {
    return rules.contractions ? end + contraction(text.substr(end), true) : end;
  };
  Cursor cursor(text, begin);
  std::size_t after_first = begin;  // after the optional first character; begin if there is none
  if (!cursor.done() && !cursor.is(kNewline | kLetter | kNumber)) {
    cursor.next();
    after_first = cursor.at();
  }
  // The alternatives in order: [U]*[L]+ with the first character and without, then [U]+[L]*.
  std::size_t upper_after = after_first, upper = begin;
  std::size_t end = end_of_capitalized(text, after_first, upper_after);
  if (end > after_first) return with_contraction(end);
  if (after_first > begin) {
    end = end_of_capitalized(text, begin, upper);
    if (end > begin) return with_contraction(end);
  } else {
    upper = upper_after;
  }
  if (upper_after > after_first) return with_contraction(upper_after);
  if (upper > begin) return with_contraction(upper);
  return end_of_non_word(text, begin, rules, kLetter);
}

template <typename End>
class WordSink final : public PieceSink {
 public:
  WordSink(PieceSink& next, End end) : next_(next), end_(end) {}
  void piece(std::string_view text) override {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = end_(text, at);
      next_.piece(text.substr(at, end - at));
      at = end;
    }
  }

 private:
  PieceSink& next_;
  End end_;
};

class WordSplitter final : public PretokenizerStep {
 public:
  explicit WordSplitter(const WordRules& rules) : rules_(rules) {}

  std::unique_ptr<PieceSink> open(PieceSink& next, bool /*at_start*/) const override {
    const auto make = [&](auto end) -> std::unique_ptr<PieceSink> {
      return std::make_unique<WordSink<decltype(end)>>(next, end);
    };
    switch (rules_.style) {
      case WordRules::Style::kGpt2:
        return make(end_of_gpt2_word);
      case WordRules::Style::kGpt4:
        return make([this](std::string_view text, std::size_t begin) {
          return end_of_gpt4_word(text, begin, rules_);
        });
      case WordRules::Style::kGpt4o:
        break;
    }
    return make([this](std::string_view text, std::size_t begin) {
      return end_of_gpt4o_word(text, begin, rules_);
    });
  }

 private:
  WordRules rules_;
};

class ThousandsSink final : public PieceSink {
 public:
  ThousandsSink(PieceSink& next, bool whole_words) : next_(next), whole_words_(whole_words) {}

  void piece(std::string_view text) override {
    std::size_t done = 0;
    Cursor cursor(text, 0);
    while (!cursor.done()) {
      if (!cursor.is(kDigit)) {
        cursor.next();
        continue;
      }
      const std::size_t begin = cursor.at();
      std::size_t digits = 0;
      for (; cursor.is(kDigit); cursor.next()) ++digits;
      if (whole_words_ && (cursor.is(kLetter | kNumber | kMark) || cursor.byte() == '_')) continue;
      if (begin > done) next_.piece(text.substr(done, begin - done));
      group(text, begin, digits);
      done = cursor.at();
    }
    if (done < text.size()) next_.piece(text.substr(done));
  }

 private:
  void group(std::string_view text, std::size_t begin, std::size_t digits) {
    Cursor cursor(text, begin);
    for (std::size_t size = (digits + 2) % 3 + 1; digits > 0; size = 3) {
      const std::size_t from = cursor.at();
      for (std::size_t i = 0; i < size; ++i) cursor.next();
      digits -= size;
      next_.piece(text.substr(from, cursor.at() - from));
    }
  }

  PieceSink& next_;
  bool whole_words_;
};

class ThousandsSplitter final : public PretokenizerStep {
 public:
  explicit ThousandsSplitter(bool whole_words) : whole_words_(whole_words) {}
  std::unique_ptr<PieceSink> open(PieceSink& next, bool /*at_start*/) const override {
    return std::make_unique<ThousandsSink>(next, whole_words_);
  }

 private:
  bool whole_words_;
};

class LineEndSink final : public PieceSink {
 public:
  explicit LineEndSink(PieceSink& next) : next_(next) {}

  void piece(std::string_view text) override {
    std::size_t done = 0;
    Cursor cursor(text, 0);
    while (!cursor.done()) {
      if (!cursor.is(kSpace)) {
        cursor.next();
        continue;
      }
      const std::size_t begin = cursor.at();
      std::size_t end = begin;  // the last place in the run where a line ends
      for (; cursor.is(kSpace); cursor.next())
        if (cursor.byte() == '\n') end = cursor.at();
      if (cursor.done()) end = cursor.at();
      if (end == begin) continue;
      if (begin > done) next_.piece(text.substr(done, begin - done));
      next_.piece(text.substr(begin, end - begin));
      done = end;
    }
    if (done < text.size()) next_.piece(text.substr(done));
  }

 private:
  PieceSink& next_;
};

class LineEndSplitter final : public PretokenizerStep {
 public:
  std::unique_ptr<PieceSink> open(PieceSink& next, bool /*at_start*/) const override {
    return std::make_unique<LineEndSink>(next);
  }
};

}  // namespace

std::shared_ptr<const PretokenizerStep> make_word_splitter(const WordRules& rules) {
  return std::make_shared<WordSplitter>(rules);
}

std::shared_ptr<const PretokenizerStep> make_thousands_splitter(bool whole_words) {
  return std::make_shared<ThousandsSplitter>(whole_words);
}

std::shared_ptr<const PretokenizerStep> make_line_end_splitter() {
  return std::make_shared<LineEndSplitter>();
}

}  // namespace bantam
