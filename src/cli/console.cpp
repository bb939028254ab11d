#include "cli/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace bantam {
namespace {

std::int64_t milliseconds_now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

bool Console::shows_progress() const { return !quiet_ && isatty(fileno(err_)) == 1; }

Result<void> Console::write(std::FILE* stream, std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stream) == text.size() && std::fflush(stream) == 0)
    return {};
  return fail(ErrorKind::kCannotCreate, "output_failed", "cannot write the answer: {}",
              std::strerror(errno));
}

Result<void> Console::print(std::string_view text) {
  if (json_) return {};
  clear_progress();
  return write(out_, text);
}

Result<void> Console::document(const Json& document) {
  if (!json_) return {};
  CHECK(!document_written_, "a command writes one document");
  document_written_ = true;
  clear_progress();
  return write(out_, write_json(document) + "\n");
}

// Nothing can be done about a standard error that takes no more, so these ignore it.
void Console::note(std::string_view line) {
  if (quiet_) return;
  clear_progress();
  (void)write(err_, fmt::format("{}\n", line));
}

void Console::warn(std::string_view line) {
  clear_progress();
  (void)write(err_, fmt::format("bantam: warning: {}\n", line));
}

void Console::report(const Error& error) {
  clear_progress();
  (void)write(err_, fmt::format("bantam: {}\n", error.to_string()));
  if (!json_ || document_written_) return;
  JsonObject body;
  body["code"] = error.code;
  body["message"] = error.message;
  body["where"] = error.where;
  body["hint"] = error.hint;
  (void)document(JsonObject{{"error", std::move(body)}});
}

void Console::progress(std::string_view what, std::uint64_t done, std::uint64_t total) {
  if (!shows_progress()) return;
  const std::int64_t now = milliseconds_now();
  if (progress_shown_ && done != total && now - progress_time_ < 100) return;
  progress_time_ = now;
  progress_shown_ = true;
  const std::uint64_t percent = total == 0 ? 100 : done / (total / 100 + 1);
  // Back to the first column, write, erase what was there before to the end of the line.
  (void)write(err_, fmt::format("\r{}  {} %\033[K", what, done == total ? 100 : percent));
}

void Console::clear_progress() {
  if (!progress_shown_) return;
  progress_shown_ = false;
  (void)write(err_, "\r\033[K");
}

}  // namespace bantam
