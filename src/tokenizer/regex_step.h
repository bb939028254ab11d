// Regular expressions of models' files, run by PCRE2 (UTF, Unicode properties, JIT), and the Split
// step that cuts text with them.
//
// A pattern is untrusted. compile() tries it on texts made to stress it and refuses the ones that
// do more than a fixed amount of work a character (S16: "(a+)+$"). Should one still run into the
// limits of a single match, the rest of that piece stays whole. Immutable; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tokenizer/splitter.h"

namespace bantam {

// What becomes of the matches of a Split step (tokenizer.json, /behavior).
enum class SplitBehavior : std::uint8_t {
  kRemoved,             // dropped
  kIsolated,            // pieces of their own
  kMergedWithPrevious,  // the end of the piece before
  kMergedWithNext,      // the start of the piece after
  kContiguous,          // pieces of their own, matches in a row in one
};

inline constexpr std::size_t kMaxPatternBytes = 16u << 10;

class Regex {
 public:
  // `trusted` patterns (our own) are not tried out. Errors: kMalformed "tokenizer_invalid" for a
  // pattern that PCRE2 refuses (with its offset), kUnsupported "tokenizer_regex_slow".
  static Result<std::shared_ptr<const Regex>> compile(std::string_view pattern,
                                                      bool trusted = false);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  // Finds matches one after the other; for one thread at a time. The Regex outlives it.
  class Matcher {
   public:
    explicit Matcher(const Regex& regex);
    ~Matcher();
    Matcher(const Matcher&) = delete;
    Matcher& operator=(const Matcher&) = delete;

    enum class Outcome : std::uint8_t { kMatch, kNone, kLimit };
    // The first match of valid UTF-8 `text` that begins at `from` or later.
    Outcome find(std::string_view text, std::size_t from);
    std::size_t begin() const { return begin_; }
    std::size_t end() const { return end_; }

   private:
    const Regex& regex_;
    void* data_;  // pcre2_match_data
    std::size_t begin_ = 0, end_ = 0;
  };

 private:
  Regex() = default;

  void* code_ = nullptr;     // pcre2_code
  void* context_ = nullptr;  // pcre2_match_context, never written after compile()
};

// `invert` turns matches and the text between them around. An empty match is a place to cut.
std::shared_ptr<const PretokenizerStep> make_split_step(std::shared_ptr<const Regex> regex,
                                                        SplitBehavior behavior, bool invert);

// `text` as a pattern that matches just it.
std::string escape_regex(std::string_view text);

}  // namespace bantam
