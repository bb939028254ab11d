#include "server/api.h"

#include <gtest/gtest.h>

#include "server/fake_chat_model.h"
#include "server/raw_client.h"

namespace bantam {
namespace {

using std::chrono::milliseconds;
using testing::eventually;
using testing::FakeChatModel;
using testing::get;
using testing::post;
using testing::RawClient;
using testing::RawResponse;
using testing::RunningServer;

constexpr std::string_view kChatPath = "/v1/chat/completions";
constexpr std::string_view kPath = "/v1/completions";

std::string chat(std::string_view more = "") {
  return fmt::format(R"({{"messages":[{{"role":"user","content":"hi"}}]{}{}}})",
                     more.empty() ? "" : ",", more);
}

// An Api over one fake model on a real port.
struct Fixture {
  explicit Fixture(FakeChatModel::Script script = {}, ApiOptions options = {.version = "1"})
      : model(std::make_shared<FakeChatModel>(std::move(script))), api(options) {
    api.add(model);
    server.emplace([this](HttpServer& it) { api.install(it); });
  }
  RawResponse ask(std::string_view bytes) { return server->ask(bytes); }

  std::shared_ptr<FakeChatModel> model;
  Api api;
  std::optional<RunningServer> server;
};

Json json(const RawResponse& response) {
  Result<Json> parsed = parse_json(response.body);
  EXPECT_TRUE(parsed.has_value()) << response.body;
  return parsed ? *std::move(parsed) : Json();
}

std::string error_of(const RawResponse& response) {
  const Json body = json(response);
  const JsonObject& error = body.at("error").as_object();
  return fmt::format(
      "{} {} {}", response.status, std::string_view(error.at("code").as_string()),
      error.at("param").is_null() ? "-" : std::string_view(error.at("param").as_string()));
}

// The data of every event of a stream.
std::vector<std::string> events(std::string_view body) {
  std::vector<std::string> out;
  while (!body.empty()) {
    const std::size_t end = body.find("\n\n");
    EXPECT_TRUE(body.starts_with("data: ") && end != std::string_view::npos) << body;
    if (end == std::string_view::npos) break;
    out.emplace_back(body.substr(6, end - 6));
    body.remove_prefix(end + 2);
  }
  return out;
}

TEST(Api, TellsWhatIsServed) {
  Fixture it;
  EXPECT_EQ(it.ask(get("/health")).body, R"({"status":"ok"})");
  EXPECT_EQ(it.ask(get("/")).body,
            "bantam 1: the OpenAI API is under /v1, the models under /v1/models\n");
  const Json list = json(it.ask(get("/v1/models")));
  EXPECT_EQ(list.at("object"), "list");
  EXPECT_EQ(list.at("data").at(0).at("id"), "fake");
  EXPECT_EQ(list.at("data").at(0).at("context_length"), 4096);
  EXPECT_EQ(json(it.ask(get("/v1/models/fake"))).at("object"), "model");
  EXPECT_EQ(error_of(it.ask(get("/v1/models/other"))), "404 model_not_found /model");
  EXPECT_EQ(error_of(it.ask(get("/v1/models?api_key=secret"))), "400 unknown_param -");
  EXPECT_EQ(it.ask(get("/v1/models?api_key=secret")).body.find("secret"), std::string::npos);
}

TEST(Api, ServesModelsWhoseNamesHaveSlashes) {
  Api api({.version = "1"});
  api.add(std::make_shared<FakeChatModel>(FakeChatModel::Script{}, "org/model:tag"));
  api.add(std::make_shared<FakeChatModel>(FakeChatModel::Script{}, "b"));
  RunningServer server([&](HttpServer& it) { api.install(it); });
  EXPECT_EQ(json(server.ask(get("/v1/models/org/model:tag"))).at("id"), "org/model:tag");
  EXPECT_EQ(json(server.ask(get("/v1/models/org%2Fmodel%3Atag"))).at("id"), "org/model:tag");
  const RawResponse unnamed = server.ask(post(kChatPath, chat()));
  EXPECT_EQ(error_of(unnamed), "400 invalid_param /model");
  EXPECT_NE(unnamed.body.find("org/model:tag"), std::string::npos);
  const RawResponse named = server.ask(post(kChatPath, chat(R"("model":"org/model:tag")")));
  EXPECT_EQ(json(named).at("model"), "org/model:tag");
}

TEST(Api, NamesTheModelsThereAreWithoutEchoingMuch) {
  Fixture it;
  const std::string name = "../../etc/passwd\\n\\u0000" + std::string(5000, 'x');
  const RawResponse response = it.ask(post(kChatPath, chat("\"model\":\"" + name + "\"")));
  EXPECT_EQ(error_of(response), "404 model_not_found /model");
  EXPECT_NE(response.body.find("fake"), std::string::npos);
  EXPECT_LT(response.body.size(), 1024u);
}

TEST(Api, AnswersChatInOneDocument) {
  Fixture it;
  const RawResponse response = it.ask(post(kChatPath, chat()));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.header("Content-Type"), "application/json");
  const Json body = json(response);
  EXPECT_EQ(body.at("choices").at(0).at("message").at("content"), "Hello");
  EXPECT_EQ(body.at("choices").at(0).at("finish_reason"), "stop");
  EXPECT_EQ(body.at("usage").at("prompt_tokens"), 7);
  EXPECT_EQ(body.at("usage").at("prompt_tokens_details").at("cached_tokens"), 3);
  EXPECT_EQ(body.at("system_fingerprint"), "bantam-1");
  const std::string id(body.at("id").as_string());
  EXPECT_EQ("req-" + id.substr(9), response.header("x-request-id"));
  EXPECT_EQ(it.model->requests().at(0).messages.at(0).content, "hi");
}

TEST(Api, StreamsTheSameAnswer) {
  Fixture it;
  const RawResponse response =
      it.ask(post(kChatPath, chat(R"("stream":true,"stream_options":{"include_usage":true})")));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.header("Content-Type"), "text/event-stream");
  const std::vector<std::string> data = events(response.body);
  ASSERT_EQ(data.size(), 6u);
  EXPECT_EQ(data.back(), "[DONE]");
  std::string text;
  for (std::size_t i = 0; i < 3; ++i) {
    const Json chunk = *parse_json(data[i]);
    text += chunk.at("choices").at(0).at("delta").at("content").as_string();
  }
  EXPECT_EQ(text, "Hello");
  EXPECT_EQ(parse_json(data[3])->at("choices").at(0).at("finish_reason"), "stop");
  EXPECT_EQ(parse_json(data[4])->at("usage").at("total_tokens"), 9);
}

