#include "cli/stop_on_signals.h"

#include <pthread.h>
#include <unistd.h>

namespace bantam {

StopOnSignals::StopOnSignals(std::stop_source source) {
  ::sigemptyset(&signals_);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR2}) ::sigaddset(&signals_, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  waiter_ = std::thread([this, source]() mutable {
    int signal = 0;
    while (::sigwait(&signals_, &signal) == 0 && signal != SIGUSR2) {
      if (source.stop_requested()) ::_exit(128 + signal);
      source.request_stop();
    }
  });
}

StopOnSignals::~StopOnSignals() {
  ::pthread_kill(waiter_.native_handle(), SIGUSR2);
  waiter_.join();
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace bantam
