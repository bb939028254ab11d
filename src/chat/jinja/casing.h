// Upper, lower and title case of one character, as Python has them: the result may be longer.
// The lower case of a capital sigma depends on its place in a word; see lower() in
// text_functions.h.
#pragma once

#include <string>

namespace bantam::jinja {

std::string upper_of(char32_t c);
std::string lower_of(char32_t c);
std::string title_of(char32_t c);
bool is_cased(char32_t c);

}  // namespace bantam::jinja
