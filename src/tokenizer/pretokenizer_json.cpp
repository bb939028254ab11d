// /pre_tokenizer of tokenizer.json, type by type.
#include <algorithm>

#include "base/unicode.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/pretokenizer_names.h"
#include "tokenizer/regex_step.h"
#include "tokenizer/word_splitter.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxSteps = 32;
constexpr int kMaxDepth = 8;

// Cuts where a character's class says so.
class ClassStep final : public PretokenizerStep {
 public:
  enum class Cut : std::uint8_t {
    kRemove,  // characters of the class vanish
    kEach,    // each is a piece
    kRun,     // each run of them is a piece
  };
  using InClass = bool (*)(char32_t);

  ClassStep(InClass in_class, Cut cut) : in_class_(in_class), cut_(cut) {}

  std::unique_ptr<PieceSink> open(PieceSink& next, bool /*at_start*/) const override {
    return std::make_unique<Sink>(*this, next);
  }

 private:
  class Sink final : public PieceSink {
   public:
    Sink(const ClassStep& step, PieceSink& next) : step_(step), next_(next) {}
    void piece(std::string_view text) override {
      std::size_t begin = 0;
      bool inside = false;  // of a run
      for (std::size_t at = 0; at < text.size();) {
        const DecodedChar c = decode_utf8(text.substr(at));
        const bool in_class = step_.in_class_(c.codepoint);
        const bool cut = in_class != inside || (in_class && step_.cut_ != Cut::kRun);
        if (cut) flush(text, begin, at, inside);
        if (cut) begin = at;
        inside = in_class;
        at += c.bytes;
      }
      flush(text, begin, text.size(), inside);
    }

   private:
    void flush(std::string_view text, std::size_t begin, std::size_t end, bool inside) {
      if (end > begin && !(inside && step_.cut_ == Cut::kRemove))
        next_.piece(text.substr(begin, end - begin));
    }
    const ClassStep& step_;
    PieceSink& next_;
  };

  InClass in_class_;
  Cut cut_;
};

// Puts a space in front of pieces that have none.
class PrefixSpaceStep final : public PretokenizerStep {
 public:
  bool keeps_text() const override { return false; }
  std::unique_ptr<PieceSink> open(PieceSink& next, bool /*at_start*/) const override {
    return std::make_unique<Sink>(next);
  }

 private:
  class Sink final : public PieceSink {
   public:
    explicit Sink(PieceSink& next) : next_(next) {}
    void piece(std::string_view text) override {
      if (text.starts_with(' ')) return next_.piece(text);
      std::string spaced = " ";
      spaced += text;
      next_.piece(spaced);
    }

   private:
    PieceSink& next_;
  };
};

// Spells each piece in the byte alphabet.
class SpellStep final : public PretokenizerStep {
 public:
  bool keeps_text() const override { return false; }
  std::unique_ptr<PieceSink> open(PieceSink& next, bool /*at_start*/) const override {
    return std::make_unique<Sink>(next);
  }

 private:
  class Sink final : public PieceSink {
   public:
    explicit Sink(PieceSink& next) : next_(next) {}
    void piece(std::string_view text) override {
      spelled_.clear();
      append_spelling(spelled_, text);
      next_.piece(spelled_);
    }

   private:
    PieceSink& next_;
    std::string spelled_;
  };
};

// Spaces become `replacement`, one is put in front, and each begins a piece.
class MetaspaceStep final : public PretokenizerStep {
 public:
  enum class Prepend : std::uint8_t { kAlways, kFirst, kNever };

  MetaspaceStep(std::string replacement, Prepend prepend, bool split)
      : replacement_(std::move(replacement)), prepend_(prepend), split_(split) {}

  bool keeps_text() const override { return false; }
  std::unique_ptr<PieceSink> open(PieceSink& next, bool at_start) const override {
    return std::make_unique<Sink>(*this, next, at_start);
  }

