#include "base/log.h"

#include <cstdio>

namespace bantam {
namespace {

constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};

void write_to_stderr(LogLevel level, std::string_view message) {
  if (level < LogLevel::kWarning) return;
  const std::string line =
      fmt::format("bantam: {}: {}\n", kNames[static_cast<int>(level)], message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

LogSink& sink() {
  static LogSink instance = write_to_stderr;
  return instance;
}

}  // namespace

void set_log_sink(LogSink new_sink) {
  sink() = new_sink ? std::move(new_sink) : LogSink(write_to_stderr);
}

void log_message(LogLevel level, std::string_view message) { sink()(level, message); }

}  // namespace bantam
