#include "base/result.h"

#include <cstdio>
#include <cstdlib>

#include "base/unicode.h"

namespace bantam {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage: return 64;
    case ErrorKind::kMalformed: return 65;
    case ErrorKind::kUnsupported: return 65;
    case ErrorKind::kNotFound: return 66;
    case ErrorKind::kTooLarge: return 65;
    case ErrorKind::kPermission: return 77;
    case ErrorKind::kIo: return 74;
    case ErrorKind::kCannotCreate: return 73;
    case ErrorKind::kUnavailable: return 69;
    case ErrorKind::kTryAgain: return 75;
    case ErrorKind::kTimeout: return 75;
    case ErrorKind::kCancelled: return 75;
    case ErrorKind::kConfiguration: return 78;
    case ErrorKind::kInternal: return 70;
  }
  return 70;
}

int http_status(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage: return 400;
    case ErrorKind::kMalformed: return 400;
    case ErrorKind::kUnsupported: return 400;
    case ErrorKind::kNotFound: return 404;
    case ErrorKind::kTooLarge: return 413;
    case ErrorKind::kPermission: return 403;
    case ErrorKind::kIo: return 500;
    case ErrorKind::kCannotCreate: return 507;
    case ErrorKind::kUnavailable: return 502;
    case ErrorKind::kTryAgain: return 503;
    case ErrorKind::kTimeout: return 504;
    case ErrorKind::kCancelled: return 499;
    case ErrorKind::kConfiguration: return 500;
    case ErrorKind::kInternal: return 500;
  }
  return 500;
}

Error Error::in(std::string_view outer) && {
  where = where.empty() ? std::string(outer) : fmt::format("{}: {}", outer, where);
  return std::move(*this);
}

Error Error::in(std::string_view outer) const& { return Error(*this).in(outer); }

Error Error::with_hint(std::string text) && {
  if (hint.empty()) hint = std::move(text);
  return std::move(*this);
}

std::string Error::to_string() const {
  std::string text = where.empty() ? message : fmt::format("{}: {}", where, message);
  if (!hint.empty()) text += fmt::format(" ({})", hint);
  return text;
}

std::string quoted(std::string_view text, std::size_t limit) {
  std::string out = "\"";
  std::size_t characters = 0;
  for (std::size_t at = 0; at < text.size(); ++characters) {
    if (characters == limit) {
      out += "…";
      break;
    }
    const DecodedChar next = decode_utf8(text.substr(at));
    if (!next.valid || next.codepoint < 0x20 || next.codepoint == 0x7f) {
      for (std::size_t i = 0; i < next.bytes; ++i)
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at + i]));
    } else {
      out += text.substr(at, next.bytes);
    }
    at += next.bytes;
  }
  return out + "\"";
}

namespace internal {
void check_failed(const char* condition, const char* file, int line, const std::string& message) {
  std::fprintf(stderr, "bantam: internal error at %s:%d: %s%s%s\n", file, line, condition,
               message.empty() ? "" : ": ", message.c_str());
  std::abort();
}
}  // namespace internal

}  // namespace bantam
