// Template text to tokens, by the rules of Jinja with trim_blocks and lstrip_blocks on.
//
// White space control happens here: a newline right after a block or comment goes, so do blanks
// before a block or comment that begins its line, "-" takes all white space on its side and "+"
// keeps it. Linear in the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "chat/jinja/budget.h"

namespace bantam::jinja {

enum class TokenType : std::uint8_t {
  kEnd,
  kData,           // text between the tags
  kVariableBegin,  // {{
  kVariableEnd,    // }}
  kBlockBegin,     // {%
  kBlockEnd,       // %}
  kName,
  kString,  // with its quotes
  kInteger,
  kFloat,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kFloorDiv,
  kMod,
  kPow,
  kTilde,
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kAssign,
  kDot,
  kComma,
  kColon,
  kSemicolon,
  kPipe,
  kLeftParen,
  kRightParen,
  kLeftBracket,
  kRightBracket,
  kLeftBrace,
  kRightBrace,
};

struct Token {
  TokenType type = TokenType::kEnd;
  std::uint32_t line = 1;
  std::string_view text;  // into the normalised source
};

// The text that tokens are cut from: line ends as \n, and without the last one.
std::string normalize_source(std::string_view text);

// Ends with a kEnd. Errors: "template_syntax" with the line.
Eval<std::vector<Token>> tokenize(std::string_view normalized);

// What Python's str.isspace and \s call white space.
bool is_space(char32_t c);
// `text` without white space at its end, or its start.
std::string_view strip_right(std::string_view text);
std::string_view strip_left(std::string_view text);

// The error of a line of the template.
std::unexpected<std::unique_ptr<Error>> syntax_error(std::size_t line, std::string message,
                                                     std::string_view code = "template_syntax");

}  // namespace bantam::jinja
