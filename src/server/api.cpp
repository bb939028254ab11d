#include "server/api.h"

#include <chrono>
#include <optional>
#include <utility>
#include <variant>

namespace bantam {
namespace {

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Why a request ended that was told to stop.
HttpError stopped(const ResponseWriter& out) {
  if (out.gone()) return make_http_error(499, "client_gone", "the client has gone");
  HttpError error = make_http_error(503, "draining", "the server is shutting down");
  error.headers.add("Retry-After", "5");
  return error;
}

// A model's error, for the one who asked over HTTP. The path was found, so whatever the model lacks
// (a template, a vocabulary) is the request's fault; and the runtime names options, not pointers.
HttpError model_error(Error error) {
  if (error.kind == ErrorKind::kNotFound) error.kind = ErrorKind::kUnsupported;
  if (error.code == "invalid_param" && !error.where.empty() && !error.where.starts_with('/'))
    error.where.insert(0, "/");
  return to_http_error(error);
}

// A handler behind the rules that all routes share.
HttpHandler guarded(HttpHandler handler) {
  return [handler = std::move(handler)](const HttpRequest& request, ResponseWriter& out) {
    if (!request.query.empty())  // not repeated in the message: it might hold a key
      return out.send_error(
          make_http_error(400, "unknown_param", "this path takes no query parameters"));
    handler(request, out);
  };
}

// Answers one choice: every event goes to `text` or `finish`, until one of them says stop. Nothing
// if all went well.
template <typename Text, typename Finish>
std::optional<HttpError> run_choice(ChatModel& model, const ChatRequest& request,
                                    const HttpRequest& http, const ResponseWriter& out,
                                    const Text& text, const Finish& finish) {
  bool cancelled = false, finished = false;
  const EventSink sink = [&](const ChatEvent& event) {
    if (const auto* piece = std::get_if<TextEvent>(&event)) return !out.gone() && text(*piece);
    const auto& last = std::get<FinishEvent>(event);
    finished = true;
    cancelled = last.reason == FinishReason::kCancelled;
    return cancelled || finish(last);
  };
  const Result<void> answered = model.answer(request, http.stop, sink);
  const bool told_to = http.stop.stop_requested() || out.gone();
  if (told_to && (!finished || cancelled)) return stopped(out);
  if (!answered) return model_error(answered.error());
  if (!finished || cancelled)
    return make_http_error(500, "internal", "the model's answer has no end");
  return std::nullopt;
}

}  // namespace

// A place among the requests of one model.
class Api::Ticket {
 public:
  Ticket(Served& served, std::size_t limit) : served_(served) {
    admitted_ = served_.queued.fetch_add(1) < limit;
  }
  ~Ticket() { served_.queued.fetch_sub(1); }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  bool admitted() const { return admitted_; }

