#include "server/request_rules.h"

#include <gtest/gtest.h>

namespace bantam {
namespace {

RequestHead head(HttpHeaders headers, int version = 11) {
  return {.method = "POST", .target = "/", .version = version, .headers = std::move(headers)};
}

template <typename T>
std::string outcome(const HttpResult<T>& result) {
  return result ? "ok" : fmt::format("{} {}", result.error().status, result.error().code);
}

std::string path_of(std::string_view target) {
  const HttpResult<RequestTarget> parsed = parse_target("GET", target);
  return parsed ? fmt::format("{}|{}", fmt::join(parsed->segments, "|"), parsed->query)
                : outcome(parsed);
}

TEST(ParseTarget, SplitsThenDecodesSoThatAnEncodedSlashIsData) {
  EXPECT_EQ(path_of("/"), "|");
  EXPECT_EQ(path_of("/v1/models"), "v1|models|");
  EXPECT_EQ(path_of("/v1/models/"), "v1|models|");
  EXPECT_EQ(path_of("/v1/models/a%2Fb%20c"), "v1|models|a/b c|");
  EXPECT_EQ(path_of("/v1/x?y=/../z"), "v1|x|y=/../z");
  EXPECT_EQ(path_of("/%76%31/%C3%A9"), "v1|\xC3\xA9|");
  EXPECT_EQ(path_of("/%2576"), "%76|");  // decoded once
  EXPECT_EQ(path_of("/v1;x=1/y"), "v1;x=1|y|");
  EXPECT_EQ(path_of("http://localhost:80/v1?q"), "v1|q");
  EXPECT_EQ(path_of("HTTP://localhost"), "|");
}

TEST(ParseTarget, RefusesWhatTwoReadersCouldReadDifferently) {
  for (const std::string_view target : {"//v1/x",
                                        "/v1//x",
                                        "/v1/x//",
                                        "/v1/../admin",
                                        "/..",
                                        "/.",
                                        "/v1/%2e%2e/admin",
                                        "/v1/%2E./admin",
                                        "/v1/x%2f..%2fadmin",
                                        "/v1/a%2f.%2fb",
                                        "/v1\\x",
                                        "/v1/%5cx",
                                        "/%00",
                                        "/%0d%0aX",
                                        "/%7f",
                                        "/%",
                                        "/%4",
                                        "/%zz",
                                        "/%ff",
                                        "/%c0%ae",
                                        "/x#y",
                                        "/x y",
                                        "/\xC3\xA9",
                                        "/\x01",
                                        "",
                                        "v1",
                                        "*",
                                        "ftp://localhost/",
                                        "https://localhost/",
                                        "http://",
                                        "http://a b/",
                                        "http:///x",
                                        "http://user@host/",
                                        "http://h:99999/",
                                        "?x"}) {
    EXPECT_EQ(path_of(target), "400 bad_target") << target;
  }
}

TEST(ParseTarget, AsteriskIsForOptionsOnly) {
  const HttpResult<RequestTarget> options = parse_target("OPTIONS", "*");
  ASSERT_TRUE(options.has_value());
  EXPECT_TRUE(options->asterisk);
  EXPECT_EQ(outcome(parse_target("GET", "*")), "400 bad_target");
}

TEST(CheckFraming, RefusesWhatSmugglersUse) {
  const auto framing = [](HttpHeaders headers, int version = 11) {
    return outcome(check_framing(head(std::move(headers), version)));
  };
  EXPECT_EQ(framing({{"Host", "h"}}), "ok");
  EXPECT_EQ(framing({}), "400 bad_request");
  EXPECT_EQ(framing({}, 10), "ok");
  EXPECT_EQ(framing({{"Host", "h"}, {"host", "h"}}), "400 bad_request");
  EXPECT_EQ(framing({{"Host", "h"}, {"Transfer-Encoding", "xchunked"}}), "400 bad_request");
  EXPECT_EQ(framing({{"Host", "h"}, {"Transfer-Encoding", "gzip, chunked"}}), "400 bad_request");
  EXPECT_EQ(framing({{"Host", "h"}, {"Transfer-Encoding", "chunked, chunked"}}), "400 bad_request");
  EXPECT_EQ(framing({{"Host", "h"}, {"Transfer-Encoding", ""}}), "400 bad_request");
  EXPECT_EQ(framing({{"Host", "h"}, {"Transfer-Encoding", "Chunked"}}), "ok");
  EXPECT_EQ(framing({{"Host", "h"}, {"Transfer-Encoding", "chunked"}}, 10), "400 bad_request");
  EXPECT_EQ(framing({{"Host", "h"}, {"Transfer-Encoding", "chunked"}, {"Content-Length", "1"}}),
            "400 bad_request");
  for (const char* length : {"", "+1", "-1", " 1", "1 ", "0x1", "1,1", "1, 2",
                             "18446744073709551616", "99999999999999999999999"})
    EXPECT_EQ(framing({{"Host", "h"}, {"Content-Length", length}}), "400 bad_request") << length;
  EXPECT_EQ(framing({{"Host", "h"}, {"Content-Length", "1"}, {"content-length", "1"}}),
            "400 bad_request");
  EXPECT_EQ(framing({{"Host", "h"}, {"Authorization", "a"}, {"Authorization", "a"}}),
            "400 bad_request");
  EXPECT_EQ(framing({{"Host", "h"}, {"Expect", "200-maybe"}}), "417 expectation");
}

TEST(CheckFraming, ReadsLengthAndConnection) {
  const auto framing = check_framing(head({{"Host", "h"},
                                           {"Content-Length", "18446744073709551615"},
                                           {"Expect", "100-Continue"},
                                           {"Connection", "upgrade"},
                                           {"Connection", "x , Close"}}));
  ASSERT_TRUE(framing.has_value());
  EXPECT_EQ(framing->content_length, 18446744073709551615u);
  EXPECT_TRUE(framing->expects_continue);
  EXPECT_FALSE(framing->keep_alive);
  EXPECT_TRUE(framing->has_body());
  EXPECT_FALSE(check_framing(head({}, 10))->keep_alive);
}

std::string host_check(std::string host, std::vector<std::string> allowed = {},
                       std::string authority = "") {
  RequestTarget target;
  target.authority = std::move(authority);
  return outcome(check_host(head({{"Host", std::move(host)}}), target, allowed));
}

TEST(CheckHost, AcceptsThisMachineAndAddressesOnly) {
  for (const char* host : {"localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "[::1]",
                           "[::1]:8080", "192.168.1.7:80", "[fe80::1]:65535"})
    EXPECT_EQ(host_check(host), "ok") << host;
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                           "evil.example:8080", "0x7f.1", "1.2.3", "256.1.1.1", "[localhost]"})
    EXPECT_EQ(host_check(host), "403 host_not_allowed") << host;
  for (const char* host :
       {"", ":80", "[::1", "[]", "::1", "a b", "localhost:", "localhost:x", "localhost:65536",
        "localhost:-1", "[::1]x", "[::1]80", "a/b", "u@h", "localhost:80:80"})
    EXPECT_EQ(host_check(host), "400 bad_request") << host;
}

