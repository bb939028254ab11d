// One answer on its way from a handler's thread to the I/O thread.
//
// The handler writes (ResponseWriter); the connection takes what is ready to be sent. Between them
// lies a bounded buffer: the handler waits while it is full. All members may be called by any
// thread; each side by one thread at a time.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "server/http_server.h"

namespace bantam {

class Exchange final : public ResponseWriter {
 public:
  struct Setup {
    std::string id;
    bool http10 = false;
    bool head_only = false;  // answer to HEAD: a body's headers, and no body
    bool keep_alive = true;
    HttpHeaders headers;  // for every answer of this exchange
    std::size_t unsent_bytes = 0;
    std::chrono::milliseconds stall_time{0};
  };

  // `wake` is called, by any thread, when take() has something new to give.
  Exchange(Setup setup, std::function<void()> wake);

  // The handler's side.
  void send(int status, const HttpHeaders& headers, std::string_view body) override;
  void start(int status, const HttpHeaders& headers) override;
  bool write(std::string_view bytes) override;
  void finish() override;
  bool started() const override;
  bool gone() const override;
  // When the handler has returned: true if it has answered. If not, the caller sends an error, or,
  // where an answer has begun, calls cut_off().
  bool complete() const;
  // Cuts a begun answer off, so that the client sees that it is not whole.
  void cut_off();

  // The connection's side.
  struct Output {
    std::string bytes;
    bool complete = false;    // nothing follows
    bool keep_alive = false;  // once complete: the connection may serve another request
  };
  Output take();
  // The client has gone: stops the request and drops all output from now on.
  void abandon();

  std::stop_token stop_token() const { return stop_.get_token(); }
  void request_stop() { stop_.request_stop(); }

 private:
  enum class Phase { kFresh, kStreaming, kComplete };

  std::string head(int status, const HttpHeaders& headers) const;
  void hand_over(std::unique_lock<std::mutex>& lock);

  const Setup setup_;
  const std::function<void()> wake_;
  std::stop_source stop_;

  mutable std::mutex mutex_;
  std::condition_variable drained_;
  Phase phase_ = Phase::kFresh;
  std::string unsent_;
  bool keep_alive_ = true;
  bool gone_ = false;
  bool woken_ = false;  // wake_ has been called and take() has not
};

}  // namespace bantam
