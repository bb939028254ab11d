// What Python's str can do, for texts that remember where their bytes came from. Everything is
// linear in the text; what was input stays input.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "chat/jinja/text.h"
#include "chat/jinja/value.h"

namespace bantam::jinja {

Eval<TextPtr> upper(Budget& budget, const Text& text);
Eval<TextPtr> lower(Budget& budget, const Text& text);
Eval<TextPtr> capitalize(Budget& budget, const Text& text);
// For comparisons without case: the lower case of the upper case.
Eval<TextPtr> fold_case(Budget& budget, const Text& text);
Eval<TextPtr> swap_case(Budget& budget, const Text& text);
// str.title(): a word begins at each letter that follows no letter.
Eval<TextPtr> title(Budget& budget, const Text& text);
// The filter: a word begins after white space and any of - ( { [ <.
Eval<TextPtr> title_words(Budget& budget, const Text& text);

enum class Side : std::uint8_t { kBoth, kLeft, kRight };
// Without the characters in `set` at the ends; white space if it is null.
Eval<TextPtr> strip(Budget& budget, const Text& text, const Text* set, Side side);

// At most `count` times, from the left; all if negative.
Eval<TextPtr> replace(Budget& budget, const Text& text, std::string_view what, const Text& with,
                      std::int64_t count);

// Pieces between separators, or between runs of white space if `separator` is null. At most `count`
// cuts, from the left or the right; negative: all.
Eval<std::vector<Value>> split(Budget& budget, const Text& text, const Text* separator,
                               std::int64_t count, bool from_right);
Eval<std::vector<Value>> split_lines(Budget& budget, const Text& text, bool keep_ends);

Eval<TextPtr> substring(Budget& budget, const Text& text, std::size_t begin, std::size_t end);

// `text` escaped if `like` is safe and it is not.
Eval<TextPtr> escape_like(Budget& budget, const TextPtr& text, const Text& like);

}  // namespace bantam::jinja
