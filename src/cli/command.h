// One verb of the program: `bantam VERB …`.
//
// A command is one file, cmd_<verb>.cpp, that derives from Command, declares its options in the
// constructor and does its work in run(); commands.h declares the function that makes it, and
// main.cpp lists that function. A command builds the objects it needs, hands them to each other and
// shows what comes out; anything that could be wanted elsewhere belongs in a lower folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/options.h"
#include "base/result.h"
#include "cli/console.h"

namespace bantam {

// What every command is given besides its own options.
struct CommandContext {
  Console& console;
  std::int64_t threads = 0;       // 0: one per usable core
  std::string_view version = {};  // of the program: "0.1.0"
};

struct CommandText {
  std::string_view name;          // "tokenize"
  std::string_view summary;       // "Turn text into token ids": a phrase for `bantam help`
  std::string_view example;       // one or more command lines that work as they stand
  std::string_view details = {};  // further lines for --help, if the options do not say it all
};

class Command {
 public:
  virtual ~Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  const CommandText& text() const { return text_; }
  Options& options() { return options_; }

  // Called once, after the options have been read. The error's kind decides the exit code.
  virtual Result<void> run(CommandContext& context) = 0;

 protected:
  explicit Command(const CommandText& text) : text_(text) {}

 private:
  CommandText text_;
  Options options_;
};

using CommandMaker = std::unique_ptr<Command> (*)();

}  // namespace bantam
