#include "server/http_server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <optional>
#include <random>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "server/exchange.h"
#include "server/request_parser.h"
#include "server/request_rules.h"
#include "server/router.h"
#include "server/worker_pool.h"

namespace bantam {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

class Connection;

// What all connections share. Everything but the pool and the atomics belongs to the I/O thread.
struct Core {
  Core(const HttpLimits& limits_in, HttpPolicy policy_in)
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
  asio::io_context io{1};  // after what its handlers own and touch
  WorkerPool pool;         // last: its jobs end first
};

std::unexpected<HttpError> refuse(int status, std::string_view code, std::string message) {
  HttpError error;
  error.status = status;
  error.code = code;
  error.message = std::move(message);
  return std::unexpected(std::move(error));
}

HttpError overloaded(std::string message) {
  HttpError error;
  error.status = 503;
  error.code = "overloaded";
  error.message = std::move(message);
  error.headers.add("Retry-After", "1");
  return error;
}

// Runs a handler so that whatever it does, the exchange ends with an answer.
void run_handler(const HttpHandler& handler, const HttpRequest& request, Exchange& exchange) {
  std::string failure = "the handler did not answer";
  try {
    handler(request, exchange);
    if (exchange.complete()) return;
  } catch (const std::exception& exception) {
    failure = exception.what();
  }
  log_message(LogLevel::kError, fmt::format("request {} ({} {}): {}", request.id, request.method,
                                            quoted(request.path), failure));
  if (exchange.started()) return exchange.cut_off();
  HttpError error;
  error.code = "internal";
  error.message = fmt::format("internal error; the log has more under {}", request.id);
  exchange.send_error(error);
}

// One client. Lives on the I/O thread; a coroutine walks it through its requests. There is one way
// to wait: until notify() or a deadline, with the state looked at again afterwards.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Core& core, tcp::socket socket)
      : core_(core), socket_(std::move(socket)), wake_(core.io) {
    core_.connections.insert(this);
    core_.open = core_.connections.size();
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    const tcp::endpoint peer = socket_.remote_endpoint(ignored);
    if (!ignored) peer_ = peer.address().to_string();
  }
  ~Connection() {
    core_.connections.erase(this);
    core_.open = core_.connections.size();
    core_.body_bytes -= charged_;
    if (core_.connections.empty() && core_.all_closed) core_.all_closed();
  }

  asio::awaitable<void> run();

  void notify() { wake_.cancel(); }
  // Tells the running request to come to an end, with its client still there.
  void stop_request() {
    if (exchange_) exchange_->request_stop();
  }
  void close() {
    if (exchange_) exchange_->abandon();
    error_code ignored;
    socket_.close(ignored);
    peer_closed_ = true;
    notify();
  }

 private:
  struct Plan {
    Router::Match match;
    HttpRequest request;
    HttpHeaders headers;     // for the answer
    bool preflight = false;  // OPTIONS: answered here
  };

  asio::awaitable<void> wait(Clock::time_point deadline);
  asio::awaitable<bool> receive_head(RequestParser& parser, bool first);
  asio::awaitable<bool> receive_body(RequestParser& parser);
  asio::awaitable<bool> serve(RequestParser& parser);
  asio::awaitable<bool> answer(Plan plan, RequestParser& parser);
  asio::awaitable<bool> flush(std::shared_ptr<Exchange> exchange);
  asio::awaitable<void> answer_error(HttpError error, const RequestParser* parser, bool keep_alive);
  asio::awaitable<bool> write_all(std::string bytes);
  asio::awaitable<void> linger();

  HttpResult<Plan> plan(const RequestParser& parser);
  void answer_options(const Plan& plan, Exchange& exchange) const;
  std::shared_ptr<Exchange> make_exchange(const RequestParser* parser, std::string id,
                                          HttpHeaders headers, bool keep_alive);
  std::string new_id() { return fmt::format("req-{:016x}", core_.next_id++); }

