// Stop strings: what of a growing text may be shown, and when it ends.
//
// The match that is complete first ends the text; of two that end together the longer one counts.
// The result does not depend on how the text is cut into pieces. Nothing of a stop string is ever
// shown, and text that may be the beginning of one is held back until it is known.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bantam {

class StopMatcher {
 public:
  // Empty strings are ignored.
  explicit StopMatcher(std::span<const std::string> strings);

  // Takes the next piece and returns what may be shown of the text so far and was not yet returned.
  // Returns nothing once a string has matched.
  std::string push(std::string_view piece);

  // No more text comes: what was held back.
  std::string finish();

  // Which string has matched, by its index.
  std::optional<std::size_t> matched() const { return matched_; }

 private:
  std::vector<std::string> strings_;
  std::string held_;  // not yet shown
  std::optional<std::size_t> matched_;
};

}  // namespace bantam
