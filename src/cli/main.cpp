// bantam: the program. Lists the commands, in the order in which `bantam help` shows them.
#include <csignal>
#include <cstdio>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/program.h"

int main(int argc, char** argv) {
  constexpr bantam::CommandMaker kCommands[] = {
      bantam::run_command,    bantam::serve_command,    bantam::generate_command,
      bantam::score_command,  bantam::tokenize_command, bantam::render_command,
      bantam::list_command,   bantam::show_command,     bantam::quantize_command,
      bantam::merge_command,  bantam::tune_command,     bantam::pretrain_command,
      bantam::parity_command, bantam::bench_command,    bantam::selftest_command,
      bantam::doctor_command,
  };
  // A reader that goes away is an error value at the next write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  bantam::Console console(stdout, stderr);
  const std::vector<std::string_view> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  return bantam::run_program(words, kCommands, console);
}
