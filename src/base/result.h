// Errors as values.
//
// Everything that comes from outside (files, network, users) is answered with a Result. A bug of
// our own stops the program through CHECK. No exception leaves a folder.
//
// An Error says what went wrong, where, and the way out; its kind is one of a closed list from
// which the exit code and the HTTP status follow, and its code is a stable word that scripts may
// compare. Messages quote at most 64 characters of input, escaped (see quoted()).
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace bantam {

enum class ErrorKind : std::uint8_t {
  kUsage,          // a command line or a request that asks for something impossible
  kMalformed,      // bytes that break their format
  kUnsupported,    // well formed, and not something bantam can do
  kNotFound,       // a file, model, tensor or route that is not there
  kTooLarge,       // over a limit; the message names the limit and the setting that moves it
  kPermission,     // refused by the system or by policy
  kIo,             // the system failed to read
  kCannotCreate,   // the system failed to write
  kUnavailable,    // something upstream does not answer
  kTryAgain,       // busy or full now, fine later
  kTimeout,        // time ran out
  kCancelled,      // the one who asked went away
  kConfiguration,  // settings that contradict each other
  kInternal,       // our own fault, noticed
};

// The exit code of the sysexits family: kMalformed is 65, kNotFound 66 and so on.
int exit_code(ErrorKind kind);

// The HTTP status a request that failed so is answered with.
int http_status(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string code;     // stable and greppable: "gguf_invalid", "context_length_exceeded"
  std::string message;  // what happened; what was expected and what was found
  std::string where;    // "model.gguf at byte 24", "/messages/0/role"; empty if it has no place
  std::string hint;     // what to do about it; empty if there is nothing to add

  // The same error seen from one level out: "outer: inner".
  Error in(std::string_view outer) &&;
  Error in(std::string_view outer) const&;
  // The same error with a way out added; keeps an earlier hint.
  Error with_hint(std::string text) &&;

  // One line: "where: message (hint)".
  std::string to_string() const;
};

template <typename T>
using Result = std::expected<T, Error>;

// The unexpected value of any Result: return fail(ErrorKind::kMalformed, "gguf_invalid", "...", …).
template <typename... Args>
[[nodiscard]] std::unexpected<Error> fail(ErrorKind kind, std::string_view code,
                                          fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error{.kind = kind,
                               .code = std::string(code),
                               .message = fmt::format(format, std::forward<Args>(args)...),
                               .where = {},
                               .hint = {}});
}

// Input as it may be shown in a message: in double quotes, control bytes and broken UTF-8 escaped
// as \xNN, cut after `limit` characters with an ellipsis.
std::string quoted(std::string_view text, std::size_t limit = 64);
// Without these a std::string would find std::quoted by argument-dependent lookup.
inline std::string quoted(const std::string& text) { return quoted(std::string_view(text)); }
inline std::string quoted(std::string& text) { return quoted(std::string_view(text)); }
inline std::string quoted(const char* text) { return quoted(std::string_view(text)); }

namespace internal {
[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               const std::string& message);
}

}  // namespace bantam

// TRY(expression): the value of a Result, or leave the function with its error. The only macro
// that changes control flow. (A statement expression, which both clang and gcc have.)
#define TRY(...)                                                                   \
  __extension__({                                                                  \
    /* One TRY may stand inside another; each means its own result. */             \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wshadow\"")  \
    auto&& bantam_try_result = (__VA_ARGS__);                                      \
    _Pragma("GCC diagnostic pop")                                                  \
    if (!bantam_try_result) [[unlikely]]                                           \
      return std::unexpected(std::move(bantam_try_result).error());                \
    std::move(bantam_try_result).value();                                          \
  })

// CHECK(condition, "format", …): stops the program when our own reasoning was wrong. On in every
// build. Never for input.
#define CHECK(condition, ...)                                          \
  do {                                                                 \
    if (!(condition)) [[unlikely]]                                     \
      ::bantam::internal::check_failed(#condition, __FILE__, __LINE__, \
                                       ::fmt::format("" __VA_ARGS__)); \
  } while (false)
