#include "server/http_server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <utility>

#include "base/log.h"
#include "server/connection.h"

namespace bantam {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

// Answers a connection that there is no room for, without waiting for anything.
void turn_away(int descriptor) {
  const std::string body = error_body(overloaded_error("too many connections"));
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

  ServerCore& core() { return core_; }
  std::uint16_t port() const { return port_; }

 private:
  void accept();
  void on_accept(error_code failure, tcp::socket socket);
  bool shed();
  void arm_drain(int step);

  ServerCore core_;
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
  const ServerCore& core = impl_->core();
  return {.connections = core.open, .running = core.pool.running(), .draining = core.draining};
}

}  // namespace bantam
