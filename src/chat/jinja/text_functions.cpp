#include "chat/jinja/text_functions.h"

#include <algorithm>
#include <string>

#include "base/unicode.h"
#include "chat/jinja/casing.h"
#include "chat/jinja/lexer.h"
#include "chat/jinja/operators.h"

namespace bantam::jinja {
namespace {

constexpr char32_t kCapitalSigma = 0x3A3, kFinalSigma = 0x3C2;

// Each character replaced by what map(character, offset) gives.
template <typename Map>
Eval<TextPtr> map_characters(Budget& budget, const Text& text, Map map) {
  TextBuilder out(budget);
  if (text.ascii()) {  // byte for byte, so the spans stay where they are
    TRY(budget.allocate(text.bytes.size()));
    Text mapped = text;
    for (std::size_t at = 0; at < text.bytes.size(); ++at)
      mapped.bytes[at] = map(static_cast<char32_t>(text.bytes[at]), at)[0];
    out.append(mapped);
    return out.finish(text.safe);
  }
  for (std::size_t at = 0; at < text.bytes.size() && !out.over_limit();) {
    const DecodedChar next = decode_utf8(std::string_view(text.bytes).substr(at));
    out.append(map(next.codepoint, at), origin_at(text, at));
    at += next.bytes;
  }
  return out.finish(text.safe);
}

bool is_case_ignorable(char32_t c) {
  return is_mark(c) || c == '\'' || c == '.' || c == ':' || c == '^' || c == '`' || c == 0xAD ||
         c == 0xB7 || c == 0x2019 || (c >= 0x2B0 && c <= 0x36F);
}

// Whether the sigma at `at` ends a word: letters before it and none after.
bool is_final_sigma(std::string_view bytes, std::size_t at) {
  std::size_t before = at;
  bool word = false;
  while (before > 0 && !word) {
    do {
      --before;
    } while (before > 0 && (static_cast<unsigned char>(bytes[before]) & 0xC0) == 0x80);
    const char32_t c = decode_utf8(bytes.substr(before)).codepoint;
    if (is_case_ignorable(c)) continue;
    if (!is_cased(c)) return false;
    word = true;
  }
  if (!word) return false;
  for (std::size_t after = at + decode_utf8(bytes.substr(at)).bytes; after < bytes.size();) {
    const DecodedChar next = decode_utf8(bytes.substr(after));
    if (!is_case_ignorable(next.codepoint)) return !is_cased(next.codepoint);
    after += next.bytes;
  }
  return true;
}

std::string lower_at(std::string_view bytes, char32_t c, std::size_t at) {
  if (c != kCapitalSigma || !is_final_sigma(bytes, at)) return lower_of(c);
  std::string out;
  append_utf8(out, kFinalSigma);
  return out;
}

// The bytes [begin, end) of the text that strip() leaves.
template <typename Predicate>
Span stripped(std::string_view bytes, Side side, Predicate goes) {
  std::size_t begin = 0, end = bytes.size();
  while (side != Side::kRight && begin < end) {
    const DecodedChar next = decode_utf8(bytes.substr(begin));
    if (!goes(next.codepoint)) break;
    begin += next.bytes;
  }
  while (side != Side::kLeft && begin < end) {
    std::size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(bytes[last]) & 0xC0) == 0x80) --last;
    if (!goes(decode_utf8(bytes.substr(last)).codepoint)) break;
    end = last;
  }
  return {begin, end};
}

