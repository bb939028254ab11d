#include "tokenizer/special_splitter.h"

#include <algorithm>

#include "base/unicode.h"

namespace bantam {
namespace {

// \w of the regular expressions that define single_word.
bool is_word_char(char32_t c) {
  return is_letter(c) || is_mark(c) || general_category(c) == GeneralCategory::kNd ||
         general_category(c) == GeneralCategory::kNl || general_category(c) == GeneralCategory::kPc;
}

// The last character of `text`, which is not empty.
DecodedChar last_char(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && text.size() - begin < 4 &&
         (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80)
    --begin;
  const DecodedChar c = decode_utf8(text.substr(begin));
  return c.valid && begin + c.bytes == text.size() ? c : DecodedChar{kReplacementChar, 1, false};
}

bool touches_word(std::string_view before, std::string_view after) {
  return (!before.empty() && is_word_char(last_char(before).codepoint)) ||
         (!after.empty() && is_word_char(decode_utf8(after).codepoint));
}

std::size_t trailing_space(std::string_view text) {
  std::size_t left = text.size();
  while (left > 0) {
    const DecodedChar c = last_char(text.substr(0, left));
    if (!c.valid || !is_whitespace(c.codepoint)) break;
    left -= c.bytes;
  }
  return text.size() - left;
}

std::size_t leading_space(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const DecodedChar c = decode_utf8(text.substr(at));
    if (!c.valid || !is_whitespace(c.codepoint)) break;
    at += c.bytes;
  }
  return at;
}

}  // namespace

SpecialSplitter::SpecialSplitter(std::vector<Entry> entries) : entries_(std::move(entries)) {
  nodes_.emplace_back();
  for (std::size_t i = 0; i < entries_.size(); ++i) add(static_cast<std::int32_t>(i));
  link();
}

std::int32_t SpecialSplitter::child(std::int32_t node, std::uint8_t byte) const {
  if (node == 0) return root_[byte];
  for (std::int32_t e = nodes_[static_cast<std::size_t>(node)].first_edge; e >= 0;) {
    const Edge& edge = edges_[static_cast<std::size_t>(e)];
    if (edge.byte == byte) return edge.node;
    e = edge.next;
  }
  return 0;
}

void SpecialSplitter::add(std::int32_t entry) {
  const std::string& text = entries_[static_cast<std::size_t>(entry)].text;
  CHECK(!text.empty());
  std::int32_t node = 0;
  for (auto c = text.rbegin(); c != text.rend(); ++c) {
    const auto byte = static_cast<std::uint8_t>(*c);
    std::int32_t next = child(node, byte);
    if (next == 0) {
      next = static_cast<std::int32_t>(nodes_.size());
      nodes_.emplace_back();
      if (node == 0) {
        root_[byte] = next;
      } else {
        Node& parent = nodes_[static_cast<std::size_t>(node)];
        edges_.push_back({byte, next, parent.first_edge});
        parent.first_edge = static_cast<std::int32_t>(edges_.size()) - 1;
      }
    }
    node = next;
  }
  // Of two tokens with one spelling the first wins.
  Node& end = nodes_[static_cast<std::size_t>(node)];
  if (end.own < 0) end.own = entry;
  const bool control = entries_[static_cast<std::size_t>(entry)].token.control;
  if (!control && end.user < 0) end.user = entry;
}

// Breadth first, so that a node's failure link is complete before its children's.
void SpecialSplitter::link() {
  std::vector<std::int32_t> queue;
  const auto enter = [&](std::int32_t at, std::int32_t fail) {
    const Node& suffix = nodes_[static_cast<std::size_t>(fail)];
    Node& node = nodes_[static_cast<std::size_t>(at)];
    node.fail = fail;
    node.shorter = suffix.own >= 0 ? fail : suffix.shorter;
    if (node.user < 0) node.user = suffix.user;
    queue.push_back(at);
  };
  for (const std::int32_t node : root_)
    if (node != 0) enter(node, 0);
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const Node parent = nodes_[static_cast<std::size_t>(queue[i])];
    for (std::int32_t e = parent.first_edge; e >= 0;) {
      const Edge edge = edges_[static_cast<std::size_t>(e)];
      std::int32_t fail = parent.fail;
      while (fail != 0 && child(fail, edge.byte) == 0)
        fail = nodes_[static_cast<std::size_t>(fail)].fail;
      enter(edge.node, child(fail, edge.byte));
      e = edge.next;
    }
  }
}

std::int32_t SpecialSplitter::longest(std::int32_t node, std::size_t room) const {
  const std::int32_t user = nodes_[static_cast<std::size_t>(node)].user;
  const std::size_t user_size = user < 0 ? 0 : entries_[static_cast<std::size_t>(user)].text.size();
  if (room == 0) return user;
  for (std::int32_t at = node; at != 0; at = nodes_[static_cast<std::size_t>(at)].shorter) {
    const std::int32_t own = nodes_[static_cast<std::size_t>(at)].own;
    if (own < 0) continue;
    const std::size_t size = entries_[static_cast<std::size_t>(own)].text.size();
    if (size < user_size) break;
    if (size <= room) return own;
  }
  return user;
}

std::vector<SpecialSplitter::Match> SpecialSplitter::find(std::string_view text, bool control,
                                                          std::span<const ByteRange> plain) const {
  std::vector<Match> found;
  std::int32_t node = 0;
  std::size_t ranges = plain.size();  // those before this one begin at or before `at`
  for (std::size_t at = text.size(); at-- > 0;) {
    const auto byte = static_cast<std::uint8_t>(text[at]);
    std::int32_t next = child(node, byte);
    while (next == 0 && node != 0) {
      node = nodes_[static_cast<std::size_t>(node)].fail;
      next = child(node, byte);
    }
    node = next;
    if (node == 0) continue;
    std::size_t room = 0;  // for a control token: up to the next plain range
    if (control) {
      while (ranges > 0 && plain[ranges - 1].begin > at) --ranges;
      const bool inside = ranges > 0 && plain[ranges - 1].end > at;
      const std::size_t limit = ranges < plain.size() ? plain[ranges].begin : text.size();
      room = inside ? 0 : limit - at;
    }
    if (const std::int32_t entry = longest(node, room); entry >= 0) found.push_back({at, entry});
  }
  return found;
}

std::vector<TextPart> SpecialSplitter::split(std::string_view text, bool control,
                                             std::span<const ByteRange> plain) const {
  std::vector<TextPart> parts;
  std::vector<Match> found;
  if (!entries_.empty()) found = find(text, control, plain);
  std::size_t done = 0;     // everything before is in `parts`
  std::size_t blocked = 0;  // end of the last match, taken or not: the next begins after it
  for (auto match = found.rbegin(); match != found.rend(); ++match) {
    if (match->begin < blocked) continue;
    const Entry& entry = entries_[static_cast<std::size_t>(match->entry)];
    std::size_t begin = match->begin, end = begin + entry.text.size();
    blocked = end;
    if (entry.token.single_word && touches_word(text.substr(0, begin), text.substr(end))) continue;
    if (entry.token.lstrip) begin -= trailing_space(text.substr(done, begin - done));
    if (entry.token.rstrip) end += leading_space(text.substr(end));
    blocked = end;
    if (begin > done) parts.push_back({text.substr(done, begin - done), -1});
    parts.push_back({text.substr(begin, end - begin), entry.token.id});
    done = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), -1});
  return parts;
}

}  // namespace bantam
