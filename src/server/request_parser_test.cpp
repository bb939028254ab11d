#include "server/request_parser.h"

#include <gtest/gtest.h>

namespace bantam {
namespace {

using State = RequestParser::State;

struct Parsed {
  std::string outcome;  // "ok", "more" or "400 bad_request"
  RequestHead head;
  std::string body;
  std::size_t used = 0;
};

// Presents `bytes` in steps of `step`, as a connection does.
Parsed parse(std::string_view bytes, std::size_t step, const HttpLimits& limits = {}) {
  RequestParser parser(limits);
  Parsed out;
  for (std::size_t end = 0; end < bytes.size();) {
    end = std::min(bytes.size(), end + step);
    while (true) {
      const State before = parser.state();
      const std::size_t used = parser.consume(bytes.substr(out.used, end - out.used));
      out.used += used;
      if (parser.state() == State::kHeadDone) parser.accept_body();
      if (parser.state() == before && used == 0) break;
    }
    if (parser.state() == State::kDone || parser.state() == State::kFailed) break;
  }
  if (parser.state() == State::kFailed) {
    out.outcome = fmt::format("{} {}", parser.error().status, parser.error().code);
  } else if (parser.state() == State::kDone) {
    out.outcome = "ok";
    out.head = parser.head();
    out.body = parser.take_body();
  } else {
    out.outcome = "more";
  }
  return out;
}

std::string outcome(std::string_view bytes, const HttpLimits& limits = {}) {
  const Parsed whole = parse(bytes, bytes.size(), limits);
  const Parsed slow = parse(bytes, 1, limits);
  EXPECT_EQ(whole.outcome, slow.outcome) << quoted(bytes, 400);
  EXPECT_EQ(whole.body, slow.body) << quoted(bytes, 400);
  if (whole.outcome == "ok") {
    EXPECT_EQ(whole.used, slow.used) << quoted(bytes, 400);
  }
  return whole.outcome;
}

TEST(RequestParser, ReadsHeadAndBodyHoweverTheyAreCut) {
  const std::string request =
      "\r\nPOST /x?y HTTP/1.1\r\nHost: localhost\r\nX-A:  b \r\nContent-Length: 5\r\n\r\nhello";
  for (std::size_t step = 1; step <= request.size(); ++step) {
    const Parsed parsed = parse(request + "GET", step);
    ASSERT_EQ(parsed.outcome, "ok");
    EXPECT_EQ(parsed.head.method, "POST");
    EXPECT_EQ(parsed.head.target, "/x?y");
    EXPECT_EQ(*parsed.head.headers.find("x-a"), "b");
    EXPECT_EQ(parsed.body, "hello");
    EXPECT_EQ(parsed.used, request.size());
  }
}

TEST(RequestParser, ReadsChunkedBodiesAndDropsTrailers) {
  const std::string request =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;ext=\"v\"\r\nabc\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nHost: evil\r\nX: y\r\n\r\n";
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, request.size()}) {
    const Parsed parsed = parse(request, step);
    ASSERT_EQ(parsed.outcome, "ok");
    EXPECT_EQ(parsed.body, "abcabcdefghijklmnopqrstuvwxyz");
    EXPECT_EQ(parsed.head.headers.count("Host"), 1u);
    EXPECT_EQ(parsed.head.headers.count("X"), 0u);
    EXPECT_EQ(parsed.used, request.size());
  }
}

TEST(RequestParser, RefusesMalformedRequests) {
  const std::string host = "Host: h\r\n";
  const std::string chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& bad : {
           "GET / HTTP/1.1\r\n\r\n" + std::string(),            // no Host
           "GET / HTTP/1.1\r\n" + host + host + "\r\n",         // two
           "GET / HTTP/1.1\r\n" + host + "A : b\r\n\r\n",       // space
           "GET / HTTP/1.1\r\n" + host + "A: b\r\n c\r\n\r\n",  // obs-fold
           "GET / HTTP/1.1\r\n" + host + ": b\r\n\r\n",         // no name
           "GET / HTTP/1.1\r\n" + host + "A\r\n\r\n",           // no colon
           "GET / HTTP/1.1\n" + host + "\n",                    // bare LF
           "GET  / HTTP/1.1\r\n" + host + "\r\n",
           "GET /\r\n" + host + "\r\n",                                   //
           "GE(T / HTTP/1.1\r\n" + host + "\r\n",                         //
           "POST / HTTP/1.1\r\n" + host + "Content-Length: +1\r\n\r\na",  //
           "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\na",
           "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
           "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
           "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n",
           "POST / HTTP/1.1\r\n" + host +
               "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
           chunked + "3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n",
           chunked + "g\r\n",
           chunked + "-1\r\n",
           chunked + "FFFFFFFFFFFFFFFFF\r\n",
           chunked + "3\r\nabcd\r\n0\r\n\r\n",
           chunked + "3\nabc\n0\n\n",
           chunked + "1;" + std::string(5000, 'x'),
       })
    EXPECT_EQ(outcome(bad), "400 bad_request") << quoted(bad, 200);
  EXPECT_EQ(outcome("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), "505 http_version");
  EXPECT_EQ(outcome("GET / HTTP/0.9\r\nHost: h\r\n\r\n"), "505 http_version");
}

TEST(RequestParser, HoldsTheLimitsBeforeTheBytesCome) {
  HttpLimits limits;
  limits.body_bytes = 10;
  limits.head_fields = 4;
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(outcome(post + "Content-Length: 11\r\n\r\n", limits), "413 body_too_large");
  EXPECT_EQ(outcome(post + "Content-Length: 10\r\n\r\n0123456789", limits), "ok");
  EXPECT_EQ(outcome(post + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n", limits),
            "413 body_too_large");
  EXPECT_EQ(outcome(post + "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n6\r\n", limits),
            "413 body_too_large");
  EXPECT_EQ(outcome(post + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits), "ok");
  EXPECT_EQ(outcome(post + "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", limits),
            "431 headers_too_large");
}

TEST(RequestParser, ReservesNothingOnTheWordOfAHeader) {
  RequestParser parser{HttpLimits{}};
  parser.consume("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 16777216\r\n\r\n");
  ASSERT_EQ(parser.state(), State::kHeadDone);
  parser.accept_body();
  ASSERT_EQ(parser.state(), State::kBody);
  parser.consume("x");
  EXPECT_EQ(parser.body_size(), 1u);
  EXPECT_LT(parser.body_capacity(), 4096u);
}

TEST(RequestParser, BlankLinesAreNoBeginning) {
  RequestParser parser{HttpLimits{}};
  EXPECT_EQ(parser.consume("\r\n\r\n\r"), 4u);
  EXPECT_FALSE(parser.begun());
  parser.consume("G");
  EXPECT_TRUE(parser.begun());
}

}  // namespace
}  // namespace bantam
