// What a render may use, and the errors it ends with.
//
// A template is a stranger's program. Everything it does is paid for before it is done: each node
// evaluated, each turn of a loop and each 64 bytes of text or list built cost one unit of fuel, so
// time and memory are bounded together. A Budget belongs to one render and to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace bantam::jinja {

struct Limits {
  std::int64_t fuel = 1'000'000;
  std::size_t calls = 64;                // macros and recursive loops running inside each other
  std::size_t string_bytes = 16u << 20;  // any one string, the output included
};

// How deep lists and dicts may hold each other, and how deep the evaluator may recurse in all:
// together with the parser's limit this bounds the stack to about a mebibyte.
inline constexpr std::size_t kMaxValueDepth = 128;
inline constexpr std::size_t kMaxEvaluationDepth = 1500;
// Blocks, brackets and operators inside each other in the template's text.
inline constexpr std::size_t kMaxNesting = 100;

// Errors are boxed inside the interpreter: its functions recurse, and an Error is large.
template <typename T>
using Eval = std::expected<T, std::unique_ptr<Error>>;

std::unexpected<std::unique_ptr<Error>> raise_error(ErrorKind kind, std::string_view code,
                                                    std::string message);

// "template_error": what Python would have raised as TypeError, UndefinedError and so on.
template <typename... Args>
[[nodiscard]] std::unexpected<std::unique_ptr<Error>> raise(fmt::format_string<Args...> format,
                                                            Args&&... args) {
  return raise_error(ErrorKind::kMalformed, "template_error",
                     fmt::format(format, std::forward<Args>(args)...));
}

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits), fuel_(limits.fuel) {}

  const Limits& limits() const { return limits_; }

  // Pays for `steps`; false when the fuel is used up, and from then on.
  bool spend(std::size_t steps) {
    if (steps > static_cast<std::size_t>(fuel_)) {
      fuel_ = 0;
      return false;
    }
    fuel_ -= static_cast<std::int64_t>(steps);
    return true;
  }
  Eval<void> step(std::size_t steps = 1) {
    if (spend(steps)) [[likely]]
      return {};
    return out_of_fuel();
  }
  // Pays for `bytes` about to be allocated, in one string if `string`.
  Eval<void> allocate(std::size_t bytes) { return step(bytes / 64 + 1); }

  std::unexpected<std::unique_ptr<Error>> out_of_fuel() const;
  std::unexpected<std::unique_ptr<Error>> string_too_long() const;
  static std::unexpected<std::unique_ptr<Error>> too_deep(std::string_view what, std::size_t limit);

  std::size_t printing = 0;  // namespaces being printed inside each other

 private:
  const Limits limits_;
  std::int64_t fuel_;
};

}  // namespace bantam::jinja
