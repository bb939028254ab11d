#include "tokenizer/normalizer.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "base/base64.h"
#include "base/unicode.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/regex_step.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxSteps = 64;  // some set spaces around each of 32 characters
constexpr int kMaxDepth = 8;

// Calls `valid` on each stretch of UTF-8 and keeps what lies between as it is.
template <typename F>
std::string for_valid(std::string_view all, F valid) {
  if (is_valid_utf8(all)) return valid(all);
  std::string out;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t size = first_invalid_utf8(all.substr(at));
    if (size > 0) out += valid(all.substr(at, size));
    at += size;
    if (at == all.size()) break;
    const std::size_t broken = decode_utf8(all.substr(at)).bytes;
    out += all.substr(at, broken);
    at += broken;
  }
  return out;
}

// ASCII characters are the same in every normal form, and at most the one before a stretch of
// others has to do with it.
class FormStep final : public Normalizer::Step {
 public:
  explicit FormStep(Normalization form) : form_(form) {}
  std::string apply(std::string text) const override {
    const auto is_ascii = [&](std::size_t i) { return static_cast<unsigned char>(text[i]) < 0x80; };
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      while (at < text.size() && is_ascii(at)) ++at;
      if (at == text.size()) {
        if (begin == 0) return text;
        out.append(text, begin);
        break;
      }
      const std::size_t other = at > begin ? at - 1 : at;
      out.append(text, begin, other - begin);
      while (at < text.size() && !is_ascii(at)) ++at;
      out += for_valid(std::string_view(text).substr(other, at - other),
                       [&](std::string_view valid) { return normalize(valid, form_); });
    }
    return out;
  }

 private:
  Normalization form_;
};

// Every character by itself: what `map` appends for it.
class MapStep final : public Normalizer::Step {
 public:
  using Map = void (*)(std::string& out, char32_t c);
  explicit MapStep(Map map) : map_(map) {}
  std::string apply(std::string text) const override {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const DecodedChar c = decode_utf8(std::string_view(text).substr(at));
      if (c.valid)
        map_(out, c.codepoint);
      else
        out.append(text, at, c.bytes);
      at += c.bytes;
    }
    return out;
  }

 private:
  Map map_;
};

void map_lower(std::string& out, char32_t c) {
  // The one letter whose full lower case has two characters.
  if (c == 0x130)
    out += "i\u0307";
  else
    append_utf8(out, to_lower(c));
}

void map_without_marks(std::string& out, char32_t c) {
  if (general_category(c) != GeneralCategory::kMn) append_utf8(out, c);
}

void map_bytes(std::string& out, char32_t c) {
  std::string bytes;
  append_utf8(bytes, c);
  append_spelling(out, bytes);
}

// Unassigned characters stay, as in the reference.
bool is_bert_control(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  const GeneralCategory category = general_category(c);
  return category == GeneralCategory::kCc || category == GeneralCategory::kCf ||
         category == GeneralCategory::kCo;
}

void map_clean(std::string& out, char32_t c) {
  if (c == 0 || c == kReplacementChar || is_bert_control(c)) return;
  if (is_whitespace(c))
    out += ' ';
  else
    append_utf8(out, c);
}

// The blocks of ideographs that BERT sets spaces around (one bound as its authors have it).
bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

void map_chinese(std::string& out, char32_t c) {
  const bool apart = is_chinese(c);
  if (apart) out += ' ';
  append_utf8(out, c);
  if (apart) out += ' ';
}

// Control characters that SentencePiece's nmt rules drop, and spaces that they make plain.
void map_nmt(std::string& out, char32_t c) {
  const bool dropped = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) ||
                       c == 0x7F || c == 0x8F || c == 0x9F;
  if (dropped) return;
  const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                     (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                     c == 0xFEFF || c == 0xFFFD;
  append_utf8(out, space ? U' ' : c);
}

class StripStep final : public Normalizer::Step {
 public:
  StripStep(bool left, bool right) : left_(left), right_(right) {}
  std::string apply(std::string text) const override {
    const std::string_view all = text;
    std::size_t begin = all.size(), end = 0;  // of what is no white space
    for (std::size_t at = 0; at < all.size();) {
      const DecodedChar c = decode_utf8(all.substr(at));
      if (!c.valid || !is_whitespace(c.codepoint)) {
        begin = std::min(begin, at);
        end = at + c.bytes;
      }
      at += c.bytes;
    }
    if (!left_) begin = 0;
    if (!right_) end = all.size();
    return begin < end ? std::string(all.substr(begin, end - begin)) : std::string();
  }

 private:
  bool left_, right_;
};

