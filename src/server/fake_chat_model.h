// For tests: a ChatModel that says what it is told to, one request at a time in order of arrival,
// and remembers what it was asked and how soon it stopped.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/chat_model.h"

namespace bantam::testing {

class FakeChatModel final : public ChatModel {
 public:
  struct Script {
    std::vector<std::string> pieces = {"Hel", "lo"};
    bool endless = false;           // repeats the pieces until it is stopped
    bool hold_before = false;       // waits for release() or stop before the first piece (prefill)
    bool hold_after_first = false;  // the same after the first piece (decode)
    std::optional<Error> error = {};  // instead of a FinishEvent, after the pieces
    FinishReason reason = FinishReason::kStop;
  };

  FakeChatModel() = default;
  explicit FakeChatModel(Script script, std::string name = "fake")
      : script_(std::move(script)), name_(std::move(name)) {}

  Result<void> answer(const ChatRequest& request, std::stop_token stop,
                      const EventSink& sink) override {
    ++arrived;
    std::unique_lock lock(mutex_);
    const std::uint64_t ticket = next_ticket_++;
    const bool turn = changed_.wait(lock, stop, [&] { return ticket == serving_; });
    if (!turn) {
      gone_tickets_.push_back(ticket);
      skip_gone();
      return finish(sink, FinishReason::kCancelled, 0);
    }
    requests_.push_back(request);
    ++started;
    lock.unlock();
    const Result<void> result = speak(request, stop, sink);
    lock.lock();
    ++serving_;
    skip_gone();
    ++ended;
    return result;
  }

  std::string_view name() const override { return name_; }
  std::int64_t context_length() const override { return 4096; }

  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  std::vector<ChatRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  std::atomic<int> arrived{0}, started{0}, ended{0};
  std::atomic<int> pieces{0};
  std::atomic<int> pieces_after_stop{0};  // said although stop had been requested

 private:
  bool hold(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    return changed_.wait(lock, stop, [this] { return released_; });
  }

  void skip_gone() {
    for (auto at = gone_tickets_.begin(); at != gone_tickets_.end();) {
      if (*at == serving_) {
        ++serving_;
        gone_tickets_.erase(at);
        at = gone_tickets_.begin();
      } else {
        ++at;
      }
    }
    changed_.notify_all();
  }

  Result<void> finish(const EventSink& sink, FinishReason reason, int count) {
    FinishEvent event;
    event.reason = reason;
    event.usage = {.prompt_tokens = 7, .cached_tokens = 3, .completion_tokens = count};
    event.timings = {.queue_seconds = 0.5, .prompt_seconds = 0.25, .generate_seconds = 2};
    sink(event);
    return {};
  }

  TextEvent event_for(const ChatRequest& request, const std::string& piece) const {
    TextEvent event;
    event.text = piece;
    event.ids = {1};
    if (request.top_logprobs < 0) return event;
    LogprobEntry entry;
    entry.id = 1;
    entry.bytes = piece;
    entry.logprob = -0.5f;
    for (int i = 0; i < request.top_logprobs; ++i)
      entry.top.push_back({.id = i,
                           .bytes = std::string(1, static_cast<char>('a' + i)),
                           .logprob = -0.5f - static_cast<float>(i)});
    event.logprobs.push_back(std::move(entry));
    return event;
  }

  Result<void> speak(const ChatRequest& request, std::stop_token stop, const EventSink& sink) {
    if (script_.hold_before && !hold(stop)) return finish(sink, FinishReason::kCancelled, 0);
    int count = 0;
    do {
      for (const std::string& piece : script_.pieces) {
        if (stop.stop_requested()) return finish(sink, FinishReason::kCancelled, count);
        ++pieces;
        ++count;
        const bool wanted = sink(event_for(request, piece));
        if (stop.stop_requested()) ++pieces_after_stop;
        if (!wanted) return finish(sink, FinishReason::kCancelled, count);
        if (count == 1 && script_.hold_after_first && !hold(stop))
          return finish(sink, FinishReason::kCancelled, count);
      }
    } while (script_.endless);
    if (script_.error) return std::unexpected(*script_.error);
    return finish(sink, script_.reason, count);
  }

  const Script script_;
  const std::string name_ = "fake";
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t next_ticket_ = 0, serving_ = 0;
  std::vector<std::uint64_t> gone_tickets_;
  bool released_ = false;
  std::vector<ChatRequest> requests_;
};

}  // namespace bantam::testing
