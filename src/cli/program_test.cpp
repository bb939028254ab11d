#include "cli/program.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace bantam {
namespace {

// A command that fails in the way its option says.
class ProbeCommand : public Command {
 public:
  ProbeCommand()
      : Command({.name = "probe", .summary = "Answer or fail", .example = "  bantam probe"}) {
    options().add(way_, {.flag = "--way", .value = "WAY", .help = "how to end"});
  }

  Result<void> run(CommandContext& context) override {
    if (way_ == "error") {
      return std::unexpected(Error{.kind = ErrorKind::kMalformed,
                                   .code = "gguf_invalid",
                                   .message = "bad magic",
                                   .where = "x.gguf at byte 0",
                                   .hint = "use another file"});
    }
    if (way_ == "memory") throw std::bad_alloc();
    if (way_ == "throw") throw std::runtime_error("boom");
    context.console.note("working");
    TRY(context.console.print(fmt::format("threads {}\n", context.threads)));
    return context.console.document(JsonObject{{"threads", context.threads}});
  }

 private:
  std::string way_;
};

std::unique_ptr<Command> probe_command() { return std::make_unique<ProbeCommand>(); }

struct Ran {
  int code = 0;
  std::string out, err;
};

Ran run(const std::vector<std::string_view>& words) {
  char* out = nullptr;
  char* err = nullptr;
  std::size_t out_size = 0, err_size = 0;
  std::FILE* out_stream = open_memstream(&out, &out_size);
  std::FILE* err_stream = open_memstream(&err, &err_size);
  Ran ran;
  {
    Console console(out_stream, err_stream);
    constexpr CommandMaker kMakers[] = {probe_command};
    ran.code = run_program(words, kMakers, console);
  }
  std::fclose(out_stream);
  std::fclose(err_stream);
  ran.out.assign(out, out_size);
  ran.err.assign(err, err_size);
  std::free(out);
  std::free(err);
  return ran;
}

TEST(Program, PrintsTheAnswerOnStandardOutputAndNotesBesideIt) {
  const Ran ran = run({"probe", "--threads", "3"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "threads 3\n");
  EXPECT_EQ(ran.err, "working\n");
}

TEST(Program, PrintsOneDocumentWithJson) {
  const Ran ran = run({"probe", "--json", "--quiet"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "{\"threads\":0}\n");
  EXPECT_EQ(ran.err, "");
}

TEST(Program, ReportsAnErrorInWordsAndAsExitCode) {
  const Ran ran = run({"probe", "--way", "error"});
  EXPECT_EQ(ran.code, 65);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "bantam: x.gguf at byte 0: bad magic (use another file)\n");
}

TEST(Program, ReportsAnErrorAsADocumentToo) {
  const Ran ran = run({"probe", "--way", "error", "--json"});
  EXPECT_EQ(ran.code, 65);
  EXPECT_EQ(ran.out,
            "{\"error\":{\"code\":\"gguf_invalid\",\"message\":\"bad magic\","
            "\"where\":\"x.gguf at byte 0\",\"hint\":\"use another file\"}}\n");
}

TEST(Program, AnswersAWrongOptionInJsonWhenJsonWasAsked) {
  const Ran ran = run({"probe", "--wya", "error", "--json"});
  EXPECT_EQ(ran.code, 64);
  EXPECT_NE(ran.out.find("\"unknown_option\""), std::string::npos) << ran.out;
  EXPECT_NE(ran.err.find("Did you mean --way?"), std::string::npos) << ran.err;
}

TEST(Program, CatchesWhatSlipsThrough) {
  EXPECT_EQ(run({"probe", "--way", "memory"}).code, 75);
  const Ran thrown = run({"probe", "--way", "throw"});
  EXPECT_EQ(thrown.code, 70);
  EXPECT_NE(thrown.err.find("boom"), std::string::npos);
}

TEST(Program, NamesTheNearestCommand) {
  const Ran ran = run({"prob"});
  EXPECT_EQ(ran.code, 64);
  EXPECT_NE(ran.err.find("Did you mean probe?"), std::string::npos) << ran.err;
}

TEST(Program, ExplainsItself) {
  const Ran all = run({"help"});
  EXPECT_EQ(all.code, 0);
  EXPECT_NE(all.out.find("  probe       Answer or fail"), std::string::npos) << all.out;
  EXPECT_EQ(run({}).out, all.out);
  EXPECT_EQ(run({"--help"}).out, all.out);

  const Ran one = run({"help", "probe"});
  EXPECT_EQ(one.code, 0);
  for (const char* expected : {"--way WAY", "--json", "--threads N", "Example:\n  bantam probe"})
    EXPECT_NE(one.out.find(expected), std::string::npos) << expected;
  EXPECT_EQ(run({"probe", "--help"}).out, one.out);
  EXPECT_EQ(run({"probe", "--way", "--help"}).out, one.out);
  EXPECT_EQ(run({"help", "nothing"}).code, 64);
}

TEST(Program, TellsItsVersion) {
  const Ran ran = run({"--version"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_TRUE(ran.out.starts_with("bantam "));
}

TEST(Console, FailsWhenNobodyTakesTheAnswer) {
  std::FILE* full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  Console console(full, stderr);
  const Result<void> printed = console.print("answer\n");
  std::fclose(full);
  ASSERT_FALSE(printed);
  EXPECT_EQ(printed.error().code, "output_failed");
}

TEST(Console, ShowsNoProgressOutsideATerminal) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* stream = open_memstream(&text, &size);
  {
    Console console(stdout, stream);
    console.progress("Loading", 1, 2);
    console.clear_progress();
  }
  std::fclose(stream);
  EXPECT_EQ(std::string_view(text, size), "");
  std::free(text);
}

}  // namespace
}  // namespace bantam
