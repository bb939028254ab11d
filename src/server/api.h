// The routes: from HTTP requests to ChatModels and back.
//
//   GET  /                      one line of text
//   GET  /health                {"status":"ok"}, whatever else is going on
//   GET  /v1/models             what is served
//   GET  /v1/models/NAME        one of them
//   POST /v1/chat/completions   openai.h
//   POST /v1/completions        openai.h
//
// A model answers one request after the other, in order of arrival; that is the model's own doing.
// Here the number of those that wait is bounded, and a request whose client leaves, waiting or
// running, is stopped. An Authorization header is accepted and not looked at: there are no keys
// yet. Query parameters are refused, since no route has any.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "chat/chat_model.h"
#include "server/http_server.h"
#include "server/openai.h"

namespace bantam {

struct ApiOptions {
  std::string version;  // of the program: part of system_fingerprint and of GET /
  // Requests that run or wait, a model. One more is answered 503 "overloaded".
  std::size_t max_queued = 64;
  // An answer that is not streamed is collected up to here, then refused ("response_too_large").
  std::size_t max_document_bytes = 32u << 20;
};

class Api {
 public:
  explicit Api(ApiOptions options) : options_(std::move(options)) {}

  // Serves `model` under its name(), or replaces the one of that name. Before install().
  void add(std::shared_ptr<ChatModel> model);
  // Adds the routes. The Api must outlive the server.
  void install(HttpServer& server);

 private:
  struct Served {
    std::shared_ptr<ChatModel> model;
    std::int64_t created = 0;
    std::atomic<std::size_t> queued{0};
  };
  class Ticket;

  void complete(OpenAiEndpoint endpoint, const HttpRequest& request, ResponseWriter& out);
  void stream(const OpenAiRequest& asked, Served& served, const HttpRequest& request,
              ResponseWriter& out);
  void collect(const OpenAiRequest& asked, Served& served, const HttpRequest& request,
               ResponseWriter& out);
  HttpResult<Served*> find(std::string_view name);
  OpenAiIdentity identity(OpenAiEndpoint endpoint, const Served& served,
                          const HttpRequest& request) const;
  static JsonObject describe(const Served& served);

  const ApiOptions options_;
  std::map<std::string, Served, std::less<>> models_;  // not changed once serving
};

}  // namespace bantam
