// LINK: bantam_server
//
// Requests, from bytes to routing, without a socket. What arrives in pieces means the same as what
// arrives at once; what is accepted keeps the promises that the rest of the server builds on. The
// first byte says how the rest is cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/request_parser.h"
#include "server/request_rules.h"

namespace {

using namespace bantam;
using State = RequestParser::State;

struct Outcome {
  State state = State::kHead;
  std::string error;
  RequestHead head;
  std::string body;
  std::size_t used = 0;
};

HttpLimits small_limits() {
  HttpLimits limits;
  limits.head_bytes = 2048;
  limits.head_fields = 16;
  limits.target_bytes = 256;
  limits.body_bytes = 512;
  return limits;
}

Outcome parse(std::string_view bytes, std::size_t step) {
  RequestParser parser(small_limits());
  Outcome out;
  for (std::size_t end = 0; end < bytes.size();) {
    end = std::min(bytes.size(), end + step);
    while (true) {
      const State before = parser.state();
      const std::size_t used = parser.consume(bytes.substr(out.used, end - out.used));
      CHECK(used <= end - out.used);
      out.used += used;
      if (parser.state() == State::kHeadDone) parser.accept_body();
      if (parser.state() == before && used == 0) break;
    }
  }
  out.state = parser.state();
  if (out.state == State::kFailed) {
    out.error = parser.error().code;
    CHECK(parser.error().status >= 400 && !parser.error().message.empty());
    CHECK(error_body(parser.error()).size() < 1200);
  }
  CHECK(parser.body_size() <= small_limits().body_bytes);
  if (out.state == State::kDone) {
    out.head = parser.head();
    out.body = parser.take_body();
  }
  return out;
}

// One reading of a path: taken apart, put together and taken apart again it is the same.
void check_target(const RequestHead& head) {
  const HttpResult<RequestTarget> target = parse_target(head.method, head.target);
  if (!target) {
    CHECK(target.error().status == 400);
    return;
  }
  std::string again;
  for (const std::string& segment : target->segments) {
    CHECK(!segment.empty() && segment != "." && segment != "..");
    again += '/';
    for (const char c : segment) again += fmt::format("%{:02x}", static_cast<unsigned char>(c));
  }
  if (again.empty()) again = "/";
  if (!target->asterisk) {
    const HttpResult<RequestTarget> second = parse_target("GET", again);
    CHECK(second.has_value() && second->segments == target->segments);
  }
  (void)check_host(head, *target, {"allowed.example"});
}

void check_accepted(const Outcome& request) {
  const RequestHead& head = request.head;
  CHECK(head.version == 10 || head.headers.count("Host") == 1);
  CHECK(head.headers.count("Transfer-Encoding") + head.headers.count("Content-Length") <= 1);
  for (const auto& [name, value] : head.headers.fields()) {
    CHECK(!name.empty());
    CHECK(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  check_target(head);
  (void)check_origin(head, {"https://allowed.example"});
  (void)check_body_type(head);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 4000) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = parse(bytes, bytes.size());
  const Outcome cut = parse(bytes, 1 + data[0] % 16);
  // What is not accepted may be refused at once or only when more has come.
  CHECK((whole.state == State::kDone) == (cut.state == State::kDone));
  if (whole.state == State::kDone) {
    CHECK(whole.used == cut.used && whole.body == cut.body);
    CHECK(whole.head.headers.fields() == cut.head.headers.fields());
    check_accepted(whole);
  }
  return 0;
}
