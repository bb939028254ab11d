#include "chat/jinja/text.h"

#include <algorithm>
#include <utility>

#include "base/unicode.h"

namespace bantam::jinja {

std::size_t count_characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

Origin Text::origin() const {
  if (input.empty()) return kTemplate;
  const Origin first = input.front().origin;
  return std::ranges::all_of(input, [first](const Span& s) { return s.origin == first; }) ? first
                                                                                          : kCaller;
}

TextPtr make_text(std::string bytes, Origin origin) {
  Text text;
  text.characters = count_characters(bytes);
  if (origin != kTemplate && !bytes.empty()) text.input.push_back({0, bytes.size(), origin});
  text.bytes = std::move(bytes);
  return std::make_shared<const Text>(std::move(text));
}

std::size_t byte_offset(const Text& text, std::size_t character) {
  if (character >= text.characters) return text.bytes.size();
  if (text.ascii()) return character;
  std::size_t at = 0;
  for (;; ++at) {
    if ((static_cast<unsigned char>(text.bytes[at]) & 0xC0) == 0x80) continue;
    if (character-- == 0) return at;
  }
}

Origin origin_at(const Text& text, std::size_t at) {
  const auto span = std::upper_bound(text.input.begin(), text.input.end(), at,
                                     [](std::size_t byte, const Span& s) { return byte < s.end; });
  return span != text.input.end() && span->begin <= at ? span->origin : kTemplate;
}

bool TextBuilder::pay(std::size_t bytes) {
  if (over_limit()) return false;
  if (bytes > budget_.limits().string_bytes - bytes_.size()) {
    over_length_ = true;
  } else {
    unpaid_ += bytes + 8;  // no append is free, however little it adds
    if (!budget_.spend(unpaid_ / 64)) over_fuel_ = true;
    unpaid_ %= 64;
  }
  if (!over_limit()) return true;
  bytes_ = {};
  input_ = {};
  return false;
}

void TextBuilder::mark(std::size_t begin, std::size_t end, Origin origin) {
  if (begin == end) return;
  if (!input_.empty() && input_.back().end == begin && input_.back().origin == origin) {
    input_.back().end = end;
  } else {
    input_.push_back({begin, end, origin});
  }
}

void TextBuilder::append(std::string_view bytes, Origin origin) {
  if (!pay(bytes.size())) return;
  if (origin != kTemplate) mark(bytes_.size(), bytes_.size() + bytes.size(), origin);
  bytes_ += bytes;
}

void TextBuilder::append(const Text& text, std::size_t begin, std::size_t end) {
  if (text.input.empty()) return append(std::string_view(text.bytes).substr(begin, end - begin));
  if (!pay(end - begin)) return;
  const std::size_t base = bytes_.size();
  auto span = std::upper_bound(text.input.begin(), text.input.end(), begin,
                               [](std::size_t at, const Span& s) { return at < s.end; });
  for (; span != text.input.end() && span->begin < end; ++span) {
    if (!pay(sizeof(Span))) return;
    mark(base + std::max(span->begin, begin) - begin, base + std::min(span->end, end) - begin,
         span->origin);
  }
  bytes_.append(text.bytes, begin, end - begin);
}

void TextBuilder::fill(char character, std::size_t count) {
  if (!pay(count)) return;
  bytes_.append(count, character);
}

void TextBuilder::append_character(char32_t c, Origin origin) {
  std::string bytes;
  append_utf8(bytes, c);
  append(bytes, origin);
}

void TextBuilder::append_escaped(const Text& text) {
  const std::string_view bytes = text.bytes;
  std::size_t done = 0;
  for (;;) {
    const std::size_t at = bytes.find_first_of("&<>'\"", done);
    append(text, done, std::min(at, bytes.size()));
    if (at == bytes.npos || over_limit()) return;
    std::string_view reference;
    switch (bytes[at]) {
      case '&':
        reference = "&amp;";
        break;
      case '<':
        reference = "&lt;";
        break;
      case '>':
        reference = "&gt;";
        break;
      case '\'':
        reference = "&#39;";
        break;
      default:
        reference = "&#34;";
        break;
    }
    append(reference);
    done = at + 1;
  }
}

Eval<void> TextBuilder::status() const {
  if (over_length_) return budget_.string_too_long();
  if (over_fuel_) return budget_.out_of_fuel();
  return {};
}

Eval<TextPtr> TextBuilder::finish(bool safe) {
  TRY(status());
  Text text;
  text.bytes = std::exchange(bytes_, {});
  text.input = std::exchange(input_, {});
  text.characters = count_characters(text.bytes);
  text.safe = safe;
  return std::make_shared<const Text>(std::move(text));
}

}  // namespace bantam::jinja
