#include "base/nearest.h"

#include <algorithm>
#include <array>
#include <utility>

namespace bantam {
namespace {

constexpr std::size_t kMaxLength = 64;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool begins_with(std::string_view text, std::string_view start) {
  if (start.size() < 2 || start.size() > text.size()) return false;
  return std::equal(start.begin(), start.end(), text.begin(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, kMaxLength);
  b = b.substr(0, kMaxLength);
  using Row = std::array<std::size_t, kMaxLength + 1>;
  Row before_last{}, last{}, row{};
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0u : 1u)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                           lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last = last;
    last = row;
  }
  return last[b.size()];
}

std::vector<std::string> nearest_names(std::string_view name,
                                       std::span<const std::string_view> known, std::size_t count) {
  std::vector<std::pair<std::size_t, std::size_t>> near;  // distance, place in `known`
  for (std::size_t i = 0; i < known.size(); ++i) {
    const std::string_view candidate = known[i];
    const std::size_t distance = edit_distance(name, candidate);
    const std::size_t longer = std::min(std::max(name.size(), candidate.size()), kMaxLength);
    if (3 * distance <= longer || begins_with(candidate, name) || begins_with(name, candidate))
      near.emplace_back(distance, i);
  }
  std::ranges::sort(near);
  std::vector<std::string> names;
  for (const auto& [distance, place] : near) {
    if (names.size() == count) break;
    if (std::ranges::find(names, known[place]) == names.end()) names.emplace_back(known[place]);
  }
  return names;
}

std::string did_you_mean(std::string_view name, std::span<const std::string_view> known) {
  const std::vector<std::string> names = nearest_names(name, known);
  if (names.empty()) return {};
  std::string text = " Did you mean ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text + "?";
}

}  // namespace bantam