class PrependStep final : public Normalizer::Step {
 public:
  explicit PrependStep(std::string prefix) : prefix_(std::move(prefix)) {}
  std::string apply(std::string text) const override {
    return text.empty() ? text : prefix_ + text;
  }

 private:
  std::string prefix_;
};

class ReplaceStep final : public Normalizer::Step {
 public:
  ReplaceStep(std::string text, std::string content)
      : text_(std::move(text)), content_(std::move(content)) {}
  std::string apply(std::string text) const override {
    std::string out;
    out.reserve(text.size());
    std::size_t done = 0;
    for (std::size_t at; (at = text.find(text_, done)) != std::string::npos;
         done = at + text_.size())
      out.append(text, done, at - done) += content_;
    return out.append(text, done);
  }

 private:
  std::string text_, content_;
};

class RegexReplaceStep final : public Normalizer::Step {
 public:
  RegexReplaceStep(std::shared_ptr<const Regex> regex, std::string content)
      : regex_(std::move(regex)), content_(std::move(content)) {}
  std::string apply(std::string text) const override {
    return for_valid(text, [&](std::string_view valid) { return replace(valid); });
  }

 private:
  std::string replace(std::string_view text) const {
    Regex::Matcher matcher(*regex_);
    std::string out;
    std::size_t done = 0;
    for (std::size_t from = 0; from <= text.size();) {
      if (matcher.find(text, from) != Regex::Matcher::Outcome::kMatch) break;
      const std::size_t begin = std::max(matcher.begin(), done);
      const std::size_t end = std::max(matcher.end(), begin);
      out += text.substr(done, begin - done);
      out += content_;
      done = end;
      if (end == text.size()) break;
      from = end > begin ? end : end + decode_utf8(text.substr(end)).bytes;
    }
    return out += text.substr(done);
  }

  std::shared_ptr<const Regex> regex_;
  std::string content_;
};

class CharsMapStep final : public Normalizer::Step {
 public:
  explicit CharsMapStep(CharsMap map) : map_(std::move(map)) {}
  std::string apply(std::string text) const override { return map_.apply(text); }

 private:
  CharsMap map_;
};

using StepPointer = std::shared_ptr<const Normalizer::Step>;
using Steps = std::vector<StepPointer>;

// What a pipeline could make of one byte at most, as far as its own strings decide that.
class Growth {
 public:
  // A step that may make any text `factor` times as long.
  Result<void> add(double factor, std::string_view path) {
    before_ *= group_;
    group_ = factor;
    produced_.reset();
    return check(path);
  }

  // A step that replaces `text` by `content`. As long as no such step looks for a byte that one
  // before it has put there, a byte of the text is replaced by at most one of them.
  Result<void> add_replacement(std::string_view text, std::string_view content,
                               std::string_view path) {
    const double factor =
        std::max(1.0, static_cast<double>(content.size()) / static_cast<double>(text.size()));
    if (!produced_ || text.find_first_of(*produced_) != text.npos) {
      TRY(add(factor, path));
      produced_.emplace();
    }
    group_ = std::max(group_, factor);
    *produced_ += content;
    return check(path);
  }

 private:
  Result<void> check(std::string_view path) const {
    if (before_ * group_ <= kMaxGrowth) return {};
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                "{}: these normalizers could make a text more than {} times as long", path,
                kMaxGrowth);
  }

  double before_ = 1, group_ = 1;        // the steps before the last group, and that group
  std::optional<std::string> produced_;  // what a group of replacements puts in
};

Result<StepPointer> parse_replace(JsonReader& reader, Growth& growth) {
  const std::string content = TRY(reader.required_string("content"));
  const Json* pattern = reader.find("pattern");
  if (pattern == nullptr)
    return fail(ErrorKind::kMalformed, "tokenizer_invalid", "{} is missing",
                reader.pointer("pattern"));
  JsonReader inner(*pattern, reader.pointer("pattern"));
  if (inner.find("Regex") != nullptr) {
    TRY(growth.add(1.0 + static_cast<double>(content.size()), reader.pointer("content")));
    const std::string regex = TRY(inner.required_string("Regex"));
    return std::make_shared<RegexReplaceStep>(TRY(Regex::compile(regex)), content);
  }
  std::string text = TRY(inner.required_string("String"));
  if (text.empty())
    return fail(ErrorKind::kMalformed, "tokenizer_invalid", "{} is empty", inner.pointer("String"));
  TRY(growth.add_replacement(text, content, reader.pointer("content")));
  return std::make_shared<ReplaceStep>(std::move(text), content);
}

