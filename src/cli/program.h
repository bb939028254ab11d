// From the words of a command line to an exit code.
#pragma once

#include <span>
#include <string_view>

#include "cli/command.h"

namespace bantam {

// Finds the command, reads its options and those that every command has (--json, --quiet,
// --threads, --isa, --help), runs it and reports its error. `words` are argv without the program's
// name. Returns 0 or an exit code of the sysexits family (base/result.h).
int run_program(std::span<const std::string_view> words, std::span<const CommandMaker> makers,
                Console& console);

}  // namespace bantam
