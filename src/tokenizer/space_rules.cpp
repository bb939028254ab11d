#include "tokenizer/space_rules.h"

#include <vector>

#include "base/unicode.h"

namespace bantam {

StretchBegin stretch_begin(const Vocab& vocab, bool at_start, const std::vector<TokenId>& ids) {
  if (at_start || ids.empty()) return StretchBegin::kText;
  return vocab.type(ids.back()) == TokenType::kUserDefined ? StretchBegin::kAfterUserDefined
                                                           : StretchBegin::kAfterControl;
}

Result<SpaceRules> SpaceRules::from_metadata(const Metadata& metadata) {
  SpaceRules rules;
  rules.prefix = TRY(metadata.boolean_or("tokenizer.ggml.add_space_prefix", true));
  rules.collapse = TRY(metadata.boolean_or("tokenizer.ggml.remove_extra_whitespaces", false));
  const std::vector<std::string>* const words = TRY(metadata.strings(kSpaceRulesKey));
  if (words == nullptr) return rules;
  for (const std::string& word : *words) {
    if (word == "first")
      rules.first_only = true;
    else if (word == "unless_space")
      rules.unless_space = true;
    else if (word == "inline")
      rules.inline_tokens = true;
    else if (word == "whitespace")
      rules.words = true;
    else if (word == "split")
      rules.split = true;
    else
      return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                  "{}: expected first, unless_space, inline, whitespace or split, found {}",
                  kSpaceRulesKey, quoted(word));
  }
  if (rules.words && (!rules.prefix || rules.first_only))
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "{}: words without a space before each of them would run together", kSpaceRulesKey);
  return rules;
}

void SpaceRules::to_metadata(Metadata& metadata) const {
  metadata.set_bool("tokenizer.ggml.add_space_prefix", prefix);
  metadata.set_bool("tokenizer.ggml.remove_extra_whitespaces", collapse || words);
  std::vector<std::string> names;
  if (first_only) names.emplace_back("first");
  if (unless_space) names.emplace_back("unless_space");
  if (inline_tokens) names.emplace_back("inline");
  if (words) names.emplace_back("whitespace");
  if (split) names.emplace_back("split");
  if (names.empty())
    metadata.erase(kSpaceRulesKey);
  else
    metadata.set_strings(kSpaceRulesKey, std::move(names));
}

std::string SpaceRules::apply(std::string_view text, StretchBegin begin) const {
  if (words) return apply_to_words(text);
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  if (collapse && text.find_first_not_of(' ') == text.npos) return out;
  const bool within = begin == StretchBegin::kAfterUserDefined && inline_tokens;
  const bool wanted = prefix && !within && (begin == StretchBegin::kText || !first_only);
  const bool there = text.starts_with(' ') || text.starts_with(kSpaceMark);
  if (wanted && !(unless_space && there)) out += kSpaceMark;
  bool after_space = collapse;
  for (const char c : text) {
    if (c != ' ')
      out += c;
    else if (!after_space)
      out += kSpaceMark;
    after_space = collapse && c == ' ';
  }
  // As the SentencePiece library does it: a "▁" of the text's own goes too.
  while (collapse && out.ends_with(kSpaceMark)) out.resize(out.size() - kSpaceMark.size());
  return out;
}

std::string SpaceRules::apply_to_words(std::string_view text) const {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  bool in_word = false;
  for (std::size_t at = 0; at < text.size();) {
    const DecodedChar next = decode_utf8(text.substr(at));
    const bool space = next.valid && is_whitespace(next.codepoint);
    const bool marked = unless_space && text.substr(at).starts_with(kSpaceMark);
    if (!space && !in_word && !marked) out += kSpaceMark;
    if (!space) out += text.substr(at, next.bytes);
    in_word = !space;
    at += next.bytes;
  }
  return out;
}

std::string unescape_spaces(std::string_view piece) {
  std::string out;
  out.reserve(piece.size());
  while (!piece.empty()) {
    const std::size_t mark = piece.find(kSpaceMark);
    out += piece.substr(0, mark);
    if (mark == piece.npos) break;
    out += ' ';
    piece.remove_prefix(mark + kSpaceMark.size());
  }
  return out;
}

}  // namespace bantam
