#include "tokenizer/regex_step.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/unicode.h"

namespace bantam {
namespace {

// As tokenizer.json's regular expressions (Ruby's dialect) have it, ^ and $ are ends of lines.
constexpr std::uint32_t kOptions =
    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
// Steps of backtracking for one place where a match may begin, kilobytes of heap.
constexpr std::uint32_t kMatchLimit = 50'000'000;
constexpr std::uint32_t kHeapLimit = 64u << 10;

pcre2_code* code_of(void* code) { return static_cast<pcre2_code*>(code); }

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeCompileContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using Code = std::unique_ptr<pcre2_code, FreeCode>;

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

Result<Code> compile_code(std::string_view pattern, std::uint32_t options) {
  const std::unique_ptr<pcre2_compile_context, FreeCompileContext> context(
      pcre2_compile_context_create(nullptr));
  CHECK(context != nullptr, "out of memory");
  pcre2_set_parens_nest_limit(context.get(), 100);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(units(pattern), pattern.size(), options, &error, &offset, context.get()));
  if (code != nullptr) return code;
  std::array<PCRE2_UCHAR, 256> message{};
  pcre2_get_error_message(error, message.data(), message.size());
  return fail(ErrorKind::kMalformed, "tokenizer_invalid",
              "the regular expression {} is wrong at byte {}: {}", quoted(pattern), offset,
              reinterpret_cast<const char*>(message.data()));
}

// Work that a matcher does, as seen by callouts before every item of the pattern: one for each,
// and one for each byte that the position has moved since the last.
struct Work {
  std::uint64_t done = 0, budget = 0;
  PCRE2_SIZE last = 0;
};

int count_work(pcre2_callout_block* block, void* data) {
  auto& work = *static_cast<Work*>(data);
  const PCRE2_SIZE at = block->current_position;
  work.done += 1 + (at > work.last ? at - work.last : work.last - at);
  work.last = at;
  return work.done > work.budget ? PCRE2_ERROR_MATCHLIMIT : 0;
}

// Characters that texts made of repetitions should have: one of each class that patterns ask for,
// and every literal of this one.
std::vector<std::string> stress_alphabet(std::string_view pattern) {
  std::vector<std::string> alphabet = {"a", "A", "1", " ", "\n", ".", "'", "\u4E2D", "\u0301"};
  for (std::size_t at = 0; at < pattern.size() && alphabet.size() < 14;) {
    const DecodedChar c = decode_utf8(pattern.substr(at));
    std::string text(pattern.substr(at, c.bytes));
    at += c.bytes;
    if (std::string_view("()[]{}|?*+^$\\").contains(text)) continue;
    if (std::ranges::find(alphabet, text) == alphabet.end()) alphabet.push_back(std::move(text));
  }
  return alphabet;
}

// Finds all matches in `text` within a budget that is linear in its length.
bool runs_linearly(const pcre2_code* code, pcre2_match_data* data, const std::string& text) {
  const std::unique_ptr<pcre2_match_context, FreeMatchContext> context(
      pcre2_match_context_create(nullptr));
  CHECK(context != nullptr, "out of memory");
  Work work{.done = 0, .budget = 32 * text.size() + 1024, .last = 0};
  pcre2_set_callout(context.get(), count_work, &work);
  pcre2_set_heap_limit(context.get(), kHeapLimit);
  for (std::size_t from = 0; from < text.size();) {
    const int found =
        pcre2_match(code, units(text), text.size(), from, PCRE2_NO_JIT, data, context.get());
    if (found == PCRE2_ERROR_NOMATCH) return true;
    if (found < 0) return false;
    const PCRE2_SIZE end = pcre2_get_ovector_pointer(data)[1];
    from = end > from ? end : from + decode_utf8(std::string_view(text).substr(from)).bytes;
  }
  return true;
}

// Repetitions of one character and of two in turn, with an end that few patterns take.
Result<void> try_out(std::string_view pattern) {
  const Code code = TRY(compile_code(
      pattern, kOptions | PCRE2_AUTO_CALLOUT | PCRE2_NO_AUTO_POSSESS | PCRE2_NO_START_OPTIMIZE));
  const std::unique_ptr<pcre2_match_data, FreeMatchData> data(
      pcre2_match_data_create_from_pattern(code.get(), nullptr));
  CHECK(data != nullptr, "out of memory");
  constexpr std::size_t kRepeats = 128;
  const std::vector<std::string> alphabet = stress_alphabet(pattern);
  std::string text;
  for (const std::string& first : alphabet) {
    for (const std::string& second : alphabet) {
      text.clear();
      for (std::size_t i = 0; i < kRepeats; ++i) text += i % 2 == 0 ? first : second;
      text += '\x01';
      if (!runs_linearly(code.get(), data.get(), text))
        return fail(ErrorKind::kUnsupported, "tokenizer_regex_slow",
                    "the regular expression {} takes more than linear time on a text of {} and {} "
                    "in turn",
                    quoted(pattern), quoted(first), quoted(second));
    }
  }
  return {};
}

class SplitStep final : public PretokenizerStep {
 public:
  SplitStep(std::shared_ptr<const Regex> regex, SplitBehavior behavior, bool invert)
      : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}

  std::unique_ptr<PieceSink> open(PieceSink& next, bool /*at_start*/) const override {
    return std::make_unique<Sink>(*this, next);
  }

