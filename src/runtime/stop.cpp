#include "runtime/stop.h"

#include <algorithm>
#include <utility>

namespace bantam {

StopMatcher::StopMatcher(std::span<const std::string> strings)
    : strings_(strings.begin(), strings.end()) {}

std::string StopMatcher::push(std::string_view piece) {
  if (matched_) return {};
  held_ += piece;

  std::size_t match_end = std::string::npos, match_begin = std::string::npos;
  for (std::size_t i = 0; i < strings_.size(); ++i) {
    const std::string& stop = strings_[i];
    const std::size_t begin = stop.empty() ? std::string::npos : held_.find(stop);
    if (begin == std::string::npos) continue;
    const std::size_t end = begin + stop.size();
    if (end < match_end || (end == match_end && begin < match_begin)) {
      match_end = end;
      match_begin = begin;
      matched_ = i;
    }
  }
  if (matched_) {
    held_.resize(match_begin);
    return std::exchange(held_, {});
  }

  // The longest end of the text that a stop string begins with.
  std::size_t keep = 0;
  for (const std::string& stop : strings_) {
    if (stop.empty()) continue;
    for (std::size_t length = std::min(stop.size() - 1, held_.size()); length > keep; --length) {
      if (held_.ends_with(std::string_view(stop).substr(0, length))) {
        keep = length;
        break;
      }
    }
  }
  std::string shown = held_.substr(0, held_.size() - keep);
  held_.erase(0, shown.size());
  return shown;
}

std::string StopMatcher::finish() { return std::exchange(held_, {}); }

}  // namespace bantam