TEST(Api, AnswersSeveralChoicesAndPrompts) {
  Fixture it;
  const Json body =
      json(it.ask(post(kPath, R"({"prompt":["a","b"],"n":2,"seed":5,"logprobs":1})")));
  ASSERT_EQ(body.at("choices").as_array().size(), 4u);
  EXPECT_EQ(body.at("choices").at(3).at("index"), 3);
  EXPECT_EQ(body.at("choices").at(3).at("text"), "Hello");
  EXPECT_EQ(body.at("choices").at(3).at("logprobs").at("text_offset").at(1), 3);
  EXPECT_EQ(body.at("usage").at("prompt_tokens"), 14);
  const auto requests = it.model->requests();
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests[1].sampling.seed, 6u);
  EXPECT_EQ(requests[2].prompt, "b");
  EXPECT_EQ(requests[2].sampling.seed, 5u);

  const std::vector<std::string> data =
      events(it.ask(post(kChatPath, chat(R"("n":2,"stream":true)"))).body);
  ASSERT_EQ(data.size(), 9u);
  EXPECT_EQ(parse_json(data[0])->at("choices").at(0).at("index"), 0);
  EXPECT_EQ(parse_json(data[4])->at("choices").at(0).at("index"), 1);
  EXPECT_EQ(parse_json(data[4])->at("choices").at(0).at("delta").at("role"), "assistant");
}

TEST(Api, RefusesRequestsByPointer) {
  Fixture it;
  EXPECT_EQ(error_of(it.ask(post(kChatPath, "{"))), "400 invalid_json -");
  EXPECT_EQ(error_of(it.ask(post(kChatPath, ""))), "400 invalid_json -");
  EXPECT_EQ(error_of(it.ask(post(kChatPath, chat(R"("temperature":9)")))),
            "400 invalid_param /temperature");
  EXPECT_EQ(error_of(it.ask(post(kPath, R"({"prompt":"a","stop":[""]})"))),
            "400 invalid_param /stop/0");
  EXPECT_EQ(error_of(it.ask(post(kChatPath, std::string(1'000'000, '[')))), "400 json_depth -");
  EXPECT_EQ(it.model->started, 0);
}

