// Ctrl-C and SIGTERM as a polite request, for commands that work for hours.
#pragma once

#include <csignal>
#include <stop_token>
#include <thread>

namespace bantam {

// While it lives SIGINT and SIGTERM become a stop request; a second one ends the process. They are
// blocked in the calling thread and in those it starts, so it is made before any of them, and
// waited for by a thread of its own. One at a time.
class StopOnSignals {
 public:
  explicit StopOnSignals(std::stop_source source);
  ~StopOnSignals();
  StopOnSignals(const StopOnSignals&) = delete;
  StopOnSignals& operator=(const StopOnSignals&) = delete;

 private:
  sigset_t signals_{}, before_{};
  std::thread waiter_;
};

}  // namespace bantam
