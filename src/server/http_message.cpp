#include "server/http_message.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/json.h"
#include "base/unicode.h"

namespace bantam {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "unavailable_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

// At most `limit` bytes, cut between characters.
std::string cut(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  text.resize(limit);
  text.resize(text.size() - incomplete_utf8_tail(text));
  return text + "…";
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

void HttpHeaders::add(std::string_view name, std::string_view value) {
  fields_.emplace_back(name, value);
}

const std::string* HttpHeaders::find(std::string_view name) const {
  for (const auto& [key, value] : fields_)
    if (equals_ignoring_case(key, name)) return &value;
  return nullptr;
}

std::size_t HttpHeaders::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      fields_, [&](const auto& field) { return equals_ignoring_case(field.first, name); }));
}

HttpError make_http_error(int status, std::string_view code, std::string message) {
  HttpError error;
  error.status = status;
  error.code = code;
  error.message = std::move(message);
  return error;
}

std::unexpected<HttpError> http_refusal(int status, std::string_view code, std::string message) {
  return std::unexpected(make_http_error(status, code, std::move(message)));
}

HttpError overloaded_error(std::string message) {
  HttpError error = make_http_error(503, "overloaded", std::move(message));
  error.headers.add("Retry-After", "1");
  return error;
}

HttpError to_http_error(const Error& error) {
  HttpError out;
  out.status = http_status(error.kind);
  out.code = error.code.empty() ? "internal" : error.code;
  out.message = error.message;
  if (!error.hint.empty()) out.message += " (" + error.hint + ")";
  if (error.where.starts_with('/')) {
    out.param = error.where;
  } else if (!error.where.empty()) {
    out.message = error.where + ": " + out.message;
  }
  if (out.status == 503) out.headers.add("Retry-After", "1");
  return out;
}

std::string error_body(const HttpError& error) {
  std::string body = R"({"error":{"message":)";
  append_json_string(body, cut(error.message, 1024));
  body += R"(,"type":)";
  append_json_string(body, error_type(error.status));
  body += R"(,"param":)";
  if (error.param.empty()) {
    body += "null";
  } else {
    append_json_string(body, cut(error.param, 256));
  }
  body += R"(,"code":)";
  append_json_string(body, error.code);
  return body + "}}";
}

std::string_view reason_phrase(int status) {
  struct Row {
    int status;
    std::string_view phrase;
  };
  static constexpr std::array kRows = {
      Row{200, "OK"},
      Row{204, "No Content"},
      Row{400, "Bad Request"},
      Row{401, "Unauthorized"},
      Row{403, "Forbidden"},
      Row{404, "Not Found"},
      Row{405, "Method Not Allowed"},
      Row{408, "Request Timeout"},
      Row{409, "Conflict"},
      Row{413, "Content Too Large"},
      Row{414, "URI Too Long"},
      Row{415, "Unsupported Media Type"},
      Row{417, "Expectation Failed"},
      Row{429, "Too Many Requests"},
      Row{431, "Request Header Fields Too Large"},
      Row{499, "Client Closed Request"},
      Row{500, "Internal Server Error"},
      Row{502, "Bad Gateway"},
      Row{503, "Service Unavailable"},
      Row{504, "Gateway Timeout"},
      Row{505, "HTTP Version Not Supported"},
      Row{507, "Insufficient Storage"},
  };
  for (const Row& row : kRows)
    if (row.status == status) return row.phrase;
  return "Error";
}

}  // namespace bantam
