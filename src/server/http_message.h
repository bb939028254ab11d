// What travels over HTTP, without the transport: headers, a request, a refusal, the limits.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bantam {

// Equality of ASCII letters without case, as HTTP wants it for names.
bool equals_ignoring_case(std::string_view a, std::string_view b);

// Header fields in the order of arrival. Names compare without case.
class HttpHeaders {
 public:
  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<std::pair<std::string, std::string>> fields)
      : fields_(fields) {}

  void add(std::string_view name, std::string_view value);
  // The first value of that name, or null.
  const std::string* find(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// An answer other than the one hoped for. Every refusal of the server, from a malformed request
// line to an overlong prompt, is one of these, and its body is the envelope of the OpenAI API:
// {"error":{"message":…,"type":…,"param":…,"code":…}}. `code` is stable and documented.
struct HttpError {
  int status = 500;
  std::string code;
  std::string message;       // cut to 1 KiB when written
  std::string param;         // JSON pointer of what is wrong; empty: null
  HttpHeaders headers = {};  // besides the usual: Allow, Retry-After
};

// An error without headers and parameter, as a value and as the result that a function returns.
HttpError make_http_error(int status, std::string_view code, std::string message);
[[nodiscard]] std::unexpected<HttpError> http_refusal(int status, std::string_view code,
                                                      std::string message);
// 503 "overloaded", with Retry-After.
HttpError overloaded_error(std::string message);

// What the library's errors look like from outside. 503 gets a Retry-After.
HttpError to_http_error(const Error& error);
std::string error_body(const HttpError& error);
// "Not Found" for 404; "Error" for a status that has no name.
std::string_view reason_phrase(int status);

template <typename T>
using HttpResult = std::expected<T, HttpError>;

struct HttpRequest {
  std::string method;  // as sent: methods are case-sensitive
  std::string path;    // decoded and checked; what the router saw. For people and logs
  std::string query;   // after the first '?', as sent; empty if none
  HttpHeaders headers;
  std::string body;
  std::string peer;                     // the other end's address, without the port
  std::string id;                       // ours; sent back as x-request-id
  std::vector<std::string> parameters;  // what the route's {…} segments matched, decoded, in order
  // Requested when the client has gone (or stopped reading) and when the server has to stop.
  std::stop_token stop;
};

// Every bound of the transport in one place.
struct HttpLimits {
  // Eight times what common clients need with cookies and tokens; 431 above.
  std::size_t head_bytes = 64u << 10;
  // Real clients send under 40; each costs two small strings. 431 above.
  std::size_t head_fields = 256;
  // No route of ours takes long targets. 414 above.
  std::size_t target_bytes = 8u << 10;
  // A prompt of four million tokens, or a dozen pictures. 413 above.
  std::size_t body_bytes = 16u << 20;
  // Bodies held at any one time, all connections together; 503 above.
  std::size_t all_bodies_bytes = 256u << 20;
  // A head fits in a few packets, so ten seconds are generous; 408 after (slowloris).
  std::chrono::milliseconds head_time{10'000};
  // 16 MiB at 140 kB/s; 408 after.
  std::chrono::milliseconds body_time{120'000};
  // Above the 60 s that proxies commonly keep their own side open.
  std::chrono::milliseconds idle_time{75'000};
  // Output that a handler may be ahead of its reader; then write() blocks.
  std::size_t unsent_bytes = 256u << 10;
  // A reader that takes nothing for this long is taken for gone.
  std::chrono::milliseconds stall_time{30'000};
  // After a refusal the rest of the request is read and dropped, so that the refusal arrives.
  std::chrono::milliseconds linger_time{2'000};
  std::size_t linger_bytes = 1u << 20;
  // Also bounded by the process's descriptors, less a reserve. Above: a 503 and a close.
  std::size_t connections = 10'000;
  // Requests being computed or waiting for a model; each holds a thread. Above: 503.
  std::size_t running = 256;
};

}  // namespace bantam
