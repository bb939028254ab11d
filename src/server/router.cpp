#include "server/router.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/result.h"

namespace bantam {
namespace {

std::optional<std::vector<std::string>> match(const std::vector<std::string>& pattern,
                                              const std::vector<std::string>& segments) {
  std::vector<std::string> parameters;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (i >= segments.size()) return std::nullopt;
    if (pattern[i] == "{*}") {
      std::string rest = segments[i];
      for (std::size_t j = i + 1; j < segments.size(); ++j) rest += "/" + segments[j];
      parameters.push_back(std::move(rest));
      return parameters;
    }
    if (pattern[i] == "{}") {
      parameters.push_back(segments[i]);
    } else if (pattern[i] != segments[i]) {
      return std::nullopt;
    }
  }
  if (pattern.size() != segments.size()) return std::nullopt;
  return parameters;
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, HttpHandler handler,
                 HandlerThread thread) {
  Route route{.method = std::string(method),
              .pattern = {},
              .handler = std::move(handler),
              .thread = thread};
  for (std::size_t at = 0; at < pattern.size();) {
    CHECK(pattern[at] == '/', "a route pattern begins with '/': {}", pattern);
    const std::size_t end = std::min(pattern.find('/', at + 1), pattern.size());
    if (end > at + 1) route.pattern.emplace_back(pattern.substr(at + 1, end - at - 1));
    at = end;
  }
  routes_.push_back(std::move(route));
}

std::string Router::allowed_methods(const std::vector<std::string>& segments) const {
  std::string allowed;
  for (const Route& route : routes_) {
    if (!match(route.pattern, segments)) continue;
    allowed += route.method + ", ";
    if (route.method == "GET") allowed += "HEAD, ";
  }
  return allowed.empty() ? allowed : allowed + "OPTIONS";
}

HttpResult<Router::Match> Router::find(std::string_view method,
                                       const std::vector<std::string>& segments) const {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  for (const Route& route : routes_) {
    if (route.method != wanted) continue;
    if (auto parameters = match(route.pattern, segments))
      return Match{.route = &route, .parameters = std::move(*parameters)};
  }
  const std::string allowed = allowed_methods(segments);
  if (allowed.empty()) return http_refusal(404, "not_found", "there is nothing at this path");
  HttpError error = make_http_error(405, "method", fmt::format("this path takes {}", allowed));
  error.headers.add("Allow", allowed);
  return std::unexpected(std::move(error));
}

}  // namespace bantam
