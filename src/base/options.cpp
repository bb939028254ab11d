#include "base/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/nearest.h"

namespace bantam {
namespace {

constexpr std::size_t kHelpColumn = 28;
constexpr std::size_t kHelpWidth = 96;

std::string name_of(const OptionText& text) {
  return std::string(text.flag.empty() ? text.value : text.flag);
}

std::unexpected<Error> invalid(const OptionText& text, std::string_view value,
                               std::string_view expected) {
  return fail(ErrorKind::kUsage, "invalid_value", "{} must be {}, not {}", name_of(text), expected,
              quoted(value));
}

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(text.data(), end, value);
  if (status != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

template <typename T>
std::string describe(const OptionRange<T>& range) {
  const std::string_view kind = std::is_same_v<T, double> ? "a number" : "an integer";
  if (range.high == std::numeric_limits<T>::max())
    return fmt::format("{} from {}", kind, range.low);
  return fmt::format("{} from {} to {}", kind, range.low, range.high);
}

template <typename T>
Result<T> number_in_range(const OptionText& text, std::string_view value,
                          const OptionRange<T>& range) {
  const std::optional<T> number = parse_number<T>(value);
  // Written so that NaN, which compares false with everything, is refused.
  if (!number || !(*number >= range.low && *number <= range.high))
    return invalid(text, value, describe(range));
  return *number;
}

std::string wrapped(std::string_view text, std::size_t column) {
  std::string out;
  std::size_t width = column;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (width > column && width + 1 + end > kHelpWidth) {
      out += "\n" + std::string(column, ' ');
      width = column;
    } else if (width > column) {
      out += ' ';
      ++width;
    }
    out += text.substr(0, end);
    width += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace

void Options::add(Option option) {
  CHECK(option.text.flag.empty() || !find_flag(option.text.flag), "{} twice", option.text.flag);
  CHECK(option.text.letter == 0 || !find_letter(option.text.letter), "-{} twice",
        option.text.letter);
  options_.push_back(std::move(option));
}

void Options::add(bool& target, OptionText text) {
  add({.text = std::move(text),
       .assign = [&target](std::string_view) -> Result<void> {
         target = true;
         return {};
       },
       .note = {},
       .is_switch = true});
}

void Options::add(std::string& target, OptionText text) {
  add({.text = std::move(text),
       .assign = [&target](std::string_view value) -> Result<void> {
         target = value;
         return {};
       },
       .note = target.empty() ? "" : fmt::format("default {}", target)});
}

void Options::add(std::optional<std::string>& target, OptionText text) {
  add({.text = std::move(text),
       .assign = [&target](std::string_view value) -> Result<void> {
         target = std::string(value);
         return {};
       },
       .note = {}});
}

void Options::add(std::vector<std::string>& target, OptionText text) {
  add({.text = std::move(text),
       .assign = [&target](std::string_view value) -> Result<void> {
         target.emplace_back(value);
         return {};
       },
       .note = "may be repeated",
       .is_list = true});
}

void Options::add(std::int64_t& target, OptionText text, OptionRange<std::int64_t> range) {
  const std::string note = fmt::format("default {}", target);
  add({.text = text,
       .assign = [&target, text, range](std::string_view value) -> Result<void> {
         target = TRY(number_in_range(text, value, range));
         return {};
       },
       .note = note});
}

void Options::add(std::optional<std::uint64_t>& target, OptionText text) {
  add({.text = text,
       .assign = [&target, text](std::string_view value) -> Result<void> {
         target = parse_number<std::uint64_t>(value);
         if (!target) return invalid(text, value, "an integer from 0 to 18446744073709551615");
         return {};
       },
       .note = {}});
}

void Options::add(std::optional<std::vector<std::int64_t>>& target, OptionText text,
                  OptionRange<std::int64_t> range) {
  add({.text = text,
       .assign = [&target, text, range](std::string_view value) -> Result<void> {
         target.emplace();
         while (!value.empty()) {
           const std::size_t comma = value.find(',');
           target->push_back(TRY(number_in_range(text, value.substr(0, comma), range)));
           if (comma == std::string_view::npos) break;
           value.remove_prefix(comma + 1);
           if (value.empty()) return invalid(text, value, "a list that does not end in a comma");
         }
         return {};
       },
       .note = {}});
}

void Options::add(double& target, OptionText text, OptionRange<double> range) {
  const std::string note = fmt::format("default {}, {} to {}", target, range.low, range.high);
  add({.text = text,
       .assign = [&target, text, range](std::string_view value) -> Result<void> {
         target = TRY(number_in_range(text, value, range));
         return {};
       },
       .note = note});
}

Options::Option* Options::find_flag(std::string_view flag) {
  const auto found = std::ranges::find_if(
      options_, [&](const Option& option) { return !flag.empty() && option.text.flag == flag; });
  return found == options_.end() ? nullptr : &*found;
}

Options::Option* Options::find_letter(char letter) {
  const auto found = std::ranges::find_if(
      options_, [&](const Option& option) { return letter != 0 && option.text.letter == letter; });
  return found == options_.end() ? nullptr : &*found;
}

Options::Option* Options::next_positional() {
  const auto found = std::ranges::find_if(options_, [](const Option& option) {
    return option.text.flag.empty() && (option.is_list || !option.given);
  });
  return found == options_.end() ? nullptr : &*found;
}

Result<void> Options::give(Option& option, std::string_view value) {
  if (option.given && !option.is_list)
    return fail(ErrorKind::kUsage, "repeated_option", "{} is given twice", name_of(option.text));
  const auto& choices = option.text.choices;
  if (!choices.empty() && std::ranges::find(choices, value) == choices.end())
    return invalid(option.text, value, fmt::format("one of {}", fmt::join(choices, ", ")));
  option.given = true;
  return option.assign(value);
}

Result<void> Options::parse_flag(std::span<const std::string_view> words, std::size_t& at) {
  const std::string_view word = words[at];
  const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string_view::npos;
  const std::string_view flag = word.substr(0, equals);
  Option* option = flag.starts_with("--") ? find_flag(flag) : nullptr;
  if (!flag.starts_with("--") && flag.size() == 2) option = find_letter(flag[1]);
  if (!option) {
    std::vector<std::string_view> known;
    for (const Option& each : options_)
      if (!each.text.flag.empty()) known.push_back(each.text.flag);
    return fail(ErrorKind::kUsage, "unknown_option", "there is no option {}.{}", quoted(flag),
                flag.size() > 2 ? did_you_mean(flag, known) : "");
  }
  if (option->is_switch) {
    if (equals != std::string_view::npos)
      return fail(ErrorKind::kUsage, "invalid_value", "{} takes no value", flag);
    return give(*option, {});
  }
  if (equals != std::string_view::npos) return give(*option, word.substr(equals + 1));
  if (at + 1 == words.size())
    return fail(ErrorKind::kUsage, "missing_value", "{} needs a value ({})", flag,
                option->text.value);
  return give(*option, words[++at]);
}

Result<void> Options::parse(std::span<const std::string_view> words) {
  for (Option& option : options_) option.given = false;
  bool only_positionals = false;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string_view word = words[at];
    if (!only_positionals && word == "--") {
      only_positionals = true;
    } else if (!only_positionals && word.size() > 1 && word[0] == '-') {
      TRY(parse_flag(words, at));
    } else if (Option* positional = next_positional()) {
      TRY(give(*positional, word));
    } else {
      return fail(ErrorKind::kUsage, "unexpected_argument", "{} is one word too many",
                  quoted(word));
    }
  }
  for (Option& option : options_) {
    if (option.given) continue;
    if (!option.text.environment.empty()) {
      const char* value = std::getenv(std::string(option.text.environment).c_str());
      if (value && *value) {
        const Result<void> given = give(option, value);
        if (!given) return std::unexpected(given.error().in(option.text.environment));
        continue;
      }
    }
    if (option.text.required)
      return fail(ErrorKind::kUsage, "missing_argument", "{} is missing: {}", name_of(option.text),
                  option.text.help);
  }
  return {};
}

std::string Options::usage() const {
  std::string text = "[options]";
  for (const Option& option : options_) {
    if (!option.text.flag.empty()) continue;
    const std::string_view dots = option.is_list ? "..." : "";
    text += fmt::format(fmt::runtime(option.text.required ? " {}{}" : " [{}{}]"), option.text.value,
                        dots);
  }
  return text;
}

std::string Options::help() const {
  std::string out;
  for (const bool positionals : {true, false}) {
    for (const Option& option : options_) {
      const OptionText& text = option.text;
      if (text.flag.empty() != positionals) continue;
      std::string left = "  ";
      if (!positionals)
        left += text.letter ? fmt::format("-{}, {}", text.letter, text.flag)
                            : fmt::format("    {}", text.flag);
      if (!text.value.empty()) left += fmt::format("{}{}", positionals ? "" : " ", text.value);
      std::vector<std::string> notes;
      if (!text.unit.empty()) notes.emplace_back(text.unit);
      if (!text.choices.empty()) notes.push_back(fmt::format("{}", fmt::join(text.choices, "|")));
      if (text.required && !positionals) notes.emplace_back("required");
      if (!option.note.empty()) notes.push_back(option.note);
      if (!text.environment.empty()) notes.push_back(fmt::format("or ${}", text.environment));
      std::string right(text.help);
      if (!notes.empty()) right += fmt::format(" [{}]", fmt::join(notes, "; "));
      if (left.size() + 2 > kHelpColumn) {
        out += left + "\n" + std::string(kHelpColumn, ' ');
      } else {
        out += left + std::string(kHelpColumn - left.size(), ' ');
      }
      out += wrapped(right, kHelpColumn) + "\n";
    }
    if (positionals && !out.empty()) out += "\n";
  }
  return out;
}

}  // namespace bantam
