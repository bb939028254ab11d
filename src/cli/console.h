// What a command may say, and where.
//
// Standard output carries the answer and nothing else: text for people, or, with --json, exactly
// one JSON document. Progress, notes and errors go to standard error. An error is written there in
// words always, and with --json as the document {"error":{…}} on standard output too, so that a
// script finds one document whatever happens.
//
// Not thread safe: one command, one thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace bantam {

class Console {
 public:
  // The streams stay the caller's and must outlive the console.
  Console(std::FILE* out, std::FILE* err) : out_(out), err_(err) {}

  void set_json(bool json) { json_ = json; }
  void set_quiet(bool quiet) { quiet_ = quiet; }
  bool json() const { return json_; }
  bool quiet() const { return quiet_; }
  bool shows_progress() const;  // standard error is a terminal and nobody asked for quiet

  // Text of the answer, as it becomes ready; written through at once. Says nothing in JSON mode,
  // so a command need not ask. kCannotCreate "output_failed" when nobody takes it (a full disk, a
  // closed pipe).
  Result<void> print(std::string_view text);

  // The answer as a document; says nothing without --json. At most one a command.
  Result<void> document(const Json& document);

  // A line for people, unless --quiet.
  void note(std::string_view line);
  void warn(std::string_view line);
  void report(const Error& error);

  // A line that is written over: "Loading  40 %". Shown at most ten times a second.
  void progress(std::string_view what, std::uint64_t done, std::uint64_t total);
  void clear_progress();

 private:
  Result<void> write(std::FILE* stream, std::string_view text);

  std::FILE* out_;
  std::FILE* err_;
  bool json_ = false, quiet_ = false, document_written_ = false;
  bool progress_shown_ = false;
  std::int64_t progress_time_ = 0;  // milliseconds, of the last one shown
};

}  // namespace bantam
