// Strings that remember which of their bytes came from the caller, and from which message.
//
// A Text is immutable and shared. Its spans mark the bytes that the caller sent; everything else is
// the template's own. Whatever builds a string does it through a TextBuilder, which carries the
// spans along and pays for the bytes. Where a function cannot say which byte of its result came
// from which byte of its input, it marks the whole result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chat/jinja/budget.h"

namespace bantam::jinja {

// Who said a byte: the template, the caller, or, with kMessage + i, message i of the caller's.
using Origin = std::uint32_t;
inline constexpr Origin kTemplate = 0, kCaller = 1, kMessage = 2;

struct Span {  // bytes [begin, end)
  std::size_t begin, end;
  Origin origin = kCaller;
  bool operator==(const Span&) const = default;
};

struct Text {
  std::string bytes;        // valid UTF-8
  std::vector<Span> input;  // sorted, disjoint, not empty; those that touch differ in origin
  std::size_t characters = 0;
  bool safe =
      false;  // has been through the filter "safe" or "escape": concatenation escapes others

  bool ascii() const { return characters == bytes.size(); }
  Origin origin() const;  // of all of it: of several who had a part in it the caller
};
using TextPtr = std::shared_ptr<const Text>;

// A text that is all of one origin. Not paid for: for constants and inputs, whose size is known.
TextPtr make_text(std::string bytes, Origin origin = kTemplate);

std::size_t count_characters(std::string_view utf8);

// Byte offset of a character: all of the text when it has fewer.
std::size_t byte_offset(const Text& text, std::size_t character);

// Whose the byte at `at` is.
Origin origin_at(const Text& text, std::size_t at);

class TextBuilder {
 public:
  explicit TextBuilder(Budget& budget) : budget_(budget) {}

  // Once over a limit the builder drops what it has and all that follows; finish() says so. Loops
  // over input need not check, as they end by themselves.
  void append(std::string_view bytes, Origin origin = kTemplate);
  void append(const Text& text) { append(text, 0, text.bytes.size()); }
  void append(const Text& text, std::size_t begin, std::size_t end);
  void fill(char character, std::size_t count);
  void append_character(char32_t c, Origin origin);

  // Text with & < > ' " written as HTML references.
  void append_escaped(const Text& text);

  std::size_t size() const { return bytes_.size(); }
  bool over_limit() const { return over_fuel_ || over_length_; }

  // The text, and an empty builder.
  Eval<TextPtr> finish(bool safe = false);
  Eval<void> status() const;

 private:
  bool pay(std::size_t bytes);
  void mark(std::size_t begin, std::size_t end, Origin origin);

  Budget& budget_;
  std::string bytes_;
  std::vector<Span> input_;
  std::size_t unpaid_ = 0;
  bool over_fuel_ = false, over_length_ = false;
};

}  // namespace bantam::jinja
