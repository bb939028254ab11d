#include "cli/text.h"

#include <fmt/format.h>

#include <array>
#include <span>
#include <string_view>

namespace bantam {
namespace {

std::string scaled(std::uint64_t value, std::span<const std::string_view> units) {
  double number = static_cast<double>(value);
  std::size_t unit = 0;
  // 999.5 would round to 1000, so it goes up to the next unit.
  while (number >= 999.5 && unit + 1 < units.size()) {
    number /= 1000;
    ++unit;
  }
  if (unit == 0) return fmt::format("{}{}", value, units[0]);
  return fmt::format("{:.{}f}{}", number, number < 9.995 ? 2 : number < 99.95 ? 1 : 0, units[unit]);
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 5> kUnits = {" B", " kB", " MB", " GB", " TB"};
  return scaled(bytes, kUnits);
}

std::string human_count(std::uint64_t count) {
  static constexpr std::array<std::string_view, 5> kUnits = {"", " K", " M", " B", " T"};
  return scaled(count, kUnits);
}

std::string human_time(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(seconds);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

}  // namespace bantam
