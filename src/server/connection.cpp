#include "server/connection.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "base/log.h"
#include "server/request_rules.h"

namespace bantam {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

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
  exchange.send_error(make_http_error(
      500, "internal", fmt::format("internal error; the log has more under {}", request.id)));
}

}  // namespace

Connection::Connection(ServerCore& core, tcp::socket socket)
    : core_(core), socket_(std::move(socket)), wake_(core.io) {
  core_.connections.insert(this);
  core_.open = core_.connections.size();
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  const tcp::endpoint peer = socket_.remote_endpoint(ignored);
  if (!ignored) peer_ = peer.address().to_string();
}

Connection::~Connection() {
  core_.connections.erase(this);
  core_.open = core_.connections.size();
  core_.body_bytes -= charged_;
  if (core_.connections.empty() && core_.all_closed) core_.all_closed();
}

void Connection::close() {
  if (exchange_) exchange_->abandon();
  error_code ignored;
  socket_.close(ignored);
  peer_closed_ = true;
  notify();
}

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
      HttpError error =
          http_refusal(408, "slow_request", "the header took too long to arrive").error();
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
      error = overloaded_error("too many large requests at once");
    if (error || parser.state() == RequestParser::State::kDone) break;
    if (peer_closed_) co_return false;
    if (Clock::now() >= deadline)
      error = make_http_error(408, "slow_request", "the body took too long to arrive");
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
    if (allowed.empty()) return http_refusal(404, "not_found", "there is nothing at this path");
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
    return http_refusal(400, "bad_request",
                        fmt::format("{} takes no body here", quoted(head.method)));
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

asio::awaitable<bool> Connection::answer(Plan plan, const RequestParser& parser) {
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
      exchange->send_error(overloaded_error(
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

}  // namespace bantam