TEST(CheckHost, AcceptsConfiguredNamesAndComparesTheTarget) {
  EXPECT_EQ(host_check("Box.lan:80", {"box.LAN"}), "ok");
  EXPECT_EQ(host_check("other.lan", {"box.lan"}), "403 host_not_allowed");
  EXPECT_EQ(host_check("other.lan", {"*"}), "ok");
  EXPECT_EQ(host_check("localhost", {}, "localhost"), "ok");
  EXPECT_EQ(host_check("localhost", {}, "127.0.0.1"), "400 bad_request");
}

TEST(CheckOrigin, OnlyThePageServedFromHereOrAllowed) {
  const auto origin = [](std::string value, std::vector<std::string> allowed = {}) {
    return check_origin(head({{"Host", "localhost:8080"}, {"Origin", std::move(value)}}), allowed);
  };
  EXPECT_EQ(outcome(check_origin(head({{"Host", "localhost"}}), {})), "ok");
  EXPECT_EQ(outcome(origin("http://localhost:8080")), "ok");
  EXPECT_EQ(outcome(origin("https://LOCALHOST:8080")), "ok");
  for (const char* other :
       {"null", "", "http://localhost", "http://localhost:80801", "http://evil.example",
        "http://localhost:8080.evil.example", "file://", "chrome-extension://x"})
    EXPECT_EQ(outcome(origin(other)), "403 origin_not_allowed") << other;
  EXPECT_EQ(origin("https://chat.example", {"https://chat.example"})->value(),
            "https://chat.example");
  EXPECT_EQ(origin("null", {"*"})->value(), "null");
}

