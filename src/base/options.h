// The options of a command: flag, default, unit, range and help said once, beside the variable.
//
//   struct Arguments { std::string model; std::int64_t max_tokens = -1; };
//   Options options;
//   options.add(arguments.model, {.flag = "--model", .letter = 'm', .value = "MODEL",
//                                 .help = "path or name of the model", .required = true});
//   options.add(arguments.max_tokens, {.flag = "--max-tokens", .value = "N", .unit = "tokens",
//                                      .help = "most to generate; -1: until the context is full"},
//               {.low = -1, .high = 1 << 20});
//   TRY(options.parse(words));
//
// What add() finds in the variable is the default. The variables must outlive the Options. Parsing
// takes "--flag value", "--flag=value", "-f value" and "--" (no options after it); an option may
// be given once, lists aside. When parse() fails the variables hold an undefined mixture of old and
// new values. Not thread safe.
//
// Errors are kUsage with codes "unknown_option", "missing_value", "invalid_value",
// "missing_argument", "unexpected_argument" and "repeated_option"; they name the flag and the
// range.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bantam {

struct OptionText {
  std::string_view flag = {};             // "--max-tokens"; empty: a positional argument
  char letter = 0;                        // 'm' for -m
  std::string_view value = {};            // what help calls the value: "N", "FILE"
  std::string_view unit = {};             // "tokens", "bytes"; for people
  std::string_view help = {};             // a phrase without a full stop
  std::string_view environment = {};      // a variable read when the flag is absent
  std::vector<std::string> choices = {};  // the only values allowed, if not empty
  bool required = false;
};

template <typename T>
struct OptionRange {
  T low;
  T high;  // included
};

class Options {
 public:
  void add(bool& target, OptionText text);  // a switch: takes no value, sets true
  void add(std::string& target, OptionText text);
  void add(std::optional<std::string>& target, OptionText text);
  // Repeated flags, or, as the last positional, all words that are left.
  void add(std::vector<std::string>& target, OptionText text);
  void add(std::int64_t& target, OptionText text, OptionRange<std::int64_t> range);
  void add(std::optional<std::uint64_t>& target, OptionText text);
  // "1,2,3"; empty text gives an empty list.
  void add(std::optional<std::vector<std::int64_t>>& target, OptionText text,
           OptionRange<std::int64_t> range);
  void add(double& target, OptionText text, OptionRange<double> range);

  Result<void> parse(std::span<const std::string_view> words);

  // "[options] MODEL [TEXT]".
  std::string usage() const;
  // The lines that explain every positional and option, wrapped at 96 columns.
  std::string help() const;

 private:
  struct Option {
    OptionText text;
    std::function<Result<void>(std::string_view)> assign;
    std::string note;  // "default 0.8, 0 to 2"
    bool is_switch = false;
    bool is_list = false;
    bool given = false;
  };

  void add(Option option);
  Option* find_flag(std::string_view flag);
  Option* find_letter(char letter);
  Option* next_positional();
  Result<void> parse_flag(std::span<const std::string_view> words, std::size_t& at);
  Result<void> give(Option& option, std::string_view value);

  std::vector<Option> options_;
};

}  // namespace bantam
