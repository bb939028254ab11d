#include "runtime/turnstile.h"

namespace bantam {

Turnstile::Turn::~Turn() {
  if (owner_ != nullptr) owner_->leave();
}

Result<Turnstile::Turn> Turnstile::enter(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const std::uint64_t ticket = next_ticket_++;
  queue_.push_back(ticket);
  const bool first = moved_.wait(lock, stop, [&] { return queue_.front() == ticket; });
  if (!first) {
    std::erase(queue_, ticket);
    return fail(ErrorKind::kCancelled, "cancelled", "the caller left while waiting for its turn");
  }
  return Turn(*this);
}

std::size_t Turnstile::size() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void Turnstile::leave() {
  {
    const std::lock_guard lock(mutex_);
    queue_.pop_front();
  }
  moved_.notify_all();
}

}  // namespace bantam
