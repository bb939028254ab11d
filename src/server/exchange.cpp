#include "server/exchange.h"

#include <ctime>
#include <utility>

#include "base/result.h"

namespace bantam {
namespace {

// RFC 9110, 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale.
std::string http_date() {
  static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday,
                     kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

bool has_no_body(int status) { return status == 204 || status == 304; }

}  // namespace

void ResponseWriter::send_json(int status, std::string_view body) {
  send(status, {{"Content-Type", "application/json"}}, body);
}

void ResponseWriter::send_error(const HttpError& error) {
  HttpHeaders headers = error.headers;
  headers.add("Content-Type", "application/json");
  send(error.status, headers, error_body(error));
}

Exchange::Exchange(Setup setup, std::function<void()> wake)
    : setup_(std::move(setup)), wake_(std::move(wake)), keep_alive_(setup_.keep_alive) {}

std::string Exchange::head(int status, const HttpHeaders& headers) const {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  const auto append = [&](const HttpHeaders& more) {
    for (const auto& [name, value] : more.fields()) {
      CHECK(value.find_first_of("\r\n") == std::string::npos, "a line break in a header");
      out += name + ": " + value + "\r\n";
    }
  };
  append(headers);
  append(setup_.headers);
  out += "Date: " + http_date() + "\r\nx-request-id: " + setup_.id +
         "\r\nX-Content-Type-Options: nosniff\r\n";
  if (!keep_alive_) out += "Connection: close\r\n";
  return out;
}

// Tells the connection; unlocks first, since it locks queues of its own.
void Exchange::hand_over(std::unique_lock<std::mutex>& lock) {
  const bool needed = !std::exchange(woken_, true);
  lock.unlock();
  if (needed) wake_();
}

void Exchange::send(int status, const HttpHeaders& headers, std::string_view body) {
  std::unique_lock lock(mutex_);
  CHECK(phase_ == Phase::kFresh, "a second answer to one request");
  phase_ = Phase::kComplete;
  if (gone_) return;
  unsent_ = head(status, headers);
  if (!has_no_body(status)) unsent_ += fmt::format("Content-Length: {}\r\n", body.size());
  unsent_ += "\r\n";
  if (!setup_.head_only && !has_no_body(status)) unsent_ += body;
  hand_over(lock);
}

void Exchange::start(int status, const HttpHeaders& headers) {
  std::unique_lock lock(mutex_);
  CHECK(phase_ == Phase::kFresh, "a second answer to one request");
  phase_ = Phase::kStreaming;
  if (gone_) return;
  if (setup_.http10) keep_alive_ = false;  // only the end of the connection ends the body
  unsent_ = head(status, headers);
  if (!setup_.http10) unsent_ += "Transfer-Encoding: chunked\r\n";
  unsent_ += "\r\n";
  hand_over(lock);
}

bool Exchange::write(std::string_view bytes) {
  std::unique_lock lock(mutex_);
  CHECK(phase_ == Phase::kStreaming, "write() outside of start() and finish()");
  const bool room = drained_.wait_for(
      lock, setup_.stall_time, [this] { return gone_ || unsent_.size() < setup_.unsent_bytes; });
  if (!room) gone_ = true;  // nobody reads
  if (gone_) {
    hand_over(lock);
    stop_.request_stop();
    return false;
  }
  if (bytes.empty() || setup_.head_only) return true;
  if (!setup_.http10) unsent_ += fmt::format("{:x}\r\n", bytes.size());
  unsent_ += bytes;
  if (!setup_.http10) unsent_ += "\r\n";
  hand_over(lock);
  return true;
}

void Exchange::finish() {
  std::unique_lock lock(mutex_);
  CHECK(phase_ == Phase::kStreaming, "finish() without start()");
  phase_ = Phase::kComplete;
  if (!gone_ && !setup_.http10 && !setup_.head_only) unsent_ += "0\r\n\r\n";
  hand_over(lock);
}

void Exchange::cut_off() {
  std::unique_lock lock(mutex_);
  phase_ = Phase::kComplete;
  keep_alive_ = false;
  hand_over(lock);
}

bool Exchange::started() const {
  const std::lock_guard lock(mutex_);
  return phase_ != Phase::kFresh;
}

bool Exchange::gone() const {
  const std::lock_guard lock(mutex_);
  return gone_;
}

bool Exchange::complete() const {
  const std::lock_guard lock(mutex_);
  return phase_ == Phase::kComplete;
}

Exchange::Output Exchange::take() {
  std::unique_lock lock(mutex_);
  woken_ = false;
  Output out{.bytes = std::exchange(unsent_, {}),
             .complete = phase_ == Phase::kComplete || gone_,
             .keep_alive = keep_alive_ && !gone_};
  lock.unlock();
  drained_.notify_all();
  return out;
}

void Exchange::abandon() {
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    unsent_.clear();
  }
  drained_.notify_all();
  stop_.request_stop();
}

}  // namespace bantam