  void start_read();
  void on_readable(error_code failure);
  void start_write();
  void charge_body(std::size_t bytes);

  Core& core_;
  tcp::socket socket_;
  asio::steady_timer wake_;
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
  bool lingering_ = false;
};

// --- waiting, reading, writing ---------------------------------------------------------------

asio::awaitable<void> Connection::wait(Clock::time_point deadline) {
  wake_.expires_at(deadline);
  co_await wake_.async_wait(asio::as_tuple(asio::use_awaitable));
}

// Waits for readability instead of reading: an idle connection then needs no buffer. Of a client
// that sends far ahead we stop reading, and so learn that it has left only when we write.
void Connection::start_read() {
  if (reading_ || peer_closed_ || in_.size() >= core_.limits.head_bytes + core_.block.size())
    return;
  reading_ = true;
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code failure) {
    self->on_readable(failure);
  });
}

void Connection::on_readable(error_code failure) {
  reading_ = false;
  if (!failure) {
    const std::size_t bytes = socket_.read_some(asio::buffer(core_.block), failure);
    if (failure == asio::error::would_block || failure == asio::error::interrupted) failure = {};
    in_.append(core_.block.data(), bytes);
  }
  if (failure) peer_closed_ = true;
  if (exchange_) {  // a request is being computed: this is how we learn that its client left
    if (peer_closed_) exchange_->abandon();
    start_read();
  }
  notify();
}

void Connection::start_write() {
  const auto on_written = [self = shared_from_this()](error_code failure, std::size_t bytes) {
    self->out_at_ += bytes;
    self->last_progress_ = Clock::now();
    if (!failure && self->out_at_ < self->out_.size()) return self->start_write();
    self->writing_ = false;
    self->write_failed_ = bool(failure);
    self->notify();
  };
  socket_.async_write_some(asio::buffer(out_.data() + out_at_, out_.size() - out_at_), on_written);
}

// False: the connection is broken, or its reader has taken nothing for too long.
asio::awaitable<bool> Connection::write_all(std::string bytes) {
  out_ = std::move(bytes);
  out_at_ = 0;
  writing_ = true;
  last_progress_ = Clock::now();
  start_write();
  while (writing_) {
    const Clock::time_point deadline = last_progress_ + core_.limits.stall_time;
    if (Clock::now() >= deadline || !socket_.is_open()) co_return false;
    co_await wait(deadline);
  }
  co_return !write_failed_;
}

void Connection::charge_body(std::size_t bytes) {
  core_.body_bytes = core_.body_bytes - charged_ + bytes;
  charged_ = bytes;
}

// --- one request -----------------------------------------------------------------------------

// False: there is no request; what had to be said has been said.
asio::awaitable<bool> Connection::receive_head(RequestParser& parser, bool first) {
  const HttpLimits& limits = core_.limits;
  Clock::time_point deadline = Clock::now() + (first ? limits.head_time : limits.idle_time);
  bool begun = false;
  while (true) {
    in_.erase(0, parser.consume(in_));
    if (parser.state() != RequestParser::State::kHead) break;
    if (peer_closed_ || (core_.stopping && !parser.begun())) co_return false;
    if (!begun && parser.begun()) {
      begun = true;
      deadline = std::min(deadline, Clock::now() + limits.head_time);
    }
    if (Clock::now() >= deadline) {
      if (!begun) co_return false;
      HttpError error = refuse(408, "slow_request", "the header took too long to arrive").error();
      co_await answer_error(std::move(error), nullptr, false);
      co_return false;
    }
    start_read();
    co_await wait(deadline);
  }
  if (parser.state() == RequestParser::State::kHeadDone) co_return true;
  co_await answer_error(parser.error(), nullptr, false);
  co_return false;
}

