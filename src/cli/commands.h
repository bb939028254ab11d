// The commands there are. Each function is in the file cmd_<verb>.cpp.
#pragma once

#include <memory>

#include "cli/command.h"

namespace bantam {

std::unique_ptr<Command> bench_command();
std::unique_ptr<Command> doctor_command();
std::unique_ptr<Command> generate_command();
std::unique_ptr<Command> list_command();
std::unique_ptr<Command> merge_command();
std::unique_ptr<Command> parity_command();
std::unique_ptr<Command> pretrain_command();
std::unique_ptr<Command> quantize_command();
std::unique_ptr<Command> render_command();
std::unique_ptr<Command> run_command();
std::unique_ptr<Command> score_command();
std::unique_ptr<Command> selftest_command();
std::unique_ptr<Command> serve_command();
std::unique_ptr<Command> show_command();
std::unique_ptr<Command> tokenize_command();
std::unique_ptr<Command> tune_command();

}  // namespace bantam
