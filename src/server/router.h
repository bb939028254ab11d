// Which handler answers which method and path. Filled before the server runs, read-only after.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_server.h"

namespace bantam {

struct Route {
  std::string method;
  std::vector<std::string> pattern;  // segments; "{}" matches one, a final "{*}" one or more
  HttpHandler handler;
  HandlerThread thread = HandlerThread::kWorker;
};

class Router {
 public:
  void add(std::string_view method, std::string_view pattern, HttpHandler handler,
           HandlerThread thread);

  struct Match {
    const Route* route = nullptr;
    std::vector<std::string> parameters;
  };
  // The first route that fits; GET routes answer HEAD too. 404 "not_found" if no route has that
  // path, 405 "method" with Allow if none has it with that method.
  HttpResult<Match> find(std::string_view method, const std::vector<std::string>& segments) const;

  // "GET, HEAD, OPTIONS" for a path, or nothing if no route has it.
  std::string allowed_methods(const std::vector<std::string>& segments) const;

 private:
  std::deque<Route> routes_;
};

}  // namespace bantam