asio::awaitable<bool> Connection::receive_body(RequestParser& parser) {
  const Clock::time_point deadline = Clock::now() + core_.limits.body_time;
  if (parser.framing().expects_continue && in_.empty()) {
    if (!co_await write_all("HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
  }
  std::optional<HttpError> error;
  while (true) {
    in_.erase(0, parser.consume(in_));
    charge_body(parser.body_size());
    if (parser.state() == RequestParser::State::kFailed) error = parser.error();
    if (core_.body_bytes > core_.limits.all_bodies_bytes)
      error = overloaded("too many large requests at once");
    if (error || parser.state() == RequestParser::State::kDone) break;
    if (peer_closed_) co_return false;
    if (Clock::now() >= deadline)
      error = refuse(408, "slow_request", "the body took too long to arrive").error();
    if (error) break;
    start_read();
    co_await wait(deadline);
  }
  if (!error) co_return true;
  parser.take_body();  // what came is given back before the client takes its time to read
  charge_body(0);
  co_await answer_error(*std::move(error), &parser, false);
  co_return false;
}

// Everything that can be decided before the body.
HttpResult<Connection::Plan> Connection::plan(const RequestParser& parser) {
  const RequestHead& head = parser.head();
  RequestTarget target = TRY(parse_target(head.method, head.target));
  TRY(check_host(head, target, core_.policy.hosts));
  Plan plan;
  if (auto origin = TRY(check_origin(head, core_.policy.origins))) {
    plan.headers.add("Access-Control-Allow-Origin", *origin);
    plan.headers.add("Access-Control-Expose-Headers", "x-request-id, retry-after");
    plan.headers.add("Vary", "Origin");
  }
  if (head.method == "OPTIONS") {
    plan.preflight = true;
    const std::string allowed = target.asterisk ? "GET, HEAD, POST, OPTIONS"
                                                : core_.router.allowed_methods(target.segments);
    if (allowed.empty()) return refuse(404, "not_found", "there is nothing at this path");
    plan.headers.add("Allow", allowed);
    if (plan.headers.find("Access-Control-Allow-Origin")) {
      plan.headers.add("Access-Control-Allow-Methods", allowed);
      plan.headers.add("Access-Control-Allow-Headers", "authorization, content-type, *");
      plan.headers.add("Access-Control-Max-Age", "600");
    }
  } else {
    plan.match = TRY(core_.router.find(head.method, target.segments));
  }
  if (head.method == "POST") {
    TRY(check_body_type(head));
  } else if (parser.framing().has_body()) {
    return refuse(400, "bad_request", fmt::format("{} takes no body here", quoted(head.method)));
  }
  plan.request.method = head.method;
  plan.request.path = target.path();
  plan.request.query = std::move(target.query);
  plan.request.headers = head.headers;
  plan.request.peer = peer_;
  plan.request.parameters = std::move(plan.match.parameters);
  return plan;
}

std::shared_ptr<Exchange> Connection::make_exchange(const RequestParser* parser, std::string id,
                                                    HttpHeaders headers, bool keep_alive) {
  Exchange::Setup setup;
  setup.id = std::move(id);
  setup.headers = std::move(headers);
  setup.keep_alive = keep_alive && !core_.stopping;
  setup.unsent_bytes = core_.limits.unsent_bytes;
  setup.stall_time = core_.limits.stall_time;
  if (parser) {
    setup.http10 = parser->head().version < 11;
    setup.head_only = parser->head().method == "HEAD";
  }
  std::function<void()> wake = [weak = weak_from_this(), &io = core_.io] {
    asio::post(io, [weak] {
      if (const auto self = weak.lock()) self->notify();
    });
  };
  return std::make_shared<Exchange>(std::move(setup), std::move(wake));
}

asio::awaitable<void> Connection::answer_error(HttpError error, const RequestParser* parser,
                                               bool keep_alive) {
  const auto exchange = make_exchange(parser, new_id(), {}, keep_alive);
  exchange->send_error(error);
  co_await flush(exchange);
}

// True: the connection is good for another request.
asio::awaitable<bool> Connection::serve(RequestParser& parser) {
  HttpResult<Plan> plan = this->plan(parser);
  const bool keep_alive = parser.framing().keep_alive;
  if (!plan) {
    const bool clean = keep_alive && !parser.framing().has_body();
    co_await answer_error(std::move(plan.error()), &parser, clean);
    co_return clean;
  }
  parser.accept_body();
  if (parser.state() == RequestParser::State::kBody && !co_await receive_body(parser))
    co_return false;
  plan->request.body = parser.take_body();
  const bool reusable = co_await answer(*std::move(plan), parser);
  charge_body(0);
  co_return reusable;
}

asio::awaitable<bool> Connection::answer(Plan plan, RequestParser& parser) {
  std::string id = new_id();
  plan.request.id = id;
  const auto exchange =
      make_exchange(&parser, std::move(id), std::move(plan.headers), parser.framing().keep_alive);
  plan.request.stop = exchange->stop_token();
  if (plan.preflight) {
    exchange->send(204, {}, "");
  } else if (plan.match.route->thread == HandlerThread::kInline) {
    run_handler(plan.match.route->handler, plan.request, *exchange);
  } else {
    const auto request = std::make_shared<HttpRequest>(std::move(plan.request));
    const auto job = [route = plan.match.route, request, exchange] {
      run_handler(route->handler, *request, *exchange);
    };
    exchange_ = exchange;
    if (peer_closed_) exchange->abandon();
    if (!core_.pool.submit(job)) {
      exchange->send_error(overloaded(
          fmt::format("{} requests are running, which is the limit", core_.limits.running)));
    }
  }
  const bool reusable = co_await flush(exchange);
  exchange_ = nullptr;
  co_return reusable;
}

// Sends what the exchange gives until it is complete.
asio::awaitable<bool> Connection::flush(std::shared_ptr<Exchange> exchange) {
  while (true) {
    Exchange::Output output = exchange->take();
    const bool empty = output.bytes.empty();
    if (!empty && !co_await write_all(std::move(output.bytes))) {
      exchange->abandon();
      co_return false;
    }
    if (output.complete) co_return output.keep_alive&& socket_.is_open();
    start_read();
    // Only after an empty look may we sleep: what came meanwhile woke write_all instead of us.
    if (empty) co_await wait(Clock::time_point::max());
  }
}

// Lets the last answer arrive: closing with unread input would make the system discard it.
asio::awaitable<void> Connection::linger() {
  if (writing_ || write_failed_) co_return;  // nobody reads
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  const Clock::time_point deadline = Clock::now() + core_.limits.linger_time;
  std::size_t dropped = 0;
  while (!peer_closed_ && Clock::now() < deadline && dropped < core_.limits.linger_bytes &&
         !core_.stopping) {
    dropped += in_.size();
    in_.clear();
    start_read();
    co_await wait(deadline);
  }
}

asio::awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  try {
    bool first = true;
    while (true) {
      RequestParser parser(core_.limits);
      if (!co_await receive_head(parser, first)) break;
      if (!co_await serve(parser)) break;
      first = false;
    }
    co_await linger();
  } catch (const std::exception& exception) {  // out of memory: this client's loss only
    log_warning("a connection is given up: {}", exception.what());
  }
  close();
}

// Answers a connection that there is no room for, without waiting for anything.
void turn_away(int descriptor) {
  const std::string body = error_body(overloaded("too many connections"));
  const std::string text = fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
      "Connection: close\r\nContent-Length: {}\r\n\r\n{}",
      body.size(), body);
  (void)!::send(descriptor, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::shutdown(descriptor, SHUT_WR);
  // What has come already is read, or else the system would discard our answer on closing.
  std::array<char, 4096> sink;
  for (int i = 0; i < 16; ++i)
    if (::recv(descriptor, sink.data(), sink.size(), MSG_DONTWAIT) <= 0) break;
}

int reserve_descriptor() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

// Descriptors this process may use for connections; the soft limit is raised as far as allowed.
std::size_t connection_limit(std::size_t wanted) {
  constexpr rlim_t kReserve = 64;  // model files, logs, the event queue
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  const rlim_t needed = wanted + kReserve;
  if (limit.rlim_cur < needed) {
    limit.rlim_cur = std::min(needed, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= needed) return wanted;
  return limit.rlim_cur > kReserve ? limit.rlim_cur - kReserve : 1;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const HttpLimits& limits, HttpPolicy policy) : core_(limits, std::move(policy)) {
    core_.all_closed = [this] {
      if (core_.stopping) drain_timer_.cancel();
    };
  }
  ~Impl() {
    core_.all_closed = nullptr;
    if (reserve_ >= 0) ::close(reserve_);
  }

  Result<void> bind(std::string_view address, std::uint16_t port);
  Result<void> run();
  void begin_stop(std::chrono::milliseconds drain);
  void stop_on_signals(std::chrono::milliseconds drain);

  Core& core() { return core_; }
  std::uint16_t port() const { return port_; }

 private:
  void accept();
  void on_accept(error_code failure, tcp::socket socket);
  bool shed();
  void arm_drain(int step);

  Core core_;
  tcp::acceptor acceptor_{core_.io};
  asio::signal_set signals_{core_.io};
  asio::steady_timer drain_timer_{core_.io};
  asio::steady_timer retry_timer_{core_.io};
  Clock::time_point drain_deadline_ = Clock::time_point::max();
  std::size_t max_connections_ = 0;
  std::uint16_t port_ = 0;
  int reserve_ = -1;
};

Result<void> HttpServer::Impl::bind(std::string_view address, std::uint16_t port) {
  error_code failure;
  const std::string name(address == "localhost" ? "127.0.0.1" : address);
  const asio::ip::address parsed = asio::ip::make_address(name, failure);
  if (failure)
    return fail(ErrorKind::kUsage, "bad_address", "{} is not an IP address", quoted(address));
  const tcp::endpoint endpoint(parsed, port);
  acceptor_.open(endpoint.protocol(), failure);
  if (!failure) acceptor_.set_option(tcp::acceptor::reuse_address(true), failure);
  if (!failure) acceptor_.bind(endpoint, failure);
  if (!failure) acceptor_.listen(tcp::acceptor::max_listen_connections, failure);
  const tcp::endpoint bound = failure ? endpoint : acceptor_.local_endpoint(failure);
  if (!failure) {
    port_ = bound.port();
    max_connections_ = connection_limit(core_.limits.connections);
    reserve_ = reserve_descriptor();
    return {};
  }
  error_code ignored;
  acceptor_.close(ignored);
  if (failure == asio::error::address_in_use) {
    return fail(ErrorKind::kCannotCreate, "address_in_use",
                "port {} of {} is in use by another program; choose one with --port", port, name);
  }
  const ErrorKind kind =
      failure == asio::error::access_denied ? ErrorKind::kPermission : ErrorKind::kIo;
  return fail(kind, "cannot_listen", "cannot listen on {} port {}: {}", name, port,
              failure.message());
}

void HttpServer::Impl::accept() {
  acceptor_.async_accept(
      [this](error_code failure, tcp::socket socket) { on_accept(failure, std::move(socket)); });
}

void HttpServer::Impl::on_accept(error_code failure, tcp::socket socket) {
  if (core_.stopping || failure == asio::error::operation_aborted) return;
  const bool exhausted = failure == asio::error::no_descriptors ||
                         failure == boost::system::errc::too_many_files_open_in_system;
  bool go_on = !failure || failure == asio::error::connection_aborted;
  if (exhausted) {
    go_on = shed();
  } else if (!failure && core_.connections.size() >= max_connections_) {
    turn_away(socket.native_handle());
  } else if (!failure) {
    const auto connection = std::make_shared<Connection>(core_, std::move(socket));
    asio::co_spawn(core_.io, connection->run(), asio::detached);
  }
  if (go_on) return accept();
  retry_timer_.expires_after(std::chrono::milliseconds(50));
  retry_timer_.async_wait([this](error_code cancelled) {
    if (!cancelled && !core_.stopping) accept();
  });
}

// Out of descriptors: gives the reserve up to accept one client and tell it so. Without this the
// listener would stay readable and the loop spin. False: not even that worked.
bool HttpServer::Impl::shed() {
  if (reserve_ >= 0) ::close(std::exchange(reserve_, -1));
  const int client = ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
  if (client >= 0) {
    turn_away(client);
    ::close(client);
  }
  reserve_ = reserve_descriptor();
  return client >= 0;
}

void HttpServer::Impl::begin_stop(std::chrono::milliseconds drain) {
  core_.stopping = true;
  core_.draining = true;
  error_code ignored;
  acceptor_.close(ignored);
  signals_.cancel(ignored);
  retry_timer_.cancel();
  for (Connection* connection : core_.connections) connection->notify();
  const auto longest = std::chrono::hours(24 * 365);  // so that adding cannot overflow
  drain_deadline_ =
      std::min(drain_deadline_, Clock::now() + std::min<Clock::duration>(drain, longest));
  if (!core_.connections.empty()) arm_drain(0);
}

// Step 0: time to finish. Step 1: time to say that it is over. Then every connection is closed.
void HttpServer::Impl::arm_drain(int step) {
  drain_timer_.expires_at(step == 0 ? drain_deadline_ : Clock::now() + std::chrono::seconds(1));
  drain_timer_.async_wait([this, step](error_code failure) {
    if (failure || core_.connections.empty()) return;
    for (Connection* connection : core_.connections) {
      step == 0 ? connection->stop_request() : connection->close();
    }
    if (step == 0) arm_drain(1);
  });
}

void HttpServer::Impl::stop_on_signals(std::chrono::milliseconds drain) {
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  signals_.async_wait([this, drain](error_code failure, int) {
    if (failure) return;
    error_code ignored;
    signals_.clear(ignored);  // gives the signals their default meaning back: the next one ends us
    begin_stop(drain);
  });
}

Result<void> HttpServer::Impl::run() {
  CHECK(core_.stopping || acceptor_.is_open(), "run() before bind()");
  if (!core_.stopping) accept();
  for (bool ended = false; !ended;) {
    try {
      core_.io.run();
      ended = true;
    } catch (const std::exception& exception) {  // out of memory in between: go on without it
      log_warning("an I/O event is lost: {}", exception.what());
    }
  }
  core_.pool.join();
  return {};
}

HttpServer::HttpServer(HttpLimits limits, HttpPolicy policy)
    : impl_(std::make_unique<Impl>(limits, std::move(policy))) {}

HttpServer::~HttpServer() = default;

void HttpServer::route(std::string_view method, std::string_view pattern, HttpHandler handler,
                       HandlerThread thread) {
  impl_->core().router.add(method, pattern, std::move(handler), thread);
}

Result<void> HttpServer::bind(std::string_view address, std::uint16_t port) {
  return impl_->bind(address, port);
}

std::uint16_t HttpServer::port() const { return impl_->port(); }

void HttpServer::stop_on_signals(std::chrono::milliseconds drain) { impl_->stop_on_signals(drain); }

Result<void> HttpServer::run() { return impl_->run(); }

void HttpServer::stop(std::chrono::milliseconds drain) {
  asio::post(impl_->core().io, [impl = impl_.get(), drain] { impl->begin_stop(drain); });
}

HttpServer::Gauges HttpServer::gauges() const {
  const Core& core = impl_->core();
  return {.connections = core.open, .running = core.pool.running(), .draining = core.draining};
}

}  // namespace bantam