 private:
  class Sink final : public PieceSink {
   public:
    Sink(const MetaspaceStep& step, PieceSink& next, bool at_start)
        : step_(step), next_(next), first_(at_start) {}
    void piece(std::string_view text) override {
      const std::string& mark = step_.replacement_;
      const bool wanted =
          step_.prepend_ == Prepend::kAlways || (step_.prepend_ == Prepend::kFirst && first_);
      first_ = false;
      std::string out;
      if (wanted && !text.starts_with(' ') && !text.starts_with(mark)) out = mark;
      for (const char c : text) {
        if (c == ' ')
          out += mark;
        else
          out += c;
      }
      if (!step_.split_) return next_.piece(out);
      const std::string_view all = out;
      for (std::size_t begin = 0; begin < all.size();) {
        const std::size_t end = std::min(all.find(mark, begin + 1), all.size());
        next_.piece(all.substr(begin, end - begin));
        begin = end;
      }
    }

   private:
    const MetaspaceStep& step_;
    PieceSink& next_;
    bool first_;
  };

  std::string replacement_;
  Prepend prepend_;
  bool split_;
};

// P* and the ASCII characters that the standard library calls punctuation.
bool is_any_punctuation(char32_t c) {
  return (c < 0x80 && c > 0x20 && c != 0x7F && !is_letter(c) && !is_number(c)) || is_punctuation(c);
}

Result<SplitBehavior> parse_behavior(JsonReader& reader, std::string_view otherwise) {
  const std::string name = TRY(reader.string("behavior", otherwise));
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  return fail(ErrorKind::kUnsupported, "tokenizer_unsupported", "{}: unknown behavior {}",
              reader.pointer("behavior"), quoted(name));
}

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Patterns that add_pattern() knows a linear algorithm for.
bool is_built_in(std::string_view pattern) {
  return known_word_rules(pattern) != nullptr || pattern == kThousandsPattern ||
         pattern == kThousandsInWordsPattern || pattern == kLineEndPattern;
}

// The pattern of a Split step: {"Regex": "…"} or {"String": "…"}.
Result<std::string> parse_pattern(JsonReader& reader) {
  const Json* pattern = reader.find("pattern");
  if (pattern == nullptr)
    return fail(ErrorKind::kMalformed, "tokenizer_invalid", "{} is missing",
                reader.pointer("pattern"));
  JsonReader inner(*pattern, reader.pointer("pattern"));
  if (inner.find("Regex") != nullptr) return inner.required_string("Regex");
  return escape_regex(TRY(inner.required_string("String")));
}

Result<std::shared_ptr<const PretokenizerStep>> parse_metaspace(JsonReader& reader) {
  const std::string mark = TRY(reader.string("replacement", "▁"));
  const DecodedChar c = decode_utf8(mark);
  if (!c.valid || c.bytes != mark.size())
    return fail(ErrorKind::kMalformed, "tokenizer_invalid", "{} must be one character, not {}",
                reader.pointer("replacement"), quoted(mark));
  const bool legacy = TRY(reader.boolean("add_prefix_space", true));
  const std::string scheme = TRY(reader.string("prepend_scheme", legacy ? "always" : "never"));
  using Prepend = MetaspaceStep::Prepend;
  Prepend prepend = Prepend::kAlways;
  if (scheme == "first") {
    prepend = Prepend::kFirst;
  } else if (scheme == "never") {
    prepend = Prepend::kNever;
  } else if (scheme != "always") {
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "{} is {}, expected always, first or never", reader.pointer("prepend_scheme"),
                quoted(scheme));
  }
  return std::make_shared<MetaspaceStep>(mark, prepend, TRY(reader.boolean("split", true)));
}

}  // namespace

Result<Pretokenizer> Pretokenizer::parse(const Json& value, std::string_view path) {
  Pretokenizer out;
  TRY(out.add(value, std::string(path), 0));
  return out;
}

