// Which known name did they mean? For errors about unknown commands, options, models, families.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bantam {

// Insertions, deletions, replacements and swaps of neighbours that turn one into the other
// (optimal string alignment), ASCII case ignored. Only the first 64 bytes of each count.
std::size_t edit_distance(std::string_view a, std::string_view b);

// At most `count` of `known` that look like `name`, nearest first, ties in the order given. A name
// looks like another when a third of it or less is different, or when one begins with the other.
std::vector<std::string> nearest_names(std::string_view name,
                                       std::span<const std::string_view> known,
                                       std::size_t count = 3);

// " Did you mean a, b or c?" for the end of a message; empty when nothing is near.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> known);

}  // namespace bantam
