#include "server/request_rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/unicode.h"

namespace bantam {
namespace {

std::unexpected<HttpError> bad_request(std::string message) {
  return http_refusal(400, "bad_request", std::move(message));
}

std::unexpected<HttpError> bad_target(std::string message) {
  return http_refusal(400, "bad_target", std::move(message));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Text up to `separator`, which is removed together with it; all of it if there is none.
std::string_view next_part(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return part;
}

HttpResult<std::string> decode_segment(std::string_view raw) {
  std::string out;
  for (std::size_t at = 0; at < raw.size(); ++at) {
    char c = raw[at];
    if (c == '%') {
      const int high = at + 2 < raw.size() ? hex_digit(raw[at + 1]) : -1;
      const int low = at + 2 < raw.size() ? hex_digit(raw[at + 2]) : -1;
      if (high < 0 || low < 0) return bad_target("the path has a broken percent code");
      c = static_cast<char>(high * 16 + low);
      at += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\')
      return bad_target("the path has a control character or a backslash");
    out += c;
  }
  if (!is_valid_utf8(out)) return bad_target("the path is not valid UTF-8");
  std::string_view rest = out;
  while (!rest.empty()) {
    const std::string_view part = next_part(rest, '/');
    if (part == "." || part == "..") return bad_target("the path has a '.' or '..' segment");
  }
  return out;
}

HttpResult<void> split_path(std::string_view path, std::vector<std::string>& segments) {
  path.remove_prefix(1);  // the leading slash
  while (!path.empty()) {
    const std::string_view raw = next_part(path, '/');
    if (raw.empty()) return bad_target("the path has an empty segment");
    segments.push_back(TRY(decode_segment(raw)));
  }
  return {};
}

struct HostParts {
  std::string_view name;  // without brackets
  bool bracketed = false;
};

// host[:port], or nothing if it is neither.
std::optional<HostParts> split_host(std::string_view host) {
  HostParts parts;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    parts.name = host.substr(1, end - 1);
    parts.bracketed = true;
    host.remove_prefix(end + 1);
  } else {
    const std::size_t end = std::min(host.find(':'), host.size());
    parts.name = host.substr(0, end);
    host.remove_prefix(end);
    const bool plain = std::ranges::all_of(parts.name, [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             c == '-' || c == '.' || c == '_';
    });
    if (!plain) return std::nullopt;
  }
  if (parts.name.empty()) return std::nullopt;
  if (host.empty()) return parts;
  host.remove_prefix(1);  // ':' or whatever followed the bracket, judged next
  std::uint16_t port = 0;
  const auto [end, failure] = std::from_chars(host.data(), host.data() + host.size(), port);
  const bool whole = failure == std::errc() && end == host.data() + host.size();
  if (!whole || host.data()[-1] != ':') return std::nullopt;
  return parts;
}

bool is_address(const HostParts& host) {
  std::array<unsigned char, 16> bytes{};
  const std::string name(host.name);
  return inet_pton(host.bracketed ? AF_INET6 : AF_INET, name.c_str(), bytes.data()) == 1;
}

bool host_allowed(const HostParts& host, const std::vector<std::string>& allowed) {
  if (is_address(host)) return true;
  if (host.bracketed) return false;
  if (equals_ignoring_case(host.name, "localhost")) return true;
  return std::ranges::any_of(allowed, [&](const std::string& name) {
    return name == "*" || equals_ignoring_case(name, host.name);
  });
}

}  // namespace

bool is_loopback(std::string_view address) {
  if (address == "localhost") return true;
  const std::string name(address);
  in_addr four{};
  if (inet_pton(AF_INET, name.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  in6_addr six{};
  return inet_pton(AF_INET6, name.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

std::string RequestTarget::path() const {
  if (asterisk) return "*";
  std::string out;
  for (const std::string& segment : segments) out += "/" + segment;
  return out.empty() ? "/" : out;
}

HttpResult<RequestTarget> parse_target(std::string_view method, std::string_view target) {
  RequestTarget out;
  const bool printable =
      std::ranges::all_of(target, [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
  if (!printable) return bad_target("the target has a control or non-ASCII character or a '#'");
  if (target == "*") {
    if (method != "OPTIONS") return bad_target("the target '*' goes with OPTIONS only");
    out.asterisk = true;
    return out;
  }
  if (!target.starts_with('/')) {
    constexpr std::string_view kScheme = "http://";
    if (!equals_ignoring_case(target.substr(0, kScheme.size()), kScheme))
      return bad_target("the target must begin with '/' or 'http://'");
    target.remove_prefix(kScheme.size());
    const std::size_t end = std::min(target.find_first_of("/?"), target.size());
    out.authority = target.substr(0, end);
    if (!split_host(out.authority)) return bad_target("the target names no valid host");
    target.remove_prefix(end);
  }
  const std::size_t question = target.find('?');
  if (question != std::string_view::npos) out.query = target.substr(question + 1);
  const std::string_view path = target.substr(0, question);
  if (!path.empty()) TRY(split_path(path, out.segments));
  return out;
}

HttpResult<RequestFraming> check_framing(const RequestHead& head) {
  for (const std::string_view name : {"Host", "Content-Length", "Transfer-Encoding", "Content-Type",
                                      "Content-Encoding", "Authorization", "Origin", "Expect"}) {
    if (head.headers.count(name) > 1)
      return bad_request(fmt::format("the header {} occurs more than once", name));
  }
  if (head.version >= 11 && head.headers.find("Host") == nullptr)
    return bad_request("the Host header is missing");
  RequestFraming framing;
  if (const std::string* length = head.headers.find("Content-Length")) {
    std::uint64_t value = 0;
    const char* end = length->data() + length->size();
    const auto [stop, failure] = std::from_chars(length->data(), end, value);
    if (length->empty() || failure != std::errc() || stop != end)
      return bad_request("Content-Length must be a decimal number");
    framing.content_length = value;
  }
  if (const std::string* coding = head.headers.find("Transfer-Encoding")) {
    if (!equals_ignoring_case(*coding, "chunked"))
      return bad_request("the only Transfer-Encoding understood is 'chunked'");
    if (framing.content_length)
      return bad_request("Content-Length and Transfer-Encoding exclude each other");
    if (head.version < 11) return bad_request("HTTP/1.0 has no Transfer-Encoding");
    framing.chunked = true;
  }
  framing.keep_alive = head.version >= 11;
  for (const auto& [name, value] : head.headers.fields()) {
    if (!equals_ignoring_case(name, "Connection")) continue;
    std::string_view rest = value;
    while (!rest.empty())
      if (equals_ignoring_case(trim(next_part(rest, ',')), "close")) framing.keep_alive = false;
  }
  if (const std::string* expect = head.headers.find("Expect")) {
    if (!equals_ignoring_case(*expect, "100-continue"))
      return http_refusal(417, "expectation", "the only expectation understood is 100-continue");
    framing.expects_continue = head.version >= 11;
  }
  return framing;
}

HttpResult<void> check_host(const RequestHead& head, const RequestTarget& target,
                            const std::vector<std::string>& allowed) {
  const std::string* host = head.headers.find("Host");
  if (!host) {
    if (target.authority.empty()) return {};
    host = &target.authority;
  }
  const std::optional<HostParts> parts = split_host(*host);
  if (!parts) return bad_request("the Host header is not a host name with an optional port");
  if (!target.authority.empty() && !equals_ignoring_case(target.authority, *host))
    return bad_request("the Host header and the host in the target differ");
  if (!host_allowed(*parts, allowed)) {
    return http_refusal(
        403, "host_not_allowed",
        fmt::format("the host name {} is not served here; if it should be, add it with "
                    "--allow-host",
                    quoted(parts->name)));
  }
  return {};
}

HttpResult<std::optional<std::string>> check_origin(const RequestHead& head,
                                                    const std::vector<std::string>& allowed) {
  const std::string* origin = head.headers.find("Origin");
  if (!origin) return std::nullopt;
  const std::string* host = head.headers.find("Host");
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (host && equals_ignoring_case(*origin, std::string(scheme) + *host)) return std::nullopt;
  }
  for (const std::string& name : allowed) {
    if (name == "*" || equals_ignoring_case(name, *origin)) return *origin;
  }
  return http_refusal(
      403, "origin_not_allowed",
      fmt::format("web pages of {} may not use this server; if they should, add the "
                  "origin with --allow-origin",
                  quoted(*origin)));
}

HttpResult<void> check_body_type(const RequestHead& head) {
  const std::string* encoding = head.headers.find("Content-Encoding");
  if (encoding && !equals_ignoring_case(*encoding, "identity"))
    return http_refusal(415, "content_encoding", "compressed request bodies are not accepted");
  const std::string* type = head.headers.find("Content-Type");
  if (!type) return http_refusal(415, "media_type", "Content-Type must be application/json");
  std::string_view rest = *type;
  if (!equals_ignoring_case(trim(next_part(rest, ';')), "application/json")) {
    return http_refusal(
        415, "media_type",
        fmt::format("Content-Type must be application/json, not {}", quoted(*type)));
  }
  while (!rest.empty()) {
    std::string_view value = trim(next_part(rest, ';'));
    const std::string_view name = next_part(value, '=');
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    if (equals_ignoring_case(name, "charset") && !equals_ignoring_case(value, "utf-8"))
      return http_refusal(415, "media_type", "the charset of application/json must be utf-8");
  }
  return {};
}

HttpResult<std::size_t> HeadScanner::scan(std::string_view unread, const HttpLimits& limits) {
  for (; seen_ < unread.size(); ++seen_) {
    const char c = unread[seen_];
    const char before = seen_ > 0 ? unread[seen_ - 1] : '\0';
    if (before == '\r' && c != '\n') return bad_request("a carriage return without a line feed");
    if (c == '\0') return bad_request("a NUL byte in the header");
    if (in_first_line_ && c != '\r' && c != '\n' && (c < 0x20 || c > 0x7e))
      return bad_request("the first line is not HTTP");
    if (before == '\n' && (c == ' ' || c == '\t'))
      return bad_request("a header line that begins with white space");
    if (c == '\n') {
      if (before != '\r') return bad_request("a line feed without a carriage return");
      in_first_line_ = false;
      if (seen_ >= 3 && unread[seen_ - 2] == '\n') return ++seen_;
    }
    if (in_first_line_ && seen_ >= limits.target_bytes + 32)
      return http_refusal(414, "uri_too_long",
                          fmt::format("the target is longer than {} bytes", limits.target_bytes));
    if (seen_ >= limits.head_bytes)
      return http_refusal(431, "headers_too_large",
                          fmt::format("the header is longer than {} bytes", limits.head_bytes));
  }
  return 0;
}

}  // namespace bantam
