// bantam run: talk to a model through its chat template.
#include <histedit.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "base/file.h"
#include "chat/local_chat.h"
#include "cli/answer_printer.h"
#include "cli/commands.h"
#include "cli/model_arguments.h"
#include "cli/model_finder.h"

namespace bantam {
namespace {

// Lines from a terminal with editing and history, or plain lines from a pipe.
class LineReader {
 public:
  LineReader() {
    if (::isatty(STDIN_FILENO) == 0) return;
    editor_.reset(::el_init("bantam", stdin, stdout, stderr));
    history_.reset(::history_init());
    HistEvent event;
    ::history(history_.get(), &event, H_SETSIZE, 1000);
    ::el_set(
        editor_.get(), EL_PROMPT, +[](EditLine*) -> char* {
          static char prompt[] = "> ";
          return prompt;
        });
    ::el_set(editor_.get(), EL_EDITOR, "emacs");
    ::el_set(editor_.get(), EL_SIGNAL, 1);
    ::el_set(editor_.get(), EL_HIST, ::history, history_.get());
  }

  // The next line without its end; nothing at the end of the input.
  std::optional<std::string> next() { return editor_ ? next_edited() : next_plain(); }

 private:
  std::optional<std::string> next_edited() {
    int count = 0;
    const char* text = ::el_gets(editor_.get(), &count);
    if (text == nullptr || count <= 0) return std::nullopt;
    HistEvent event;
    ::history(history_.get(), &event, H_ENTER, text);
    return trimmed(std::string(text, static_cast<std::size_t>(count)));
  }

  static std::optional<std::string> next_plain() {
    char* line = nullptr;
    std::size_t capacity = 0;
    const ssize_t length = ::getline(&line, &capacity, stdin);
    const std::unique_ptr<char, void (*)(void*)> owner(line, ::free);
    if (length < 0) return std::nullopt;
    return trimmed(std::string(line, static_cast<std::size_t>(length)));
  }

  static std::string trimmed(std::string line) {
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    return line;
  }

  struct Close {
    void operator()(EditLine* editor) const { ::el_end(editor); }
    void operator()(History* history) const { ::history_end(history); }
  };
  std::unique_ptr<History, Close> history_;
  std::unique_ptr<EditLine, Close> editor_;
};

class RunCommand : public Command {
 public:
  RunCommand()
      : Command({.name = "run",
                 .summary = "Talk to a model",
                 .example = "  bantam run seed --system 'Name the banking intent.' 'My card was "
                            "stolen'\n"
                            "  bantam run seed",
                 .details = "Without a prompt it reads one line after the other and keeps the "
                            "conversation; /new starts\na new one, /bye or the end of the input "
                            "ends it. Ctrl-C stops an answer."}) {
    add_engine_options(options(), engine_, ModelOption::kPositional);
    options().add(prompt_, {.value = "PROMPT", .help = "what to say; absent: a conversation"});
    options().add(
        system_,
        {.flag = "--system", .letter = 's', .value = "TEXT", .help = "the system message"});
    options().add(template_, {.flag = "--template",
                              .value = "FILE",
                              .help = "a Jinja chat template instead of the model's own"});
    sampling_.sampling.temperature = 0.7;
    add_sampling_options(options(), sampling_);
  }

  Result<void> run(CommandContext& context) override {
    TRY(finish_sampling(sampling_));
    LocalChatOptions chat_options{.engine = engine_options(engine_, context)};
    if (template_) chat_options.template_text = TRY(read_file(*template_, kMaxTemplateBytes));
    const std::filesystem::path path = TRY(choose_model(engine_, chat_options.engine));
    const auto model = TRY(LocalChat::open(path, chat_options));
    ChatRequest request;
    request.sampling = sampling_.sampling;
    request.stop = sampling_.stop;
    if (prompt_) {
      begin(request);
      say(request, *prompt_);
      return print_answer(*model, request, context.console);
    }
    if (context.console.json()) {
      return fail(ErrorKind::kUsage, "missing_argument", "--json needs a prompt on the line");
    }
    return converse(*model, request, context.console);
  }

 private:
  static constexpr std::size_t kMaxTemplateBytes = 1u << 20;

  void begin(ChatRequest& request) const {
    request.messages.clear();
    if (system_) request.messages.push_back({.role = "system", .content = *system_});
  }

  static void say(ChatRequest& request, std::string text) {
    request.messages.push_back({.role = "user", .content = std::move(text)});
  }

  Result<void> converse(ChatModel& model, ChatRequest& request, Console& console) const {
    LineReader lines;
    begin(request);
    while (const std::optional<std::string> line = lines.next()) {
      if (*line == "/bye" || *line == "/exit") break;
      if (line->empty()) continue;
      if (*line == "/new") {
        begin(request);
        console.note("a new conversation");
        continue;
      }
      say(request, *line);
      std::string answer;
      const Result<void> done = print_answer(model, request, console, &answer);
      if (done) {
        request.messages.push_back({.role = "assistant", .content = answer});
      } else if (done.error().code == "context_length_exceeded") {
        // The conversation has grown past the context; say so and let the user go on.
        console.report(done.error());
        console.note("/new starts a new conversation");
        request.messages.pop_back();
      } else {
        return done;
      }
    }
    return {};
  }

  EngineArguments engine_;
  SamplingArguments sampling_;
  std::optional<std::string> prompt_, system_, template_;
};

}  // namespace

std::unique_ptr<Command> run_command() { return std::make_unique<RunCommand>(); }

}  // namespace bantam