bool is_line_end(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

// Where the pieces of a split are. Each is paid for; without fuel the rest is left out, and the
// next step fails.
std::vector<Span> split_spans(Budget& budget, std::string_view bytes, std::string_view separator,
                              std::size_t count) {
  std::vector<Span> spans;
  std::size_t begin = 0;
  while (count-- > 0 && budget.spend(1)) {
    const std::size_t at = find_first(bytes, separator, begin);
    if (at == bytes.npos) break;
    spans.push_back({begin, at});
    begin = at + separator.size();
  }
  spans.push_back({begin, bytes.size()});
  return spans;
}

std::vector<Span> split_spans_from_right(Budget& budget, std::string_view bytes,
                                         std::string_view separator, std::size_t count) {
  std::vector<Span> spans;
  std::size_t end = bytes.size();
  while (count-- > 0 && budget.spend(1)) {
    const std::size_t at = find_last(bytes.substr(0, end), separator);
    if (at == bytes.npos) break;
    spans.push_back({at + separator.size(), end});
    end = at;
  }
  spans.push_back({0, end});
  std::reverse(spans.begin(), spans.end());
  return spans;
}

// Words between white space. What is left after the last cut keeps all of its white space but that
// at the cut.
std::vector<Span> word_spans(Budget& budget, std::string_view bytes, std::size_t count) {
  std::vector<Span> spans;
  std::size_t at = 0;
  const auto next = [&] { return decode_utf8(bytes.substr(at)); };
  for (;;) {
    while (at < bytes.size() && is_space(next().codepoint)) at += next().bytes;
    if (at == bytes.size() || !budget.spend(1)) return spans;
    const std::size_t begin = at;
    if (count-- == 0) {
      spans.push_back({begin, bytes.size()});
      return spans;
    }
    while (at < bytes.size() && !is_space(next().codepoint)) at += next().bytes;
    spans.push_back({begin, at});
  }
}

std::vector<Span> word_spans_from_right(Budget& budget, std::string_view bytes, std::size_t count) {
  std::vector<Span> words = word_spans(budget, bytes, bytes.size());
  if (words.size() <= count) return words;
  const std::size_t joined = words.size() - count - 1;
  std::vector<Span> spans = {{0, words[joined].end}};
  spans.insert(spans.end(), words.begin() + static_cast<std::ptrdiff_t>(joined) + 1, words.end());
  return spans;
}

}  // namespace

Eval<TextPtr> upper(Budget& budget, const Text& text) {
  return map_characters(budget, text, [](char32_t c, std::size_t) { return upper_of(c); });
}

Eval<TextPtr> lower(Budget& budget, const Text& text) {
  return map_characters(budget, text,
                        [&](char32_t c, std::size_t at) { return lower_at(text.bytes, c, at); });
}

Eval<TextPtr> capitalize(Budget& budget, const Text& text) {
  return map_characters(budget, text, [&](char32_t c, std::size_t at) {
    return at == 0 ? title_of(c) : lower_at(text.bytes, c, at);
  });
}

Eval<TextPtr> swap_case(Budget& budget, const Text& text) {
  return map_characters(budget, text, [&](char32_t c, std::size_t at) {
    return is_upper(c) ? lower_at(text.bytes, c, at) : upper_of(c);
  });
}

Eval<TextPtr> fold_case(Budget& budget, const Text& text) {
  return map_characters(budget, text, [](char32_t c, std::size_t) {
    std::string folded;
    const std::string raised = upper_of(c);
    for (std::size_t at = 0; at < raised.size();) {
      const DecodedChar next = decode_utf8(std::string_view(raised).substr(at));
      folded += lower_of(next.codepoint);
      at += next.bytes;
    }
    return folded;
  });
}

Eval<TextPtr> title(Budget& budget, const Text& text) {
  bool in_word = false;
  return map_characters(budget, text, [&](char32_t c, std::size_t at) {
    std::string mapped = in_word ? lower_at(text.bytes, c, at) : title_of(c);
    in_word = is_cased(c);
    return mapped;
  });
}

Eval<TextPtr> title_words(Budget& budget, const Text& text) {
  bool begins = true;
  auto result = map_characters(budget, text, [&](char32_t c, std::size_t at) {
    const bool separator = c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_space(c);
    std::string mapped = begins ? upper_of(c) : lower_at(text.bytes, c, at);
    begins = separator;
    return mapped;
  });
  return result;
}