Result<void> add_bert(JsonReader& reader, Steps& steps) {
  const bool lower = TRY(reader.boolean("lowercase", true));
  if (TRY(reader.boolean("clean_text", true)))
    steps.push_back(std::make_shared<MapStep>(map_clean));
  if (TRY(reader.boolean("handle_chinese_chars", true)))
    steps.push_back(std::make_shared<MapStep>(map_chinese));
  if (TRY(reader.boolean("strip_accents", lower))) {
    steps.push_back(std::make_shared<FormStep>(Normalization::kNfd));
    steps.push_back(std::make_shared<MapStep>(map_without_marks));
  }
  if (lower) steps.push_back(std::make_shared<MapStep>(map_lower));
  return {};
}

Result<void> add_steps(const Json& value, const std::string& path, int depth, Growth& growth,
                       Steps& steps) {
  if (value.is_null()) return {};
  if (depth > kMaxDepth || steps.size() >= kMaxSteps)
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                "{}: normalizers nest deeper than {} or have more than {} steps", path, kMaxDepth,
                kMaxSteps);
  JsonReader reader(value, path);
  const std::string type = TRY(reader.required_string("type"));
  const auto add_form = [&](Normalization form) {
    steps.push_back(std::make_shared<FormStep>(form));
  };
  const auto add_map = [&](MapStep::Map map) { steps.push_back(std::make_shared<MapStep>(map)); };
  if (type == "Sequence") {
    const Json* parts = reader.find("normalizers");
    if (parts == nullptr || !parts->is_array())
      return fail(ErrorKind::kMalformed, "tokenizer_invalid", "{} must be an array",
                  reader.pointer("normalizers"));
    std::size_t i = 0;
    for (const Json& part : parts->as_array())
      TRY(add_steps(part, fmt::format("{}/{}", reader.pointer("normalizers"), i++), depth + 1,
                    growth, steps));
  } else if (type == "NFC") {
    add_form(Normalization::kNfc);
  } else if (type == "NFD") {
    add_form(Normalization::kNfd);
  } else if (type == "NFKC") {
    add_form(Normalization::kNfkc);
  } else if (type == "NFKD") {
    add_form(Normalization::kNfkd);
  } else if (type == "Lowercase") {
    add_map(map_lower);
  } else if (type == "StripAccents") {
    add_map(map_without_marks);
  } else if (type == "Nmt") {
    add_map(map_nmt);
  } else if (type == "ByteLevel") {
    TRY(growth.add(2, path));
    add_map(map_bytes);
  } else if (type == "Strip") {
    const bool left = TRY(reader.boolean("strip_left", true));
    steps.push_back(std::make_shared<StripStep>(left, TRY(reader.boolean("strip_right", true))));
  } else if (type == "Prepend") {
    std::string prefix = TRY(reader.required_string("prepend"));
    TRY(growth.add(1.0 + static_cast<double>(prefix.size()) / 1024, path));
    steps.push_back(std::make_shared<PrependStep>(std::move(prefix)));
  } else if (type == "Replace") {
    steps.push_back(TRY(parse_replace(reader, growth)));
  } else if (type == "BertNormalizer") {
    TRY(growth.add(2, path));
    TRY(add_bert(reader, steps));
  } else if (type == "Precompiled") {
    const std::string text = TRY(reader.required_string("precompiled_charsmap"));
    const std::optional<std::string> bytes = decode_base64(text);
    if (!bytes)
      return fail(ErrorKind::kMalformed, "tokenizer_invalid", "{} is not base64",
                  reader.pointer("precompiled_charsmap"));
    CharsMap map = TRY(CharsMap::parse(*bytes));
    steps.push_back(std::make_shared<CharsMapStep>(std::move(map)));
  } else {
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "{}: unknown normalizer type {}; known are NFC, NFD, NFKC, NFKD, Lowercase, "
                "StripAccents, Strip, Prepend, Replace, Nmt, ByteLevel, BertNormalizer, "
                "Precompiled and Sequence",
                path, quoted(type));
  }
  return {};
}

}  // namespace

Result<Normalizer> Normalizer::parse(const Json& value, std::string_view path) {
  Normalizer out;
  Growth growth;
  TRY(add_steps(value, std::string(path), 0, growth, out.steps_));
  return out;
}

Result<Normalizer> Normalizer::parse_text(std::string_view json) {
  return parse(TRY(parse_json(json)));
}

std::string Normalizer::apply(std::string_view text) const {
  std::string out(text);
  for (const StepPointer& step : steps_) out = step->apply(std::move(out));
  return out;
}

}  // namespace bantam
