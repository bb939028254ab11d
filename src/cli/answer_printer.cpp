#include "cli/answer_printer.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <stop_token>
#include <thread>

namespace bantam {
namespace {

// The only thing a signal handler may do to us.
std::atomic<bool> interrupted = false;

// Turns SIGINT into a stop request while an answer is being generated.
class InterruptScope {
 public:
  InterruptScope() {
    interrupted = false;
    previous_ = std::signal(SIGINT, [](int) { interrupted = true; });
  }
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
  ~InterruptScope() { std::signal(SIGINT, previous_); }

  std::stop_token token() const { return stop_.get_token(); }

 private:
  void (*previous_)(int) = SIG_DFL;
  std::stop_source stop_;
  // A handler may not wake anybody, so somebody looks now and then.
  std::jthread watcher_{[this](const std::stop_token& done) {
    while (!done.stop_requested()) {
      if (interrupted) stop_.request_stop();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }};
};

Json document(const std::string& text, const std::vector<std::int32_t>& ids,
              const FinishEvent& finish) {
  JsonArray id_list;
  for (const std::int32_t id : ids) id_list.emplace_back(id);
  const Usage& usage = finish.usage;
  const Timings& timings = finish.timings;
  const auto rate = [](std::int64_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  };
  return JsonObject{
      {"text", text},
      {"ids", std::move(id_list)},
      {"finish_reason", finish_reason_name(finish.reason)},
      {"seed", finish.seed},
      {"usage", JsonObject{{"prompt_tokens", usage.prompt_tokens},
                           {"cached_tokens", usage.cached_tokens},
                           {"completion_tokens", usage.completion_tokens}}},
      {"timings",
       JsonObject{
           {"prompt_seconds", timings.prompt_seconds},
           {"generate_seconds", timings.generate_seconds},
           {"prompt_tokens_per_second",
            rate(usage.prompt_tokens - usage.cached_tokens, timings.prompt_seconds)},
           {"generate_tokens_per_second", rate(usage.completion_tokens, timings.generate_seconds)},
       }}};
}

}  // namespace

Result<void> print_answer(ChatModel& model, const ChatRequest& request, Console& console,
                          std::string* answer) {
  std::string text;
  std::vector<std::int32_t> ids;
  FinishEvent finish;
  Result<void> printed;
  const InterruptScope interrupt;
  TRY(model.answer(request, interrupt.token(), [&](const ChatEvent& event) {
    if (const auto* piece = std::get_if<TextEvent>(&event)) {
      text += piece->text;
      ids.insert(ids.end(), piece->ids.begin(), piece->ids.end());
      printed = console.print(piece->text);
      return printed.has_value();
    }
    finish = std::get<FinishEvent>(event);
    return true;
  }));
  TRY(std::move(printed));
  TRY(console.print("\n"));
  if (answer != nullptr) *answer = text;
  return console.document(document(text, ids, finish));
}

}  // namespace bantam