 private:
  Served& served_;
  bool admitted_ = false;
};

void Api::add(std::shared_ptr<ChatModel> model) {
  Served& served = models_[std::string(model->name())];
  served.model = std::move(model);
  served.created = unix_seconds();
}

JsonObject Api::describe(const Served& served) {
  return {{"id", served.model->name()},
          {"object", "model"},
          {"created", served.created},
          {"owned_by", "bantam"},
          {"context_length", served.model->context_length()}};
}

HttpResult<Api::Served*> Api::find(std::string_view name) {
  if (name.empty() && models_.size() == 1) return &models_.begin()->second;
  if (const auto found = models_.find(name); found != models_.end()) return &found->second;
  std::string names;
  for (const auto& [known, served] : models_) names += (names.empty() ? "" : ", ") + quoted(known);
  HttpError error = make_http_error(
      404, "model_not_found",
      name.empty() ? fmt::format("the request names no model; served are {}", names)
                   : fmt::format("there is no model {}; served are {}", quoted(name), names));
  error.param = "/model";
  if (name.empty()) {
    error.status = 400;
    error.code = "invalid_param";
  }
  return std::unexpected(std::move(error));
}

OpenAiIdentity Api::identity(OpenAiEndpoint endpoint, const Served& served,
                             const HttpRequest& request) const {
  const std::string_view prefix = endpoint == OpenAiEndpoint::kChat ? "chatcmpl-" : "cmpl-";
  const std::string_view number = std::string_view(request.id).substr(request.id.find('-') + 1);
  return {.id = fmt::format("{}{}", prefix, number),
          .created = unix_seconds(),
          .model = std::string(served.model->name()),
          .fingerprint = "bantam-" + options_.version};
}

void Api::complete(OpenAiEndpoint endpoint, const HttpRequest& request, ResponseWriter& out) {
  const Result<OpenAiRequest> asked = decode_openai(endpoint, request.body);
  if (!asked) return out.send_error(to_http_error(asked.error()));
  const HttpResult<Served*> served = find(asked->model);
  if (!served) return out.send_error(served.error());
  const Ticket ticket(**served, options_.max_queued);
  if (!ticket.admitted()) {
    return out.send_error(overloaded_error(
        fmt::format("{} requests run or wait already, which is the limit", options_.max_queued)));
  }
  asked->stream ? stream(*asked, **served, request, out) : collect(*asked, **served, request, out);
}

// The status is sent with the first text, so that whatever fails before keeps a status of its own.
void Api::stream(const OpenAiRequest& asked, Served& served, const HttpRequest& request,
                 ResponseWriter& out) {
  OpenAiStream encoder(asked, identity(asked.endpoint, served, request));
  for (std::size_t i = 0; i < asked.choices(); ++i) {
    bool begun = false;
    const auto begin = [&] {
      if (!out.started())
        out.start(200, {{"Content-Type", "text/event-stream"},
                        {"Cache-Control", "no-cache"},
                        {"X-Accel-Buffering", "no"}});
      return std::exchange(begun, true) ? std::string() : encoder.begin(i);
    };
    const std::optional<HttpError> error = run_choice(
        *served.model, asked.choice(i), request, out,
        [&](const TextEvent& text) { return out.write(begin() + encoder.text(i, text)); },
        [&](const FinishEvent& finish) { return out.write(begin() + encoder.finish(i, finish)); });
    if (!error) continue;
    if (!out.started()) return out.send_error(*error);
    out.write(OpenAiStream::error(*error));
    return out.finish();
  }
  out.write(encoder.end());
  out.finish();
}

void Api::collect(const OpenAiRequest& asked, Served& served, const HttpRequest& request,
                  ResponseWriter& out) {
  OpenAiDocument document(asked, identity(asked.endpoint, served, request));
  const auto fits = [&] { return document.bytes() <= options_.max_document_bytes; };
  for (std::size_t i = 0; i < asked.choices(); ++i) {
    std::optional<HttpError> error = run_choice(
        *served.model, asked.choice(i), request, out,
        [&](const TextEvent& text) {
          document.text(i, text);
          return fits();
        },
        [&](const FinishEvent& finish) {
          document.finish(i, finish);
          return true;
        });
    if (!fits())
      error =
          make_http_error(400, "response_too_large",
                          fmt::format("the answer is larger than {} bytes; ask for fewer tokens "
                                      "or log-probabilities, or stream it",
                                      options_.max_document_bytes));
    if (error) return out.send_error(*error);
  }
  out.send_json(200, document.body());
}

void Api::install(HttpServer& server) {
  server.route("GET", "/", guarded([this](const HttpRequest&, ResponseWriter& out) {
                 out.send(200, {{"Content-Type", "text/plain; charset=utf-8"}},
                          fmt::format("bantam {}: the OpenAI API is under /v1, the models under "
                                      "/v1/models\n",
                                      options_.version));
               }),
               HandlerThread::kInline);
  server.route("GET", "/health", guarded([](const HttpRequest&, ResponseWriter& out) {
                 out.send_json(200, R"({"status":"ok"})");
               }),
               HandlerThread::kInline);
  server.route("GET", "/v1/models", guarded([this](const HttpRequest&, ResponseWriter& out) {
                 JsonArray list;
                 for (const auto& [name, served] : models_) list.push_back(describe(served));
                 const JsonObject body{{"object", "list"}, {"data", std::move(list)}};
                 out.send_json(200, write_json(body));
               }),
               HandlerThread::kInline);
  server.route("GET", "/v1/models/{*}",
               guarded([this](const HttpRequest& request, ResponseWriter& out) {
                 const HttpResult<Served*> served = find(request.parameters.at(0));
                 if (!served) return out.send_error(served.error());
                 out.send_json(200, write_json(describe(**served)));
               }),
               HandlerThread::kInline);
  server.route("POST", "/v1/chat/completions",
               guarded([this](const HttpRequest& request, ResponseWriter& out) {
                 complete(OpenAiEndpoint::kChat, request, out);
               }));
  server.route("POST", "/v1/completions",
               guarded([this](const HttpRequest& request, ResponseWriter& out) {
                 complete(OpenAiEndpoint::kCompletions, request, out);
               }));
}

}  // namespace bantam
