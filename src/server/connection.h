// One client's connection. Internal to the HTTP server: the only header that shows the networking
// library, for http_server.cpp and connection.cpp.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <unordered_set>
#include <utility>

#include "server/exchange.h"
#include "server/request_parser.h"
#include "server/router.h"
#include "server/worker_pool.h"

namespace bantam {

class Connection;

// What all connections share. Everything but the pool and the atomics belongs to the I/O thread.
struct ServerCore {
  ServerCore(const HttpLimits& limits_in, HttpPolicy policy_in)
      : limits(limits_in), policy(std::move(policy_in)), pool(limits_in.running) {}

  const HttpLimits limits;
  const HttpPolicy policy;
  Router router;
  std::unordered_set<Connection*> connections;
  std::function<void()> all_closed;    // called when the last connection has gone
  std::size_t body_bytes = 0;          // received and not yet answered, of all connections
  std::array<char, 64 << 10> block{};  // where every read lands first
  std::uint64_t next_id = std::random_device{}() * std::uint64_t{1} << 20;
  bool stopping = false;
  std::atomic<std::size_t> open{0};
  std::atomic<bool> draining{false};
  boost::asio::io_context io{1};  // after what its handlers own and touch
  WorkerPool pool;                // last: its jobs end first
};

// One client. Lives on the I/O thread; a coroutine walks it through its requests. There is one way
// to wait: until notify() or a deadline, with the state looked at again afterwards.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ServerCore& core, boost::asio::ip::tcp::socket socket);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Serves until either side has had enough, then closes. Call once.
  boost::asio::awaitable<void> run();

  void notify() { wake_.cancel(); }
  // Tells the running request to come to an end, with its client still there.
  void stop_request() {
    if (exchange_) exchange_->request_stop();
  }
  // At once, whatever is going on.
  void close();

 private:
  using Clock = std::chrono::steady_clock;

  struct Plan {
    Router::Match match;
    HttpRequest request;
    HttpHeaders headers;     // for the answer
    bool preflight = false;  // OPTIONS: answered here
  };

  boost::asio::awaitable<void> wait(Clock::time_point deadline);
  boost::asio::awaitable<bool> receive_head(RequestParser& parser, bool first);
  boost::asio::awaitable<bool> receive_body(RequestParser& parser);
  boost::asio::awaitable<bool> serve(RequestParser& parser);
  boost::asio::awaitable<bool> answer(Plan plan, const RequestParser& parser);
  boost::asio::awaitable<bool> flush(std::shared_ptr<Exchange> exchange);
  boost::asio::awaitable<void> answer_error(HttpError error, const RequestParser* parser,
                                            bool keep_alive);
  boost::asio::awaitable<bool> write_all(std::string bytes);
  boost::asio::awaitable<void> linger();

  HttpResult<Plan> plan(const RequestParser& parser);
  std::shared_ptr<Exchange> make_exchange(const RequestParser* parser, std::string id,
                                          HttpHeaders headers, bool keep_alive);
  std::string new_id() { return fmt::format("req-{:016x}", core_.next_id++); }

  void start_read();
  void on_readable(boost::system::error_code failure);
  void start_write();
  void charge_body(std::size_t bytes);

  ServerCore& core_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer wake_;
  std::string peer_;
  std::string in_;  // received and not yet consumed
  std::string out_;
  std::size_t out_at_ = 0;
  Clock::time_point last_progress_;
  std::shared_ptr<Exchange> exchange_;  // of the running request
  std::size_t charged_ = 0;             // of core_.body_bytes
  bool reading_ = false;
  bool writing_ = false;
  bool write_failed_ = false;
  bool peer_closed_ = false;
};

}  // namespace bantam
