// HTTP/1.1 on one port: our own small face in front of the networking library.
//
// One thread does all the input and output and never blocks; handlers run on threads of their own,
// one a running request, or, if they are registered as `kInline`, at once on the I/O thread (for
// what needs no computing: /health answers whatever else is going on).
//
// What the server sees to, so that no handler has to:
//   * only well-formed requests arrive (request_parser.h, request_rules.h say what is refused);
//   * limits of size and time (HttpLimits), answered with a JSON error and a stable code;
//   * keep-alive, pipelining in order, chunked bodies, Expect: 100-continue, HEAD for every GET
//     route, OPTIONS, 404, and 405 with Allow;
//   * a POST body is application/json, not compressed, and from no foreign web page;
//   * a client that goes away while its request computes, streaming or not, sets request.stop. A
//     client that closes only its sending half counts as gone;
//   * a slow reader holds its own handler up, and nobody else;
//   * a handler that throws or answers nothing becomes a 500 with an incident number in the log.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/http_message.h"

namespace bantam {

// Where a handler puts its answer: either send() once, or start(), any number of write() and
// finish(). Used by one thread at a time. Breaking this order is a bug of ours and stops the
// program. Nothing here fails when the client has gone: the answer is then dropped.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;

  // The whole answer. Content-Length, Date, x-request-id and the connection headers are added.
  virtual void send(int status, const HttpHeaders& headers, std::string_view body) = 0;
  void send_json(int status, std::string_view body);
  void send_error(const HttpError& error);

  // The beginning of an answer whose length is not known yet.
  virtual void start(int status, const HttpHeaders& headers) = 0;
  // Hands bytes over, waiting while more than HttpLimits::unsent_bytes are unsent. False: the
  // client is gone (or has read nothing for HttpLimits::stall_time) and nothing more is wanted.
  virtual bool write(std::string_view bytes) = 0;
  virtual void finish() = 0;

  // Whether send() or start() has been called.
  virtual bool started() const = 0;
  // Whether nobody is there to read. When request.stop is set and this is false, it is the server
  // that stops, and the client wants to be told.
  virtual bool gone() const = 0;
};

using HttpHandler = std::function<void(const HttpRequest&, ResponseWriter&)>;

// Who may talk to the server besides a plain client on this machine.
struct HttpPolicy {
  // Host names accepted besides localhost and IP addresses; "*" accepts all. Guards against web
  // pages that point their own name at this machine (DNS rebinding).
  std::vector<std::string> hosts;
  // Origins ("https://chat.example") of web pages that may use the API; "*" accepts all.
  std::vector<std::string> origins;
};

enum class HandlerThread : std::uint8_t { kWorker, kInline };

class HttpServer {
 public:
  explicit HttpServer(HttpLimits limits = {}, HttpPolicy policy = {});
  // run() must have returned, or never been called.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Adds a route, before run(). `pattern` is "/v1/models" or "/v1/models/{}", where {} matches one
  // segment, or "/v1/models/{*}", where {*} at the end matches one or more segments, joined by '/'.
  // Handlers are called by several threads at once.
  void route(std::string_view method, std::string_view pattern, HttpHandler handler,
             HandlerThread thread = HandlerThread::kWorker);

  // Listens. `address` is an IPv4 or IPv6 address or "localhost"; port 0 takes a free one.
  // Errors: kUsage "bad_address", kPermission, kCannotCreate "address_in_use", kIo.
  Result<void> bind(std::string_view address, std::uint16_t port);
  std::uint16_t port() const;  // after bind()

  // SIGTERM and SIGINT call stop(drain); a second one ends the process at once, as if nobody had
  // ever caught it. Before run().
  void stop_on_signals(std::chrono::milliseconds drain);

  // Serves until stopped, on the calling thread, which becomes the I/O thread. Once in the life of
  // a server. When it returns, no connection is open and no handler runs.
  Result<void> run();

  // Any thread, any number of times. New connections are refused and idle ones closed at once;
  // running requests get `drain` to finish, then their stop token; one second later whatever is
  // left is closed.
  void stop(std::chrono::milliseconds drain);

  // For tests and /v1/limits: what is open right now. Any thread.
  struct Gauges {
    std::size_t connections = 0;
    std::size_t running = 0;
    bool draining = false;
  };
  Gauges gauges() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bantam
