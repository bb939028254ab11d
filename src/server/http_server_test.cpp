#include "server/http_server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <latch>
#include <mutex>

#include "server/raw_client.h"

namespace bantam {
namespace {

using std::chrono::milliseconds;
using testing::eventually;
using testing::get;
using testing::post;
using testing::RawClient;
using testing::RawResponse;
using testing::RunningServer;

void answer_text(ResponseWriter& out, std::string_view text) {
  out.send(200, {{"Content-Type", "text/plain"}}, text);
}

// The routes most tests use. `held` jobs run until they are stopped.
struct Routes {
  std::atomic<int> started{0}, stopped{0};
  std::atomic<bool> gone{false};

  void operator()(HttpServer& server) {
    server.route(
        "GET", "/health", [](const HttpRequest&, ResponseWriter& out) { answer_text(out, "ok"); },
        HandlerThread::kInline);
    server.route("GET", "/peer", [](const HttpRequest& request, ResponseWriter& out) {
      answer_text(out, request.peer + " " + request.query);
    });
    server.route("POST", "/echo", [](const HttpRequest& request, ResponseWriter& out) {
      answer_text(out, request.body);
    });
    server.route("POST", "/hold", [this](const HttpRequest& request, ResponseWriter& out) {
      wait_for_stop(request);
      gone = out.gone();
      out.send_json(200, "{}");
      ++stopped;
    });
    server.route("POST", "/stream", [this](const HttpRequest& request, ResponseWriter& out) {
      out.start(200, {{"Content-Type", "text/event-stream"}});
      out.write("first");
      wait_for_stop(request);
      out.write("last");
      out.finish();
      ++stopped;
    });
    server.route("POST", "/flood", [this](const HttpRequest&, ResponseWriter& out) {
      ++started;
      const std::string block(64 << 10, 'x');
      out.start(200, {});
      while (out.write(block)) {
      }
      out.finish();
      ++stopped;
    });
    server.route("GET", "/throw",
                 [](const HttpRequest&, ResponseWriter&) { throw std::runtime_error("secret"); });
    server.route("GET", "/silent", [](const HttpRequest&, ResponseWriter&) {});
    server.route("GET", "/break", [](const HttpRequest&, ResponseWriter& out) {
      out.start(200, {});
      out.write("half");
      throw std::runtime_error("secret");
    });
  }

