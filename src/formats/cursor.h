// The one reader of untrusted binary formats: a position in a span that cannot leave it.
//
// Little endian. Every getter either advances past what it gives or leaves the cursor where it was
// and answers kMalformed with the code given at the start; `where` is "at byte N". Views that are
// handed out point into the span.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bantam {

class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, std::string_view code) : bytes_(bytes), code_(code) {}

  std::uint64_t offset() const { return at_; }
  std::uint64_t left() const { return bytes_.size() - at_; }

  // The next `count` bytes; `what` names them in the error.
  Result<std::span<const std::byte>> take(std::uint64_t count, std::string_view what);

  template <typename T>
    requires(std::is_arithmetic_v<T>)
  Result<T> number(std::string_view what) {
    static_assert(std::endian::native == std::endian::little);
    T value;
    std::memcpy(&value, TRY(take(sizeof value, what)).data(), sizeof value);
    return value;
  }
  Result<std::uint32_t> u32(std::string_view what) { return number<std::uint32_t>(what); }
  Result<std::uint64_t> u64(std::string_view what) { return number<std::uint64_t>(what); }

  // A string whose length has been read, at most `limit` bytes long.
  Result<std::string_view> text(std::uint64_t length, std::uint64_t limit, std::string_view what);

  // An error at a byte of the span.
  template <typename... Args>
  std::unexpected<Error> error_at(std::uint64_t offset, fmt::format_string<Args...> format,
                                  Args&&... args) const {
    auto error = fail(ErrorKind::kMalformed, code_, format, std::forward<Args>(args)...);
    error.error().where = fmt::format("at byte {}", offset);
    return error;
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view code_;
  std::size_t at_ = 0;
};

// What a file that is not what it should be looks like, from its first bytes: "gzip data", "an
// HTML page", "a Git LFS pointer, not the file itself"; "unknown data" when nothing is recognised.
std::string_view looks_like(std::span<const std::byte> bytes);

}  // namespace bantam
