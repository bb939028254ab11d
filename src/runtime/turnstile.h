// A queue of callers of which one at a time goes through, in order of arrival.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <stop_token>

#include "base/result.h"

namespace bantam {

// Thread safe.
class Turnstile {
 public:
  // Holds the turn; the next caller goes when it is destroyed.
  class Turn {
   public:
    explicit Turn(Turnstile& owner) : owner_(&owner) {}
    Turn(Turn&& other) noexcept : owner_(other.owner_) { other.owner_ = nullptr; }
    Turn& operator=(Turn&&) = delete;
    ~Turn();

   private:
    Turnstile* owner_;
  };

  // Waits for all who came before. A caller that is stopped while waiting leaves the queue:
  // kCancelled "cancelled".
  Result<Turn> enter(std::stop_token stop);

  // Callers inside and waiting.
  std::size_t size() const;

 private:
  void leave();

  mutable std::mutex mutex_;
  std::condition_variable_any moved_;
  std::deque<std::uint64_t> queue_;  // tickets; the front one has the turn
  std::uint64_t next_ticket_ = 0;
};

}  // namespace bantam
