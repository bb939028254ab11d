#include "base/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

namespace bantam {
namespace {

// What the first byte of a sequence says: its length, and the range of the second byte. The range
// is what keeps overlong forms, surrogates and everything past U+10FFFF out (Unicode, table 3-7);
// the bytes after the second are always 80 to BF. A length of 0 starts nothing.
struct Lead {
  std::uint8_t length, low, high;
};

constexpr Lead lead_of(unsigned char byte) {
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// Bytes of `text`, which starts with `lead`, that belong to a valid sequence: all lead.length of
// them, or the longest prefix that is there.
std::size_t well_formed_prefix(std::string_view text, Lead lead) {
  const std::size_t wanted = std::min<std::size_t>(lead.length, text.size());
  std::size_t have = 1;
  for (unsigned char low = lead.low, high = lead.high; have < wanted; ++have) {
    const auto byte = static_cast<unsigned char>(text[have]);
    if (byte < low || byte > high) break;
    low = 0x80;
    high = 0xBF;
  }
  return have;
}

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool in_categories(char32_t c, utf8proc_category_t first, utf8proc_category_t last) {
  const utf8proc_category_t found = category(c);
  return found >= first && found <= last;
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::uint8_t combining_class(utf8proc_int32_t c) {
  // utf8proc keeps the class in a wider field; Unicode's classes are 0 to 254.
  return static_cast<std::uint8_t>(utf8proc_get_property(c)->combining_class);
}

void append_decomposed(std::vector<utf8proc_int32_t>& out, char32_t c, utf8proc_option_t options) {
  std::array<utf8proc_int32_t, 32> parts;  // the longest decomposition, of U+FDFA, has 18
  int boundary = 0;
  const utf8proc_ssize_t count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(),
                              static_cast<utf8proc_ssize_t>(parts.size()), options, &boundary);
  CHECK(count >= 0 && count <= static_cast<utf8proc_ssize_t>(parts.size()));
  out.insert(out.end(), parts.begin(), parts.begin() + count);
}

// Puts every run of combining marks in canonical order. utf8proc's own ordering swaps neighbours,
// which a text of nothing but marks turns quadratic; this one counts.
void order_marks(std::vector<utf8proc_int32_t>& text) {
  std::vector<utf8proc_int32_t> sorted;
  for (std::size_t begin = 0; begin < text.size();) {
    if (combining_class(text[begin]) == 0) {
      ++begin;
      continue;
    }
    std::array<std::size_t, 257> place{};
    bool ordered = true;
    std::size_t end = begin;
    for (std::uint8_t last = 0; end < text.size(); ++end) {
      const std::uint8_t now = combining_class(text[end]);
      if (now == 0) break;
      ordered = ordered && last <= now;
      last = now;
      ++place[now + 1u];
    }
    if (!ordered) {
      for (std::size_t i = 1; i < place.size(); ++i) place[i] += place[i - 1];
      sorted.resize(end - begin);
      for (std::size_t i = begin; i < end; ++i) sorted[place[combining_class(text[i])]++] = text[i];
      std::ranges::copy(sorted, text.begin() + static_cast<std::ptrdiff_t>(begin));
    }
    begin = end;
  }
}

}  // namespace

DecodedChar decode_utf8(std::string_view text) {
  if (text.empty()) return {kReplacementChar, 0, false};
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) [[likely]]
    return {first, 1, true};
  const Lead lead = lead_of(first);
  if (lead.length == 0) return {kReplacementChar, 1, false};
  const std::size_t have = well_formed_prefix(text, lead);
  if (have < lead.length) return {kReplacementChar, have, false};
  char32_t c = first & (0x7Fu >> lead.length);
  for (std::size_t i = 1; i < have; ++i) c = c << 6 | (static_cast<unsigned char>(text[i]) & 0x3Fu);
  return {c, have, true};
}

void append_utf8(std::string& out, char32_t codepoint) {
  if (codepoint > 0x10FFFF || (codepoint >= 0xD800 && codepoint <= 0xDFFF))
    codepoint = kReplacementChar;
  const auto tail = [&](int shift) {
    out += static_cast<char>(0x80 | ((codepoint >> shift) & 0x3F));
  };
  if (codepoint < 0x80) {
    out += static_cast<char>(codepoint);
  } else if (codepoint < 0x800) {
    out += static_cast<char>(0xC0 | (codepoint >> 6));
    tail(0);
  } else if (codepoint < 0x10000) {
    out += static_cast<char>(0xE0 | (codepoint >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (codepoint >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_valid_utf8(std::string_view text) { return first_invalid_utf8(text) == text.size(); }

std::size_t first_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const DecodedChar next = decode_utf8(text.substr(at));
    if (!next.valid) return at;
    at += next.bytes;
  }
  return text.size();
}

std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t good = first_invalid_utf8(text);
    out += text.substr(0, good);
    text.remove_prefix(good);
    if (text.empty()) break;
    append_utf8(out, kReplacementChar);
    text.remove_prefix(decode_utf8(text).bytes);
  }
  return out;
}

std::size_t incomplete_utf8_tail(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const std::string_view tail = text.substr(text.size() - back);
    const auto first = static_cast<unsigned char>(tail[0]);
    if ((first & 0xC0) == 0x80) continue;  // inside a sequence: look further back for its start
    const Lead lead = lead_of(first);
    return lead.length > back && well_formed_prefix(tail, lead) == back ? back : 0;
  }
  return 0;
}

GeneralCategory general_category(char32_t c) {
  static_assert(UTF8PROC_CATEGORY_CN == static_cast<int>(GeneralCategory::kCn) &&
                UTF8PROC_CATEGORY_NO == static_cast<int>(GeneralCategory::kNo) &&
                UTF8PROC_CATEGORY_CO == static_cast<int>(GeneralCategory::kCo));
  return c > 0x10FFFF ? GeneralCategory::kCn : static_cast<GeneralCategory>(category(c));
}

bool is_letter(char32_t c) { return in_categories(c, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO); }
bool is_mark(char32_t c) { return in_categories(c, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME); }
bool is_number(char32_t c) { return in_categories(c, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO); }
bool is_punctuation(char32_t c) {
  return in_categories(c, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}
bool is_symbol(char32_t c) { return in_categories(c, UTF8PROC_CATEGORY_SM, UTF8PROC_CATEGORY_SO); }
bool is_control(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_CN ||
         in_categories(c, UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CO);
}
bool is_upper(char32_t c) {
  const utf8proc_category_t found = category(c);
  return found == UTF8PROC_CATEGORY_LU || found == UTF8PROC_CATEGORY_LT;
}
bool is_lower(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LL; }

// The property White_Space (PropList.txt); utf8proc has categories only, and those miss the
// control characters.
bool is_whitespace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

char32_t to_lower(char32_t c) {
  if (c > 0x10FFFF) return c;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

char32_t to_upper(char32_t c) {
  // utf8proc maps the sharp s to its capital; Unicode's simple mapping leaves it alone.
  if (c > 0x10FFFF || c == 0xDF) return c;
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
}

std::string normalize(std::string_view text, Normalization form) {
  if (is_ascii(text)) return std::string(text);  // its own normal form in all four
  const bool compatibility = form == Normalization::kNfkc || form == Normalization::kNfkd;
  const bool compose = form == Normalization::kNfc || form == Normalization::kNfkc;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                                                      (compatibility ? UTF8PROC_COMPAT : 0));

  std::vector<utf8proc_int32_t> chars;
  chars.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const DecodedChar next = decode_utf8(text.substr(at));
    append_decomposed(chars, next.codepoint, options);
    at += next.bytes;
  }
  order_marks(chars);
  auto count = static_cast<utf8proc_ssize_t>(chars.size());
  if (compose) {
    count = utf8proc_normalize_utf32(
        chars.data(), count, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    CHECK(count >= 0);
  }
  std::string out;
  out.reserve(text.size());
  for (utf8proc_ssize_t i = 0; i < count; ++i)
    append_utf8(out, static_cast<char32_t>(chars[static_cast<std::size_t>(i)]));
  return out;
}

}  // namespace bantam
