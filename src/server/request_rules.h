// What a request's head must be like beyond what the HTTP parser checks. Pure functions on the
// parsed head, without sockets, so that they can be tested and fuzzed byte by byte.
//
// Sources: RFC 9110 and 9112 (HTTP), RFC 3986 (targets), RFC 6454 (origin).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_message.h"

namespace bantam {

// Whether only this machine can reach a listener at `address` ("localhost" or an IP address).
bool is_loopback(std::string_view address);

struct RequestHead {
  std::string method;
  std::string target;
  int version = 11;  // 10 or 11
  HttpHeaders headers;
};

// A target, taken apart. Routing and every decision about access use `segments`, so that there is
// one reading of a path only.
struct RequestTarget {
  std::vector<std::string> segments;  // percent-decoded; "/" has none
  std::string query;
  std::string authority;  // of an absolute-form target, else empty
  bool asterisk = false;  // "OPTIONS *"
  std::string path() const;
};

// Origin form ("/v1/models?x"), absolute form ("http://host/v1/models") and, for OPTIONS, "*".
// Refuses with 400 "bad_target": control and non-ASCII bytes, '#', broken percent codes, empty
// segments ("//", but one slash at the end is dropped), "." and ".." in any spelling, encoded
// control characters and backslashes, invalid UTF-8. An encoded slash is data inside its segment.
HttpResult<RequestTarget> parse_target(std::string_view method, std::string_view target);

// What the body's length follows from, and what must not occur twice.
struct RequestFraming {
  bool chunked = false;
  std::optional<std::uint64_t> content_length;
  bool keep_alive = true;
  bool expects_continue = false;
  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

// Refuses with 400 "bad_request": Host missing (HTTP/1.1) or twice, a repeated Content-Length,
// Transfer-Encoding, Content-Type, Content-Encoding, Authorization or Origin, any Transfer-Encoding
// but "chunked", both lengths at once; with 417 any expectation but 100-continue.
HttpResult<RequestFraming> check_framing(const RequestHead& head);

// 403 "host_not_allowed" unless the Host (and the authority of an absolute-form target, which must
// be the same) is localhost, an IP address or in `allowed`. An address cannot be rebound by DNS,
// so it is safe on every listener. HTTP/1.0 without a Host passes: no browser sends that.
HttpResult<void> check_host(const RequestHead& head, const RequestTarget& target,
                            const std::vector<std::string>& allowed);

// 403 "origin_not_allowed" if there is an Origin that is neither http(s):// plus the Host itself
// nor in `allowed`. The value to send back in Access-Control-Allow-Origin, if any.
HttpResult<std::optional<std::string>> check_origin(const RequestHead& head,
                                                    const std::vector<std::string>& allowed);

// For requests with a body to a POST route: 415 "media_type" unless it is application/json (in
// UTF-8, if it says), 415 "content_encoding" if it is compressed.
HttpResult<void> check_body_type(const RequestHead& head);

// Watches the raw bytes of a head as they come in, for what a parser might forgive: a line feed or
// a carriage return on its own, NUL, and a header line that begins with white space (obs-fold).
class HeadScanner {
 public:
  // Looks at bytes [seen, unread.size()) of `unread`, which begins with the head and has only
  // grown since the last call. The length of the head once it is complete; 0: more is needed.
  HttpResult<std::size_t> scan(std::string_view unread, const HttpLimits& limits);

 private:
  std::size_t seen_ = 0;
  bool in_first_line_ = true;
};

}  // namespace bantam