Error too_long() {
  return {.kind = ErrorKind::kUsage,
          .code = "context_length_exceeded",
          .message = "the prompt has 5000 tokens, the context 4096",
          .where = {},
          .hint = {}};
}

TEST(Api, AModelsErrorBeforeTheFirstTextIsAStatusLater_AnEvent) {
  Fixture early({.pieces = {}, .error = too_long()});
  for (const char* more : {"", R"("stream":true)"})
    EXPECT_EQ(error_of(early.ask(post(kChatPath, chat(more)))), "400 context_length_exceeded -");

  Fixture late({.error = too_long()});
  EXPECT_EQ(error_of(late.ask(post(kChatPath, chat()))), "400 context_length_exceeded -");
  RawClient client = late.server->connect();
  client.send(post(kChatPath, chat(R"("stream":true)")));
  const RawResponse streamed = client.read_response();
  EXPECT_EQ(streamed.status, 200);
  const std::vector<std::string> data = events(streamed.body);
  ASSERT_EQ(data.size(), 4u);
  EXPECT_EQ(parse_json(data.back())->at("error").at("code"), "context_length_exceeded");
}

TEST(Api, WhatAModelLacksIsNotAPathThatIsNotThere) {
  Error error{.kind = ErrorKind::kNotFound,
              .code = "no_template",
              .message = "the model has no template",
              .where = {},
              .hint = {}};
  Fixture lacking({.pieces = {}, .error = error});
  EXPECT_EQ(error_of(lacking.ask(post(kChatPath, chat()))), "400 no_template -");
  error.kind = ErrorKind::kUsage;
  error.code = "invalid_param";
  error.where = "logit_bias";
  Fixture ranged({.pieces = {}, .error = error});
  EXPECT_EQ(error_of(ranged.ask(post(kChatPath, chat()))), "400 invalid_param /logit_bias");
}

TEST(Api, AnAnswerWithoutAnEndIsOurFault) {
  class Endless final : public ChatModel {
    Result<void> answer(const ChatRequest&, std::stop_token, const EventSink&) override {
      return {};
    }
    std::string_view name() const override { return "endless"; }
    std::int64_t context_length() const override { return 1; }
  };
  Api api({.version = "1"});
  api.add(std::make_shared<Endless>());
  RunningServer server([&](HttpServer& it) { api.install(it); });
  EXPECT_EQ(error_of(server.ask(post(kChatPath, chat()))), "500 internal -");
}

TEST(Api, BoundsADocumentThatIsNotStreamed) {
  Fixture it({.pieces = {"0123456789"}, .endless = true},
             {.version = "1", .max_document_bytes = 1000});
  EXPECT_EQ(error_of(it.ask(post(kChatPath, chat()))), "400 response_too_large -");
  EXPECT_LE(it.model->pieces, 101);
}

struct Way {
  const char* name;
  void (*leave)(RawClient&);
};
constexpr Way kWays[] = {{"close", [](RawClient& client) { client.close(); }},
                         {"reset", [](RawClient& client) { client.reset(); }},
                         {"half-close", [](RawClient& client) { client.half_close(); }}};

TEST(Api, AClientThatLeavesStopsTheModelWithinOneToken) {
  for (const char* more : {"", R"("stream":true)"}) {
    for (const Way& way : kWays) {
      SCOPED_TRACE(fmt::format("{} {}", way.name, more));
      {
        Fixture prefill({.hold_before = true});
        RawClient client = prefill.server->connect();
        client.send(post(kChatPath, chat(more)));
        ASSERT_TRUE(eventually([&] { return prefill.model->started == 1; }));
        way.leave(client);
        ASSERT_TRUE(eventually([&] { return prefill.model->ended == 1; }));
        EXPECT_EQ(prefill.model->pieces, 0);
      }
      {
        Fixture decode({.endless = true, .hold_after_first = true});
        RawClient client = decode.server->connect();
        client.send(post(kChatPath, chat(more)));
        ASSERT_TRUE(eventually([&] { return decode.model->pieces == 1; }));
        way.leave(client);
        ASSERT_TRUE(eventually([&] { return decode.model->ended == 1; }));
        EXPECT_EQ(decode.model->pieces, 1);
      }
      {
        // Running freely: not one token is begun after the stop is known.
        Fixture running({.pieces = {"x"}, .endless = true},
                        {.version = "1", .max_document_bytes = std::size_t{1} << 40});
        RawClient client = running.server->connect();
        client.send(post(kChatPath, chat(more)));
        ASSERT_TRUE(eventually([&] { return running.model->pieces > 10; }));
        way.leave(client);
        ASSERT_TRUE(eventually([&] { return running.model->ended == 1; }));
        EXPECT_LE(running.model->pieces_after_stop, 1);
      }
    }
  }
}