Result<void> Pretokenizer::add(const Json& value, const std::string& path, int depth) {
  if (value.is_null()) return {};
  if (depth > kMaxDepth || steps_.size() >= kMaxSteps)
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                "{}: pre-tokenizers nest deeper than {} or have more than {} steps", path,
                kMaxDepth, kMaxSteps);
  JsonReader reader(value, path);
  const std::string type = TRY(reader.required_string("type"));
  // Words that are spelled already can't be spelled again, and what follows sees the spelling.
  const auto spell_pending = [this] {
    if (byte_level_ && !spells_bytes_) {
      steps_.push_back(std::make_shared<SpellStep>());
      spells_bytes_ = true;
    }
  };
  if (type == "Sequence") {
    const Json* parts = reader.find("pretokenizers");
    if (parts == nullptr || !parts->is_array())
      return fail(ErrorKind::kMalformed, "tokenizer_invalid", "{} must be an array",
                  reader.pointer("pretokenizers"));
    std::size_t i = 0;
    for (const Json& part : parts->as_array())
      TRY(add(part, fmt::format("{}/{}", reader.pointer("pretokenizers"), i++), depth + 1));
    return {};
  }
  spell_pending();
  using Cut = ClassStep::Cut;
  const auto add_class = [this](ClassStep::InClass in_class, Cut cut) {
    steps_.push_back(std::make_shared<ClassStep>(in_class, cut));
  };
  if (type == "ByteLevel") {
    if (TRY(reader.boolean("add_prefix_space", true)))
      steps_.push_back(std::make_shared<PrefixSpaceStep>());
    if (TRY(reader.boolean("use_regex", true))) TRY(add_pattern(kGpt2Pattern, true));
    byte_level_ = true;
  } else if (type == "Split") {
    const SplitBehavior behavior = TRY(parse_behavior(reader, "Isolated"));
    const bool invert = TRY(reader.boolean("invert", false));
    const std::string pattern = TRY(parse_pattern(reader));
    // A pattern that matches everything is the same isolated, or its inverse removed.
    const bool isolated = (behavior == SplitBehavior::kIsolated && !invert) ||
                          (behavior == SplitBehavior::kRemoved && invert);
    if (isolated && is_built_in(pattern)) return add_pattern(pattern, true);
    Result<std::shared_ptr<const Regex>> regex = Regex::compile(pattern);
    if (!regex) return std::unexpected(std::move(regex).error().in(path));
    steps_.push_back(make_split_step(*regex, behavior, invert));
  } else if (type == "Digits") {
    add_class(is_number, TRY(reader.boolean("individual_digits", false)) ? Cut::kEach : Cut::kRun);
  } else if (type == "Punctuation") {
    const SplitBehavior behavior = TRY(parse_behavior(reader, "Isolated"));
    if (behavior == SplitBehavior::kIsolated || behavior == SplitBehavior::kContiguous) {
      add_class(is_any_punctuation, behavior == SplitBehavior::kIsolated ? Cut::kEach : Cut::kRun);
    } else {
      steps_.push_back(
          make_split_step(TRY(Regex::compile(R"([\p{P}!-/:-@\[-`{-~])", true)), behavior, false));
    }
  } else if (type == "Whitespace") {
    steps_.push_back(make_split_step(TRY(Regex::compile(R"(\w+|[^\w\s]+)", true)),
                                     SplitBehavior::kRemoved, true));
  } else if (type == "WhitespaceSplit") {
    add_class(is_whitespace, Cut::kRemove);
  } else if (type == "BertPreTokenizer") {
    add_class(is_whitespace, Cut::kRemove);
    add_class(is_any_punctuation, Cut::kEach);
  } else if (type == "CharDelimiterSplit") {
    const std::string delimiter = TRY(reader.required_string("delimiter"));
    steps_.push_back(make_split_step(TRY(Regex::compile(escape_regex(delimiter))),
                                     SplitBehavior::kRemoved, false));
  } else if (type == "Metaspace") {
    steps_.push_back(TRY(parse_metaspace(reader)));
  } else {
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "{}: unknown pre-tokenizer type {}; known are ByteLevel, Split, Digits, "
                "Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer, CharDelimiterSplit, "
                "Metaspace and Sequence",
                path, quoted(type));
  }
  return {};
}

}  // namespace bantam
