// bantam serve: answer over HTTP.
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "base/file.h"
#include "chat/local_chat.h"
#include "cli/commands.h"
#include "cli/model_arguments.h"
#include "cli/model_finder.h"
#include "server/api.h"
#include "server/http_server.h"
#include "server/request_rules.h"

namespace bantam {
namespace {

class ServeCommand : public Command {
 public:
  ServeCommand()
      : Command({.name = "serve",
                 .summary = "Answer over HTTP, in the dialect of OpenAI",
                 .example = "  bantam serve seed --port 8080\n"
                            "  curl -s localhost:8080/v1/chat/completions -H 'Content-Type: "
                            "application/json' \\\n"
                            "      -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'",
                 .details = "Prints the address once it is ready, and serves until SIGTERM or "
                            "Ctrl-C: then requests that\nrun get --drain seconds to finish; a "
                            "second signal ends it at once. docs/openai.md has the\npaths and "
                            "what a request may hold."}) {
    add_engine_options(options(), engine_, ModelOption::kPositional);
    options().add(name_, {.flag = "--name",
                          .value = "NAME",
                          .help = "what requests call the model; default: the name above, "
                                  "or of a file what it is called"});
    options().add(template_, {.flag = "--template",
                              .value = "FILE",
                              .help = "a Jinja chat template instead of the model's own"});
    options().add(host_, {.flag = "--host", .value = "ADDRESS", .help = "where to listen"});
    options().add(port_, {.flag = "--port", .value = "N", .help = "0: any that is free"},
                  {.low = 0, .high = 65535});
    options().add(public_, {.flag = "--allow-public",
                            .help = "listen where other machines can reach it, for whoever comes: "
                                    "there are no keys yet"});
    options().add(policy_.hosts, {.flag = "--allow-host",
                                  .value = "NAME",
                                  .help = "a host name to serve besides localhost and addresses; "
                                          "* for all"});
    options().add(policy_.origins, {.flag = "--allow-origin",
                                    .value = "ORIGIN",
                                    .help = "web pages that may use the server, as "
                                            "https://chat.example; * for all"});
    options().add(
        queue_,
        {.flag = "--max-queued", .value = "N", .help = "requests that may run or wait at once"},
        {.low = 1, .high = 4096});
    options().add(
        drain_,
        {.flag = "--drain", .value = "N", .unit = "seconds", .help = "to finish in, on a signal"},
        {.low = 0, .high = 86'400});
  }

  Result<void> run(CommandContext& context) override {
    if (!is_loopback(host_) && !public_)
      return fail(ErrorKind::kConfiguration, "public_without_keys",
                  "{} can be reached from other machines and there are no keys yet; say "
                  "--allow-public if whoever comes may use the model",
                  host_);
    // The port first: that it is taken should not be news after a minute of loading.
    HttpLimits limits;
    limits.running = static_cast<std::size_t>(queue_) + kSpareThreads;
    HttpServer server(limits, policy_);
    TRY(server.bind(host_, static_cast<std::uint16_t>(port_)));

    LocalChatOptions chat_options{
        .engine = engine_options(engine_, context), .name = {}, .template_text = {}};
    chat_options.name = served_name();
    if (template_) chat_options.template_text = TRY(read_file(*template_, kMaxTemplateBytes));
    const std::filesystem::path path = TRY(choose_model(engine_, chat_options.engine));
    const auto model = TRY(LocalChat::open(path, chat_options));

    Api api({.version = BANTAM_VERSION, .max_queued = static_cast<std::size_t>(queue_)});
    api.add(model);
    api.install(server);
    server.stop_on_signals(std::chrono::seconds(drain_));
    context.console.note(fmt::format("serving {}, context of {} tokens", quoted(model->name()),
                                     model->context_length()));
    TRY(announce(context.console, server.port(), *model));
    return server.run();
  }

 private:
  static constexpr std::size_t kMaxTemplateBytes = 1u << 20;
  // For requests that are refused, which takes a thread for a moment too.
  static constexpr std::size_t kSpareThreads = 32;

  // A name as it was typed; the file's own if it was a path.
  std::string served_name() const {
    if (name_) return *name_;
    std::error_code ignored;
    const bool path = engine_.model.find('/') != std::string::npos ||
                      std::filesystem::exists(engine_.model, ignored);
    if (path) return {};
    return engine_.adapter ? fmt::format("{}:{}", engine_.model,
                                         std::filesystem::path(*engine_.adapter).stem().string())
                           : engine_.model;
  }

  Result<void> announce(Console& console, std::uint16_t port, const ChatModel& model) const {
    const bool six = host_.find(':') != std::string::npos;
    const std::string url =
        six ? fmt::format("http://[{}]:{}", host_, port) : fmt::format("http://{}:{}", host_, port);
    TRY(console.print(fmt::format("listening on {}\n", url)));
    return console.document(JsonObject{{"url", url},
                                       {"host", host_},
                                       {"port", port},
                                       {"model", model.name()},
                                       {"context_length", model.context_length()},
                                       {"pid", static_cast<std::int64_t>(::getpid())}});
  }

  EngineArguments engine_;
  HttpPolicy policy_;
  std::optional<std::string> name_, template_;
  std::string host_ = "127.0.0.1";
  std::int64_t port_ = 8080, queue_ = 64, drain_ = 30;
  bool public_ = false;
};

}  // namespace

std::unique_ptr<Command> serve_command() { return std::make_unique<ServeCommand>(); }

}  // namespace bantam