  void wait_for_stop(const HttpRequest& request) {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    ++started;
    changed.wait(lock, request.stop, [] { return false; });
  }
};

std::string code_of(const RawResponse& response) {
  const std::size_t at = response.body.find("\"code\":\"");
  if (at == std::string::npos) return fmt::format("{}", response.status);
  const std::string_view rest = std::string_view(response.body).substr(at + 8);
  return fmt::format("{} {}", response.status, rest.substr(0, rest.find('"')));
}

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  Routes routes;
  RunningServer server(std::ref(routes));
  RawClient client = server.connect();
  for (int i = 0; i < 3; ++i) {
    client.send(post("/echo", "{\"a\":1}"));
    const RawResponse response = client.read_response();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "{\"a\":1}");
    EXPECT_EQ(response.header("Content-Type"), "text/plain");
    EXPECT_TRUE(response.header("x-request-id").starts_with("req-"));
    EXPECT_TRUE(response.header("Date").ends_with(" GMT"));
    EXPECT_EQ(response.header("Connection"), "");
  }
  client.send(get("/peer?a=b", "Connection: close\r\n"));
  const RawResponse last = client.read_response();
  EXPECT_EQ(last.body, "127.0.0.1 a=b");
  EXPECT_EQ(last.header("Connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST(HttpServer, TakesRequestsByteByByte) {
  Routes routes;
  RunningServer server(std::ref(routes));
  RawClient client = server.connect();
  for (const std::string& request :
       {post("/echo", "hello"),
        std::string(
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nA: b\r\n\r\n")}) {
    for (const char c : request) ASSERT_TRUE(client.send({&c, 1}));
    EXPECT_EQ(client.read_response().body, "hello");
  }
}

TEST(HttpServer, AnswersAThousandPipelinedRequestsInOrder) {
  Routes routes;
  RunningServer server(std::ref(routes));
  RawClient client = server.connect();
  std::string all;
  for (int i = 0; i < 1000; ++i)
    all += i % 3 ? post("/echo", std::to_string(i)) : get("/peer?" + std::to_string(i));
  std::thread sender([&] { client.send(all); });
  for (int i = 0; i < 1000; ++i) {
    const std::string number = std::to_string(i);
    ASSERT_EQ(client.read_response().body, i % 3 ? number : "127.0.0.1 " + number);
  }
  sender.join();
}

TEST(HttpServer, HeadIsGetWithoutTheBody) {
  Routes routes;
  RunningServer server(std::ref(routes));
  RawClient client = server.connect();
  client.send("HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/health"));
  const RawResponse head = client.read_response(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("Content-Length"), "2");
  EXPECT_EQ(client.read_response().body, "ok");
}

TEST(HttpServer, SaysContinueWhenAskedTo) {
  Routes routes;
  RunningServer server(std::ref(routes));
  RawClient client = server.connect();
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n";
  client.send(head);
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("{}");
  EXPECT_EQ(client.read_response().body, "{}");
  // A refusal comes instead of the invitation.
  RawClient refused = server.connect();
  refused.send(
      "POST /nothing HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
      "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(code_of(refused.read_response()), "404 not_found");
}

TEST(HttpServer, RefusesWithACodeAndClosesWhereTheBodyIsUnread) {
  HttpLimits limits;
  limits.body_bytes = 1000;
  Routes routes;
  RunningServer server(std::ref(routes), limits);
  const std::string host = "Host: localhost\r\n";
  const auto ask = [&](std::string_view bytes) { return code_of(server.ask(bytes)); };
  EXPECT_EQ(ask(get("/nothing")), "404 not_found");
  EXPECT_EQ(ask(get("/V1/models")), "404 not_found");
  EXPECT_EQ(ask("DELETE /health HTTP/1.1\r\n" + host + "\r\n"), "405 method");
  EXPECT_EQ(ask("GARBAGE\r\n\r\n"), "400 bad_request");
  EXPECT_EQ(ask("GET /health HTTP/1.1\r\n\r\n"), "400 bad_request");
  EXPECT_EQ(ask(get("/../health")), "400 bad_target");
  EXPECT_EQ(ask(get("//health")), "400 bad_target");
  EXPECT_EQ(ask("GET http://localhost/health HTTP/1.1\r\n" + host + "\r\n"), "200");
  EXPECT_EQ(ask("GET http://127.0.0.1/health HTTP/1.1\r\n" + host + "\r\n"), "400 bad_request");
  EXPECT_EQ(ask("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "403 host_not_allowed");
  EXPECT_EQ(ask(get("/health", "Origin: null\r\n")), "403 origin_not_allowed");
  EXPECT_EQ(ask(get("/" + std::string(9000, 'a'))), "414 uri_too_long");
  EXPECT_EQ(ask(get("/health", "A: " + std::string(70000, 'a') + "\r\n")), "431 headers_too_large");
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\n{}"),
            "415 media_type");
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\n" + host +
                "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"),
            "415 media_type");
  EXPECT_EQ(ask(post("/echo", "{}", "Content-Encoding: gzip\r\n")), "415 content_encoding");
  EXPECT_EQ(ask(post("/echo", "{}", "Expect: x\r\n")), "417 expectation");
  EXPECT_EQ(ask(get("/health", "Content-Length: 2\r\n") + "{}"), "400 bad_request");
  EXPECT_EQ(ask(post("/echo", std::string(1001, ' '))), "413 body_too_large");
  EXPECT_EQ(ask(post("/echo", std::string(1000, ' '))), "200");
  // Without a length, at the limit.
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\n" + host +
                "Content-Type: application/json\r\n"
                "Transfer-Encoding: chunked\r\n\r\n3E8\r\n" +
                std::string(1000, 'x') + "\r\n1\r\n"),
            "413 body_too_large");

  RawClient client = server.connect();
  client.send(
      "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 40\r\n\r\n" +
      get("/health"));
  const RawResponse refused = client.read_response();
  EXPECT_EQ(refused.status, 404);
  EXPECT_EQ(refused.header("Connection"), "close");
  EXPECT_TRUE(client.at_end());  // never a second answer out of the body
}

TEST(HttpServer, KeepsTheConnectionAfterARefusalWithoutBody) {
  Routes routes;
  RunningServer server(std::ref(routes));
  RawClient client = server.connect();
  client.send(get("/nothing") + get("/health"));
  EXPECT_EQ(client.read_response().status, 404);
  EXPECT_EQ(client.read_response().body, "ok");
}

TEST(HttpServer, ARefusalArrivesAlthoughABodyIsStillComing) {
  Routes routes;
  RunningServer server(std::ref(routes));
  RawClient client = server.connect();
  client.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 99999999\r\n\r\n");
  client.send(std::string(500'000, 'x'));
  EXPECT_EQ(code_of(client.read_response()), "413 body_too_large");
}

TEST(HttpServer, ErrorsAreTheEnvelopeOfTheApi) {
  Routes routes;
  RunningServer server(std::ref(routes));
  const RawResponse response = server.ask(get("/nothing"));
  EXPECT_EQ(response.header("Content-Type"), "application/json");
  EXPECT_EQ(response.body,
            R"({"error":{"message":"there is nothing at this path","type":"invalid_request_error",)"
            R"("param":null,"code":"not_found"}})");
  EXPECT_EQ(server.ask("PUT /health HTTP/1.1\r\nHost: localhost\r\n\r\n").header("Allow"),
            "GET, HEAD, OPTIONS");
}

TEST(HttpServer, AnswersOptionsAndPreflights) {
  Routes routes;
  HttpPolicy policy;
  policy.origins = {"https://chat.example"};
  RunningServer server(std::ref(routes), {}, policy);
  const std::string options = "OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\n";
  const RawResponse plain = server.ask(options + "\r\n");
  EXPECT_EQ(plain.status, 204);
  EXPECT_EQ(plain.header("Allow"), "POST, OPTIONS");
  EXPECT_EQ(plain.header("Access-Control-Allow-Origin"), "");
  const RawResponse preflight = server.ask(
      options + "Origin: https://chat.example\r\nAccess-Control-Request-Method: POST\r\n\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("Access-Control-Allow-Origin"), "https://chat.example");
  EXPECT_EQ(preflight.header("Access-Control-Allow-Methods"), "POST, OPTIONS");
  EXPECT_EQ(code_of(server.ask(options + "Origin: https://evil.example\r\n\r\n")),
            "403 origin_not_allowed");
  EXPECT_EQ(server.ask(get("/health", "Origin: https://chat.example\r\n"))
                .header("Access-Control-Allow-Origin"),
            "https://chat.example");
  EXPECT_EQ(server.ask("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 204);
  EXPECT_EQ(server.ask("OPTIONS /no HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 404);
}

TEST(HttpServer, AHandlerThatFailsIsAnIncidentWithoutItsDetails) {
  Routes routes;
  RunningServer server(std::ref(routes));
  ::testing::internal::CaptureStderr();
  for (const char* path : {"/throw", "/silent"}) {
    const RawResponse response = server.ask(get(path));
    EXPECT_EQ(code_of(response), "500 internal");
    EXPECT_NE(response.body.find(response.header("x-request-id")), std::string::npos);
    EXPECT_EQ(response.body.find("secret"), std::string::npos);
  }
  // A broken stream ends without its last chunk, so that nobody takes it for whole.
  EXPECT_EQ(server.ask(get("/break")).status, 0);
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("secret"), std::string::npos);
}

TEST(HttpServer, StreamsInChunksOrToTheEndForOldClients) {
  RunningServer server([](HttpServer& it) {
    it.route("GET", "/s", [](const HttpRequest&, ResponseWriter& out) {
      out.start(200, {{"Content-Type", "text/plain"}});
      EXPECT_TRUE(out.write("one"));
      EXPECT_TRUE(out.write(""));
      EXPECT_TRUE(out.write("two"));
      out.finish();
    });
  });
  RawClient client = server.connect();
  client.send(get("/s"));
  EXPECT_NE(client.read_until("\r\n\r\n").find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
  RawClient old = server.connect();
  old.send("GET /s HTTP/1.0\r\n\r\n");
  EXPECT_NE(old.read_until("\r\n\r\n").find("Connection: close"), std::string::npos);
  EXPECT_EQ(old.read_all(), "onetwo");
}

TEST(HttpServer, AClientThatLeavesStopsItsRequest) {
  Routes routes;
  RunningServer server(std::ref(routes));
  int expected = 0;
  for (const char* path : {"/hold", "/stream"}) {
    for (const int way : {0, 1, 2}) {
      RawClient client = server.connect();
      client.send(post(path, "{}"));
      ++expected;
      ASSERT_TRUE(eventually([&] { return routes.started == expected; }));
      if (way == 0) client.close();
      if (way == 1) client.reset();
      if (way == 2) client.half_close();
      ASSERT_TRUE(eventually([&] { return routes.stopped == expected; })) << path << way;
    }
  }
  EXPECT_TRUE(routes.gone);
  EXPECT_TRUE(eventually([&] {
    const HttpServer::Gauges gauges = server->gauges();
    return gauges.connections == 0 && gauges.running == 0;
  }));
}

TEST(HttpServer, APipelinedRequestDoesNotHideThatTheClientLeft) {
  Routes routes;
  RunningServer server(std::ref(routes));
  RawClient client = server.connect();
  client.send(post("/hold", "{}") + get("/health") + post("/hold", "{}"));
  ASSERT_TRUE(eventually([&] { return routes.started == 1; }));
  client.close();
  EXPECT_TRUE(eventually([&] { return routes.stopped == 1; }));
  EXPECT_TRUE(eventually([&] { return server->gauges().connections == 0; }));
  EXPECT_EQ(routes.started, 1);  // the second was never begun
}

TEST(HttpServer, HealthAnswersWhileEveryWorkerIsBusy) {
  HttpLimits limits;
  limits.running = 4;
  Routes routes;
  RunningServer server(std::ref(routes), limits);
  std::vector<RawClient> busy;
  for (int i = 0; i < 4; ++i) {
    busy.push_back(server.connect());
    busy.back().send(post("/hold", "{}"));
  }
  ASSERT_TRUE(eventually([&] { return routes.started == 4; }));
  EXPECT_EQ(server.ask(get("/health")).body, "ok");
  const RawResponse full = server.ask(post("/hold", "{}"));
  EXPECT_EQ(code_of(full), "503 overloaded");
  EXPECT_EQ(full.header("Retry-After"), "1");
  busy.clear();
  ASSERT_TRUE(eventually([&] { return server->gauges().running == 0; }));
  EXPECT_EQ(server.ask(post("/echo", "{}")).status, 200);
}

TEST(HttpServer, HoldsManyIdleStreams) {
  constexpr int kStreams = 200;
  Routes routes;
  RunningServer server(std::ref(routes));
  std::vector<RawClient> clients;
  for (int i = 0; i < kStreams; ++i) {
    clients.push_back(server.connect());
    ASSERT_TRUE(clients.back().send(post("/stream", "{}")));
  }
  for (RawClient& client : clients) EXPECT_TRUE(client.read_until("first").ends_with("first"));
  EXPECT_EQ(server.ask(get("/health")).body, "ok");
  EXPECT_EQ(server->gauges().running, std::size_t{kStreams});
  clients.clear();
  EXPECT_TRUE(eventually([&] { return server->gauges().running == 0; }));
}

TEST(HttpServer, AReaderThatStopsReadingIsGivenUp) {
  HttpLimits limits;
  limits.stall_time = milliseconds(100);
  limits.unsent_bytes = 64 << 10;
  Routes routes;
  RunningServer server(std::ref(routes), limits);
  RawClient client = RawClient::to(server->port(), 4096);
  client.send(post("/flood", "{}"));
  ASSERT_TRUE(eventually([&] { return routes.started == 1; }));
  EXPECT_EQ(server.ask(get("/health")).body, "ok");
  EXPECT_TRUE(eventually([&] { return routes.stopped == 1; }));
  EXPECT_TRUE(eventually([&] { return server->gauges().connections == 0; }));
}

TEST(HttpServer, GivesUpOnSlowHeadsAndBodiesAndIdleConnections) {
  HttpLimits limits;
  limits.head_time = limits.body_time = limits.idle_time = milliseconds(50);
  Routes routes;
  RunningServer server(std::ref(routes), limits);
  EXPECT_EQ(code_of(server.ask("GET /health HT")), "408 slow_request");
  EXPECT_EQ(code_of(server.ask("POST /echo HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Type: application/json\r\nContent-Length: 9\r\n\r\nx")),
            "408 slow_request");
  RawClient silent = server.connect();
  EXPECT_TRUE(silent.at_end());
  RawClient idle = server.connect();
  idle.send(get("/health"));
  EXPECT_EQ(idle.read_response().status, 200);
  EXPECT_TRUE(idle.at_end());
}

TEST(HttpServer, BoundsTheBodiesOfAllConnectionsTogether) {
  HttpLimits limits;
  limits.all_bodies_bytes = 1500;
  Routes routes;
  RunningServer server(std::ref(routes), limits);
  RawClient first = server.connect();
  first.send(post("/hold", std::string(1000, ' ')));
  ASSERT_TRUE(eventually([&] { return routes.started == 1; }));
  EXPECT_EQ(code_of(server.ask(post("/echo", std::string(1000, ' ')))), "503 overloaded");
  EXPECT_EQ(server.ask(post("/echo", std::string(400, ' '))).status, 200);
  first.close();
  ASSERT_TRUE(eventually([&] { return server->gauges().connections == 0; }));
  EXPECT_EQ(server.ask(post("/echo", std::string(1000, ' '))).status, 200);
}

TEST(HttpServer, TurnsConnectionsAwayAboveTheLimit) {
  HttpLimits limits;
  limits.connections = 2;
  Routes routes;
  RunningServer server(std::ref(routes), limits);
  RawClient one = server.connect(), two = server.connect();
  ASSERT_TRUE(eventually([&] { return server->gauges().connections == 2; }));
  RawClient three = server.connect();
  EXPECT_EQ(code_of(three.read_response()), "503 overloaded");
  one.close();
  ASSERT_TRUE(eventually([&] { return server->gauges().connections == 1; }));
  EXPECT_EQ(server.ask(get("/health")).body, "ok");
}

TEST(HttpServer, SaysSoWhenTheProcessIsOutOfDescriptorsAndRecovers) {
  Routes routes;
  RunningServer server(std::ref(routes));
  EXPECT_EQ(server.ask(get("/health")).body, "ok");
  ASSERT_TRUE(eventually([&] { return server->gauges().connections == 0; }));
  // Sockets of our own while there are descriptors, then as many fillers as it takes.
  std::vector<RawClient> clients(3);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(clients.back().descriptor()) + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  std::vector<int> fillers;
  for (int filler = 0; (filler = ::dup(0)) >= 0;) fillers.push_back(filler);
  for (RawClient& client : clients) {
    client.connect(server->port());
    EXPECT_EQ(code_of(client.read_response()), "503 overloaded");
  }
  for (const int filler : fillers) ::close(filler);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(server.ask(get("/health")).body, "ok");
}

TEST(HttpServer, DrainsOnStop) {
  Routes routes;
  RunningServer server(std::ref(routes));
  RawClient idle = server.connect(), held = server.connect(), streamed = server.connect();
  held.send(post("/hold", "{}"));
  streamed.send(post("/stream", "{}"));
  ASSERT_TRUE(eventually([&] { return routes.started == 2; }));
  const std::uint16_t port = server->port();
  server->stop(milliseconds(50));
  EXPECT_TRUE(idle.at_end());
  ASSERT_TRUE(eventually([&] { return !RawClient::to(port).connected(); }));
  // When the time is up the handlers are stopped with their clients still there, and may say so.
  EXPECT_EQ(held.read_response().status, 200);
  EXPECT_EQ(streamed.read_response().body, "firstlast");
  EXPECT_FALSE(routes.gone);
  server.stop(milliseconds(0));
}

TEST(HttpServer, ASignalDrainsAndTheNextOneWouldEndTheProcess) {
  struct sigaction during{}, after{};
  Routes routes;
  RunningServer server([&](HttpServer& it) {
    routes(it);
    it.stop_on_signals(milliseconds(60'000));
  });
  sigaction(SIGTERM, nullptr, &during);
  EXPECT_NE(during.sa_handler, SIG_DFL);
  RawClient held = server.connect();
  held.send(post("/hold", "{}"));
  ASSERT_TRUE(eventually([&] { return routes.started == 1; }));
  ::raise(SIGTERM);
  ASSERT_TRUE(eventually([&] { return server->gauges().draining; }));
  ASSERT_TRUE(eventually([&] {
    sigaction(SIGTERM, nullptr, &after);
    return after.sa_handler == SIG_DFL;
  }));
  held.close();
}

TEST(HttpServer, SaysWhyItCannotListen) {
  HttpServer first, second;
  ASSERT_TRUE(first.bind("127.0.0.1", 0).has_value());
  const Result<void> taken = second.bind("127.0.0.1", first.port());
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(taken.error().code, "address_in_use");
  EXPECT_NE(taken.error().message.find(std::to_string(first.port())), std::string::npos);
  EXPECT_EQ(second.bind("not-an-address", 0).error().code, "bad_address");
  EXPECT_EQ(second.bind("203.0.113.1", 0).error().code, "cannot_listen");
}

}  // namespace
}  // namespace bantam
