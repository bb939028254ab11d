#include "cli/program.h"

#include <exception>
#include <new>
#include <optional>
#include <vector>

#include "base/nearest.h"
#include "base/thread_pool.h"

namespace bantam {
namespace {

using Commands = std::vector<std::unique_ptr<Command>>;

std::string overview(const Commands& commands) {
  std::string text =
      "bantam: run, measure, shrink, teach and serve small language models\n\n"
      "Usage: bantam COMMAND [options]\n\nCommands:\n";
  for (const auto& command : commands)
    text += fmt::format("  {:<12}{}\n", command->text().name, command->text().summary);
  return text +
         "\n`bantam COMMAND --help` explains a command, `bantam doctor` checks this machine.\n";
}

std::string help_of(Command& command) {
  const CommandText& text = command.text();
  std::string out = fmt::format("bantam {}: {}\n\nUsage: bantam {} {}\n\n", text.name, text.summary,
                                text.name, command.options().usage());
  out += command.options().help();
  if (!text.details.empty()) out += fmt::format("\n{}\n", text.details);
  return out + fmt::format("\nExample:\n{}\n", text.example);
}

Result<Command*> find_command(const Commands& commands, std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& command : commands) {
    if (command->text().name == name) return command.get();
    names.push_back(command->text().name);
  }
  auto error = fail(ErrorKind::kUsage, "unknown_command", "there is no command {}.{}", quoted(name),
                    did_you_mean(name, names));
  return std::unexpected(std::move(error).error().with_hint("`bantam help` lists all"));
}

// Options that every command has. They come last, so that a command's own are read first in help.
struct CommonOptions {
  std::int64_t threads = 0;
  bool json = false, quiet = false, help = false;

  void declare(Options& options) {
    options.add(threads,
                {.flag = "--threads",
                 .value = "N",
                 .help = "threads that compute; 0: one per usable core",
                 .environment = "BANTAM_THREADS"},
                {.low = 0, .high = static_cast<std::int64_t>(ThreadPool::kMaxThreads)});
    options.add(json, {.flag = "--json", .help = "one machine-readable document on stdout"});
    options.add(quiet, {.flag = "--quiet", .help = "no progress and no notes on stderr"});
    options.add(help, {.flag = "--help", .letter = 'h', .help = "this text"});
  }
};

// --json and --help count even on a line that is wrong elsewhere: the one who asked for JSON gets
// the error as JSON, and the one who asks for help gets it.
bool says(std::span<const std::string_view> words, std::string_view flag) {
  for (const std::string_view word : words) {
    if (word == "--") return false;
    if (word == flag) return true;
  }
  return false;
}

Result<void> run_words(std::span<const std::string_view> words, const Commands& commands,
                       Console& console) {
  const std::string_view verb = words.empty() ? "help" : words[0];
  if (verb == "--version") return console.print(fmt::format("bantam {}\n", BANTAM_VERSION));
  if (verb == "help" || verb == "--help" || verb == "-h") {
    if (words.size() < 2) return console.print(overview(commands));
    Command* command = TRY(find_command(commands, words[1]));
    CommonOptions{}.declare(command->options());
    return console.print(help_of(*command));
  }
  Command* command = TRY(find_command(commands, verb));
  CommonOptions common;
  common.declare(command->options());
  words = words.subspan(1);
  if (says(words, "--help") || says(words, "-h")) return console.print(help_of(*command));
  console.set_json(says(words, "--json"));
  if (Result<void> parsed = command->options().parse(words); !parsed)
    return std::unexpected(std::move(parsed).error().with_hint(
        fmt::format("`bantam {} --help` explains the options", command->text().name)));
  console.set_json(common.json);
  console.set_quiet(common.quiet);
  CommandContext context{.console = console, .threads = common.threads, .version = BANTAM_VERSION};
  return command->run(context);
}

// Libraries wrap what throws; this is the last fence, so that whatever slips through still ends
// with a message and the right exit code.
Result<void> run_guarded(std::span<const std::string_view> words, const Commands& commands,
                         Console& console) {
  try {
    return run_words(words, commands, console);
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::kTryAgain, "out_of_memory", "there is not enough memory");
  } catch (const std::exception& exception) {
    return fail(ErrorKind::kInternal, "internal", "an exception got out: {}",
                quoted(exception.what()));
  }
}

}  // namespace

int run_program(std::span<const std::string_view> words, std::span<const CommandMaker> makers,
                Console& console) {
  Commands commands;
  for (const CommandMaker make : makers) commands.push_back(make());
  const Result<void> done = run_guarded(words, commands, console);
  console.clear_progress();
  if (done) return 0;
  console.report(done.error());
  return exit_code(done.error().kind);
}

}  // namespace bantam