Eval<TextPtr> strip(Budget& budget, const Text& text, const Text* set, Side side) {
  if (set == nullptr) {
    const Span span = stripped(text.bytes, side, is_space);
    return substring(budget, text, span.begin, span.end);
  }
  std::u32string characters;
  for (std::size_t at = 0; at < set->bytes.size();) {
    const DecodedChar next = decode_utf8(std::string_view(set->bytes).substr(at));
    characters += next.codepoint;
    at += next.bytes;
  }
  std::sort(characters.begin(), characters.end());
  TRY(budget.allocate(characters.size() * sizeof(char32_t)));
  const Span span = stripped(text.bytes, side, [&](char32_t c) {
    return std::binary_search(characters.begin(), characters.end(), c);
  });
  return substring(budget, text, span.begin, span.end);
}

Eval<TextPtr> substring(Budget& budget, const Text& text, std::size_t begin, std::size_t end) {
  TextBuilder out(budget);
  out.append(text, begin, end);
  return out.finish(text.safe);
}

Eval<TextPtr> replace(Budget& budget, const Text& text, std::string_view what, const Text& with,
                      std::int64_t count) {
  const std::string_view bytes = text.bytes;
  TextBuilder out(budget);
  std::size_t done = 0, from = 0;
  while (count != 0 && !out.over_limit()) {
    // Nothing is found before every character and at the end.
    const std::size_t at = what.empty() ? from : find_first(bytes, what, from);
    if (at == bytes.npos || at > bytes.size()) break;
    out.append(text, done, at);
    out.append(with);
    done = at + what.size();
    from = !what.empty()        ? done
           : at == bytes.size() ? at + 1
                                : at + decode_utf8(bytes.substr(at)).bytes;
    if (count > 0) --count;
  }
  out.append(text, std::min(done, bytes.size()), bytes.size());
  return out.finish(text.safe);
}

Eval<std::vector<Value>> split(Budget& budget, const Text& text, const Text* separator,
                               std::int64_t count, bool from_right) {
  TRY(budget.step(text.bytes.size() / 64));
  const auto cuts = count < 0 ? text.bytes.size() + 1 : static_cast<std::size_t>(count);
  std::vector<Span> spans;
  if (separator == nullptr) {
    spans = from_right ? word_spans_from_right(budget, text.bytes, cuts)
                       : word_spans(budget, text.bytes, cuts);
  } else {
    if (separator->bytes.empty()) return raise("empty separator");
    spans = from_right && count >= 0
                ? split_spans_from_right(budget, text.bytes, separator->bytes, cuts)
                : split_spans(budget, text.bytes, separator->bytes, cuts);
  }
  TRY(budget.allocate(spans.size() * (sizeof(Value) + sizeof(Text))));
  std::vector<Value> pieces;
  pieces.reserve(spans.size());
  for (const Span& span : spans)
    pieces.emplace_back(TRY(substring(budget, text, span.begin, span.end)));
  return pieces;
}

Eval<std::vector<Value>> split_lines(Budget& budget, const Text& text, bool keep_ends) {
  const std::string_view bytes = text.bytes;
  std::vector<Value> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const DecodedChar next = decode_utf8(bytes.substr(at));
    const std::size_t end = at;
    at += next.bytes;
    if (!is_line_end(next.codepoint)) continue;
    if (next.codepoint == '\r' && at < bytes.size() && bytes[at] == '\n') ++at;
    TRY(budget.allocate(sizeof(Value) + sizeof(Text)));
    lines.emplace_back(TRY(substring(budget, text, begin, keep_ends ? at : end)));
    begin = at;
  }
  if (begin < bytes.size()) lines.emplace_back(TRY(substring(budget, text, begin, bytes.size())));
  return lines;
}

Eval<TextPtr> escape_like(Budget& budget, const TextPtr& text, const Text& like) {
  if (!like.safe || text->safe) return text;
  TextBuilder out(budget);
  out.append_escaped(*text);
  return out.finish(true);
}

}  // namespace bantam::jinja