TEST(IsLoopback, KnowsBothFamilies) {
  for (const char* address : {"localhost", "127.0.0.1", "127.8.9.1", "::1"})
    EXPECT_TRUE(is_loopback(address)) << address;
  for (const char* address : {"0.0.0.0", "128.0.0.1", "::", "fe80::1", "", "localhost.x", "host"})
    EXPECT_FALSE(is_loopback(address)) << address;
}

TEST(CheckBodyType, OnlyPlainJson) {
  const auto type = [](HttpHeaders headers) { return outcome(check_body_type(head(headers))); };
  for (const char* good :
       {"application/json", "Application/JSON", "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"", "application/json ; x=y"})
    EXPECT_EQ(type({{"Content-Type", good}}), "ok") << good;
  for (const char* bad :
       {"text/plain", "", "application/jsonp", "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x", "application/json; charset=latin1", "text/json"})
    EXPECT_EQ(type({{"Content-Type", bad}}), "415 media_type") << bad;
  EXPECT_EQ(type({}), "415 media_type");
  EXPECT_EQ(type({{"Content-Type", "application/json"}, {"Content-Encoding", "identity"}}), "ok");
  for (const char* coding : {"gzip", "br", "zstd", "deflate", "gzip, gzip", ""}) {
    EXPECT_EQ(type({{"Content-Type", "application/json"}, {"Content-Encoding", coding}}),
              "415 content_encoding")
        << coding;
  }
}

std::string scan(std::string_view bytes, HttpLimits limits = {}) {
  HeadScanner whole;
  const auto at_once = whole.scan(bytes, limits);
  HeadScanner slow;
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    const auto step = slow.scan(bytes.substr(0, size), limits);
    if (!step || *step > 0) {
      EXPECT_EQ(step.has_value(), at_once.has_value()) << bytes;
      if (step && at_once) {
        EXPECT_EQ(*step, *at_once) << bytes;
      }
      break;
    }
  }
  return at_once ? fmt::format("{}", *at_once) : outcome(at_once);
}

TEST(HeadScanner, FindsTheEndAndRefusesOddLines) {
  EXPECT_EQ(scan("GET / HTTP/1.1\r\nHost: x\r\n\r\nrest\n\n"), "27");
  EXPECT_EQ(scan("GET / HTTP/1.1\r\nHost: x\r\n"), "0");
  EXPECT_EQ(scan("GET / HTTP/1.1\r\nHost: \xFF\r\n\r\n"), "27");
  for (const std::string_view bad :
       {std::string_view("GET / HTTP/1.1\nHost: x\r\n\r\n"),
        std::string_view("GET / HTTP/1.1\r\nHost: x\n\r\n"),
        std::string_view("GET / HTTP/1.1\r\nHost: x\r\n\n"),
        std::string_view("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"),
        std::string_view("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
        std::string_view("GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n"),
        std::string_view("GET / HTTP/1.1\r\n A: b\r\n\r\n"),
        std::string_view("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 25),
        std::string_view("\x16\x03\x01\x02"), std::string_view("GET /\xC3\xA9 HTTP/1.1\r\n\r\n")})
    EXPECT_EQ(scan(bad), "400 bad_request") << quoted(bad);
}

TEST(HeadScanner, HoldsTheLimits) {
  HttpLimits limits;
  limits.target_bytes = 100;
  limits.head_bytes = 300;
  EXPECT_EQ(scan("GET /" + std::string(200, 'a'), limits), "414 uri_too_long");
  EXPECT_EQ(scan("GET / HTTP/1.1\r\nA: " + std::string(400, 'a'), limits), "431 headers_too_large");
  EXPECT_EQ(scan("GET / HTTP/1.1\r\nA: " + std::string(250, 'a') + "\r\n\r\n", limits), "273");
}

}  // namespace
}  // namespace bantam
