#include "cli/loopback_server.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <limits>
#include <string>
#include <thread>
#include <utility>

#include "base/json.h"
#include "server/api.h"
#include "server/http_server.h"

namespace bantam {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::uint64_t kMaxAnswerBytes = std::uint64_t{256} << 20;

template <typename... Args>
std::unexpected<Error> failed(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kUnavailable, "server_failed", format, std::forward<Args>(args)...);
}

Json message_to_json(const Message& message) {
  JsonObject object{{"role", message.role}};
  object["content"] = message.content ? Json(*message.content) : Json(nullptr);
  if (message.reasoning) object["reasoning_content"] = *message.reasoning;
  if (!message.name.empty()) object["name"] = message.name;
  if (!message.tool_call_id.empty()) object["tool_call_id"] = message.tool_call_id;
  JsonArray calls;
  for (const ToolCall& call : message.tool_calls)
    calls.push_back(
        JsonObject{{"id", call.id},
                   {"type", "function"},
                   {"function", JsonObject{{"name", call.name}, {"arguments", call.arguments}}}});
  if (!calls.empty()) object["tool_calls"] = std::move(calls);
  return object;
}

JsonObject completions_body(const ChatRequest& request) {
  JsonObject body{{"echo", request.echo}};
  if (request.prompt_ids) {
    body["prompt"] = JsonArray(request.prompt_ids->begin(), request.prompt_ids->end());
  } else {
    body["prompt"] = *request.prompt;
  }
  if (request.top_logprobs >= 0) body["logprobs"] = request.top_logprobs;
  return body;
}

JsonObject chat_body(const ChatRequest& request) {
  JsonArray messages;
  for (const Message& message : request.messages) messages.push_back(message_to_json(message));
  JsonObject body{{"messages", std::move(messages)}};
  if (!request.tools.is_null()) body["tools"] = request.tools;
  if (request.top_logprobs >= 0) {
    body["logprobs"] = true;
    body["top_logprobs"] = request.top_logprobs;
  }
  return body;
}

LogprobEntry entry(const Json& logprob) {
  LogprobEntry made;
  made.logprob = logprob.is_null() ? std::numeric_limits<float>::quiet_NaN()
                                   : static_cast<float>(logprob.to_number<double>());
  return made;
}

// Of a document of ours, whose members are there.
std::vector<LogprobEntry> completions_entries(const Json& logprobs) {
  std::vector<LogprobEntry> entries;
  for (const Json& value : logprobs.at("token_logprobs").as_array())
    entries.push_back(entry(value));
  return entries;
}
std::vector<LogprobEntry> chat_entries(const Json& logprobs) {
  std::vector<LogprobEntry> entries;
  for (const Json& token : logprobs.at("content").as_array()) {
    entries.push_back(entry(token.at("logprob")));
    for (const Json& other : token.at("top_logprobs").as_array())
      entries.back().top.push_back(entry(other.at("logprob")));
  }
  return entries;
}

class LoopbackServer final : public ChatModel {
 public:
  explicit LoopbackServer(std::shared_ptr<ChatModel> model)
      : model_(std::move(model)), api_({.version = BANTAM_VERSION}) {
    api_.add(model_);
    api_.install(server_);
  }
  ~LoopbackServer() override {
    server_.stop(std::chrono::milliseconds(0));
    if (thread_.joinable()) thread_.join();
  }

  Result<void> start() {
    TRY(server_.bind("127.0.0.1", 0));
    thread_ = std::thread([this] { (void)server_.run(); });
    return {};
  }

  std::string_view name() const override { return model_->name(); }
  std::int64_t context_length() const override { return model_->context_length(); }

  Result<void> answer(const ChatRequest& request, std::stop_token /*stop*/,
                      const EventSink& sink) override {
    const bool chat = request.messages.empty() == false;
    JsonObject body = chat ? chat_body(request) : completions_body(request);
    body["model"] = std::string(name());
    body["max_tokens"] = request.stop.max_tokens;
    body["temperature"] = request.sampling.temperature;
    const Json document = TRY(
        post(chat ? "/v1/chat/completions" : "/v1/completions", write_json(Json(std::move(body)))));
    try {
      const Json& choice = document.at("choices").at(0);
      const Json& logprobs = choice.at("logprobs");
      TextEvent text;
      text.text =
          std::string((chat ? choice.at("message").at("content") : choice.at("text")).as_string());
      if (!logprobs.is_null())
        text.logprobs = chat ? chat_entries(logprobs) : completions_entries(logprobs);
      FinishEvent finish;
      finish.usage.prompt_tokens =
          document.at("usage").at("prompt_tokens").to_number<std::int64_t>();
      sink(text);
      sink(finish);
    } catch (const std::exception& error) {
      return failed("the server's answer is not of the shape that it has: {}", error.what());
    }
    return {};
  }

 private:
  Result<Json> post(std::string_view path, std::string body) const {
    boost::asio::io_context context;
    beast::tcp_stream stream(context);
    beast::error_code error;
    stream.connect({boost::asio::ip::address_v4::loopback(), server_.port()}, error);
    if (error) return failed("no connection to port {}: {}", server_.port(), error.message());
    http::request<http::string_body> request(http::verb::post, path, 11, std::move(body));
    request.set(http::field::host, "localhost");
    request.set(http::field::content_type, "application/json");
    request.keep_alive(false);
    request.prepare_payload();
    http::write(stream, request, error);
    if (error) return failed("sending to {}: {}", path, error.message());
    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMaxAnswerBytes);
    http::read(stream, buffer, parser, error);
    if (error) return failed("the answer of {}: {}", path, error.message());
    const auto& response = parser.get();
    if (response.result_int() != 200)
      return failed("{} answers {}: {}", path, response.result_int(), quoted(response.body(), 400));
    return parse_json(response.body());
  }

  std::shared_ptr<ChatModel> model_;
  Api api_;
  HttpServer server_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<ChatModel>> serve_on_loopback(std::shared_ptr<ChatModel> model) {
  auto server = std::make_unique<LoopbackServer>(std::move(model));
  TRY(server->start());
  return server;
}

}  // namespace bantam