 private:
  class Sink final : public PieceSink {
   public:
    Sink(const SplitStep& step, PieceSink& next)
        : next_(next), matcher_(*step.regex_), behavior_(step.behavior_), invert_(step.invert_) {}

    void piece(std::string_view text) override {
      held_ = 0;
      held_end_ = 0;
      std::size_t done = 0;
      for (std::size_t from = 0; from <= text.size();) {
        const Regex::Matcher::Outcome outcome = matcher_.find(text, from);
        if (outcome == Regex::Matcher::Outcome::kLimit) {
          segment(text, done, text.size(), false);
          done = text.size();
        }
        if (outcome != Regex::Matcher::Outcome::kMatch) break;
        const std::size_t begin = std::max(matcher_.begin(), done);
        const std::size_t end = std::max(matcher_.end(), begin);
        segment(text, done, begin, invert_);
        if (end == begin) {  // an empty match only cuts
          flush(text);
          last_matched_ = false;
          if (begin == text.size()) {
            done = begin;
            break;
          }
          from = begin + decode_utf8(text.substr(begin)).bytes;
        } else {
          segment(text, begin, end, !invert_);
          from = end;
        }
        done = end;
      }
      segment(text, done, text.size(), invert_);
      flush(text);
      last_matched_ = false;
    }

   private:
    // [begin, end) matched, or lies between matches. Pieces are held back until it is known whether
    // they grow.
    void segment(std::string_view text, std::size_t begin, std::size_t end, bool matched) {
      if (begin == end) return;
      bool grow = held_end_ == begin && held_end_ > held_;
      switch (behavior_) {
        case SplitBehavior::kRemoved:
        case SplitBehavior::kIsolated:
          grow = false;
          break;
        case SplitBehavior::kMergedWithPrevious:
          grow = grow && matched && !last_matched_;
          break;
        case SplitBehavior::kMergedWithNext:
          grow = grow && !matched && last_matched_;
          break;
        case SplitBehavior::kContiguous:
          grow = grow && matched == last_matched_;
          break;
      }
      if (!grow) {
        flush(text);
        held_ = begin;
      }
      held_end_ = end;
      last_matched_ = matched;
      if (behavior_ == SplitBehavior::kRemoved && matched) held_ = held_end_;
    }

    void flush(std::string_view text) {
      if (held_end_ > held_) next_.piece(text.substr(held_, held_end_ - held_));
      held_ = held_end_;
    }

    PieceSink& next_;
    Regex::Matcher matcher_;
    SplitBehavior behavior_;
    bool invert_;
    std::size_t held_ = 0, held_end_ = 0;
    bool last_matched_ = false;
  };

  std::shared_ptr<const Regex> regex_;
  SplitBehavior behavior_;
  bool invert_;
};

}  // namespace

Result<std::shared_ptr<const Regex>> Regex::compile(std::string_view pattern, bool trusted) {
  if (pattern.size() > kMaxPatternBytes)
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                "a regular expression of {} bytes is over the limit of {}", pattern.size(),
                kMaxPatternBytes);
  if (!is_valid_utf8(pattern))
    return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                "the regular expression {} is not valid UTF-8", quoted(pattern));
  if (!trusted) TRY(try_out(pattern));
  Code code = TRY(compile_code(pattern, kOptions));
  // Without JIT (a processor that PCRE2 has none for) the same matches come out more slowly.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  const std::shared_ptr<Regex> regex(new Regex);
  regex->code_ = code.release();
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  CHECK(context != nullptr, "out of memory");
  pcre2_set_match_limit(context, kMatchLimit);
  pcre2_set_heap_limit(context, kHeapLimit);
  regex->context_ = context;
  return regex;
}

Regex::~Regex() {
  pcre2_match_context_free(static_cast<pcre2_match_context*>(context_));
  pcre2_code_free(code_of(code_));
}

Regex::Matcher::Matcher(const Regex& regex)
    : regex_(regex), data_(pcre2_match_data_create_from_pattern(code_of(regex.code_), nullptr)) {
  CHECK(data_ != nullptr, "out of memory");
}

Regex::Matcher::~Matcher() { pcre2_match_data_free(static_cast<pcre2_match_data*>(data_)); }

Regex::Matcher::Outcome Regex::Matcher::find(std::string_view text, std::size_t from) {
  auto* data = static_cast<pcre2_match_data*>(data_);
  auto* context = static_cast<pcre2_match_context*>(regex_.context_);
  const auto match = [&](std::uint32_t options) {
    return pcre2_match(code_of(regex_.code_), units(text), text.size(), from,
                       PCRE2_NO_UTF_CHECK | options, data, context);
  };
  int found = match(0);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = match(PCRE2_NO_JIT);
  if (found == PCRE2_ERROR_NOMATCH) return Outcome::kNone;
  if (found < 0) return Outcome::kLimit;
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data);
  begin_ = bounds[0];
  end_ = bounds[1];
  return Outcome::kMatch;
}

std::shared_ptr<const PretokenizerStep> make_split_step(std::shared_ptr<const Regex> regex,
                                                        SplitBehavior behavior, bool invert) {
  return std::make_shared<SplitStep>(std::move(regex), behavior, invert);
}

std::string escape_regex(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       c == '_' || static_cast<unsigned char>(c) >= 0x80;
    if (!plain) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace bantam