TEST(Api, AClientThatLeavesTheQueueIsForgotten) {
  Fixture it({.hold_before = true});
  RawClient first = it.server->connect(), second = it.server->connect(),
            third = it.server->connect();
  first.send(post(kChatPath, chat()));
  ASSERT_TRUE(eventually([&] { return it.model->started == 1; }));
  second.send(post(kChatPath, chat()));
  ASSERT_TRUE(eventually([&] { return it.model->arrived == 2; }));
  third.send(post(kChatPath, chat()));
  ASSERT_TRUE(eventually([&] { return it.model->arrived == 3; }));
  second.close();
  ASSERT_TRUE(eventually([&] { return (*it.server)->gauges().running == 2; }));
  it.model->release();
  EXPECT_EQ(first.read_response().status, 200);
  EXPECT_EQ(third.read_response().status, 200);
  EXPECT_EQ(it.model->started, 2);
}

TEST(Api, AnswersInOrderOfArrival) {
  Fixture it({.hold_before = true});
  std::vector<RawClient> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(it.server->connect());
    clients.back().send(post(kPath, fmt::format(R"({{"prompt":"{}"}})", i)));
    ASSERT_TRUE(eventually([&] { return it.model->arrived == i + 1; }));
  }
  it.model->release();
  for (RawClient& client : clients) EXPECT_EQ(client.read_response().status, 200);
  const auto requests = it.model->requests();
  for (std::size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(requests[i].prompt, std::to_string(i));
}

TEST(Api, RefusesMoreThanTheQueueHoldsAndRecovers) {
  Fixture it({.hold_before = true}, {.version = "1", .max_queued = 2});
  RawClient first = it.server->connect(), second = it.server->connect();
  first.send(post(kChatPath, chat()));
  second.send(post(kChatPath, chat()));
  ASSERT_TRUE(eventually([&] { return it.model->arrived == 2; }));
  const RawResponse third = it.ask(post(kChatPath, chat()));
  EXPECT_EQ(error_of(third), "503 overloaded -");
  EXPECT_EQ(third.header("Retry-After"), "1");
  EXPECT_EQ(it.ask(get("/health")).status, 200);
  it.model->release();
  EXPECT_EQ(first.read_response().status, 200);
  EXPECT_EQ(second.read_response().status, 200);
  EXPECT_EQ(it.ask(post(kChatPath, chat())).status, 200);
}

TEST(Api, TellsClientsThatTheServerStops) {
  Fixture it({.endless = true, .hold_after_first = true});
  RawClient streamed = it.server->connect(), waiting = it.server->connect();
  streamed.send(post(kChatPath, chat(R"("stream":true)")));
  ASSERT_TRUE(eventually([&] { return it.model->pieces == 1; }));
  waiting.send(post(kChatPath, chat()));
  ASSERT_TRUE(eventually([&] { return it.model->arrived == 2; }));
  (*it.server)->stop(milliseconds(20));
  const std::vector<std::string> data = events(streamed.read_response().body);
  ASSERT_EQ(data.size(), 3u);
  EXPECT_EQ(parse_json(data.back())->at("error").at("code"), "draining");
  EXPECT_EQ(error_of(waiting.read_response()), "503 draining -");
}

TEST(Api, LeavesNothingBehindAfterManyAbortedRequests) {
  Fixture it({.pieces = {"x"}, .endless = true});
  for (int i = 0; i < 300; ++i) {
    RawClient client = it.server->connect();
    client.send(post(kChatPath, chat(R"("stream":true)")));
    if (i % 3 == 0) client.read_until("data:");
    if (i % 2 == 0) client.reset();
  }
  EXPECT_TRUE(eventually([&] {
    const HttpServer::Gauges gauges = (*it.server)->gauges();
    return gauges.connections == 0 && gauges.running == 0;
  }));
  EXPECT_EQ(it.ask(get("/health")).status, 200);
}

}  // namespace
}  // namespace bantam
