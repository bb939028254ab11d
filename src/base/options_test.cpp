#include "base/options.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

namespace bantam {
namespace {

using Words = std::vector<std::string_view>;

struct Arguments {
  std::string model;
  std::optional<std::string> text;
  std::vector<std::string> stops;
  std::int64_t max_tokens = -1;
  double temperature = 0.8;
  std::optional<std::uint64_t> seed;
  std::optional<std::vector<std::int64_t>> ids;
  std::string logits = "last";
  bool verbose = false;
};

class OptionsTest : public ::testing::Test {
 protected:
  OptionsTest() {
    options.add(arguments.model, {.value = "MODEL", .help = "the model", .required = true});
    options.add(arguments.text, {.value = "TEXT", .help = "the text"});
    options.add(arguments.stops, {.flag = "--stop", .value = "TEXT", .help = "ends it"});
    options.add(
        arguments.max_tokens,
        {.flag = "--max-tokens", .letter = 'n', .value = "N", .unit = "tokens", .help = "most"},
        {.low = -1, .high = 100});
    options.add(arguments.temperature, {.flag = "--temperature", .value = "T", .help = "heat"},
                {.low = 0, .high = 2});
    options.add(arguments.seed, {.flag = "--seed", .value = "S", .help = "of the draw"});
    options.add(arguments.ids, {.flag = "--ids", .value = "LIST", .help = "token ids"},
                {.low = 0, .high = 1000});
    options.add(
        arguments.logits,
        {.flag = "--logits", .value = "WHICH", .help = "which", .choices = {"last", "all"}});
    options.add(arguments.verbose, {.flag = "--verbose",
                                    .letter = 'v',
                                    .help = "say more",
                                    .environment = "BANTAM_OPTIONS_TEST_VERBOSE"});
  }

  std::string code_of(const Words& words) {
    const Result<void> parsed = options.parse(words);
    return parsed ? "" : parsed.error().code;
  }
  std::string message_of(const Words& words) {
    const Result<void> parsed = options.parse(words);
    return parsed ? "" : parsed.error().message;
  }

  Arguments arguments;
  Options options;
};

TEST_F(OptionsTest, ReadsEveryKindOfOption) {
  const Result<void> parsed = options.parse(
      Words{"seed", "--stop", "a", "-n", "7", "--stop=b", "hello", "--temperature=0.5", "--seed",
            "18446744073709551615", "--ids", "1,20,300", "--logits", "all", "-v"});
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(arguments.model, "seed");
  EXPECT_EQ(arguments.text, "hello");
  EXPECT_EQ(arguments.stops, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(arguments.max_tokens, 7);
  EXPECT_EQ(arguments.temperature, 0.5);
  EXPECT_EQ(arguments.seed, 18446744073709551615u);
  EXPECT_EQ(arguments.ids, (std::vector<std::int64_t>{1, 20, 300}));
  EXPECT_EQ(arguments.logits, "all");
  EXPECT_TRUE(arguments.verbose);
}

TEST_F(OptionsTest, KeepsDefaultsOfWhatIsNotGiven) {
  ASSERT_TRUE(options.parse(Words{"seed"}));
  EXPECT_EQ(arguments.max_tokens, -1);
  EXPECT_EQ(arguments.temperature, 0.8);
  EXPECT_FALSE(arguments.text);
  EXPECT_FALSE(arguments.ids);
}

TEST_F(OptionsTest, TakesNegativeValuesAndADashAlone) {
  ASSERT_TRUE(options.parse(Words{"seed", "-", "--max-tokens", "-1"}));
  EXPECT_EQ(arguments.text, "-");
  EXPECT_EQ(arguments.max_tokens, -1);
}

TEST_F(OptionsTest, TakesEverythingAfterTwoDashesAsWords) {
  ASSERT_TRUE(options.parse(Words{"--", "seed", "--verbose"}));
  EXPECT_EQ(arguments.text, "--verbose");
  EXPECT_FALSE(arguments.verbose);
}

TEST_F(OptionsTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(code_of({"seed", "--max-token", "3"}), "unknown_option");
  EXPECT_EQ(message_of({"seed", "--max-token", "3"}),
            "there is no option \"--max-token\". Did you mean --max-tokens?");
  EXPECT_EQ(code_of({"seed", "-x"}), "unknown_option");
  EXPECT_EQ(code_of({"seed", "-nv"}), "unknown_option");
  EXPECT_EQ(code_of({"seed", "text", "more"}), "unexpected_argument");
}

TEST_F(OptionsTest, RefusesWhatIsMissing) {
  EXPECT_EQ(code_of({}), "missing_argument");
  EXPECT_EQ(code_of({"seed", "--seed"}), "missing_value");
}

TEST_F(OptionsTest, RefusesValuesOutOfRange) {
  EXPECT_EQ(message_of({"seed", "-n", "101"}),
            "--max-tokens must be an integer from -1 to 100, not \"101\"");
  for (const std::string_view bad : {"", "1.5", "ten", "1 ", "99999999999999999999", "-2"})
    EXPECT_EQ(code_of({"seed", "--max-tokens", bad}), "invalid_value") << bad;
}

TEST_F(OptionsTest, RefusesNumbersThatAreNone) {
  for (const std::string_view bad : {"nan", "-nan", "inf", "2.1", "-0.1", "warm", ""})
    EXPECT_EQ(code_of({"seed", "--temperature", bad}), "invalid_value") << bad;
}

TEST_F(OptionsTest, RefusesBadLists) {
  for (const std::string_view bad : {"1,,2", "1,", ",", "1;2", "1001", "-1"})
    EXPECT_EQ(code_of({"seed", "--ids", bad}), "invalid_value") << bad;
}

TEST_F(OptionsTest, ReadsAnEmptyListAsEmpty) {
  ASSERT_TRUE(options.parse(Words{"seed", "--ids", ""}));
  ASSERT_TRUE(arguments.ids);
  EXPECT_TRUE(arguments.ids->empty());
}

TEST_F(OptionsTest, RefusesBadSeeds) {
  for (const std::string_view bad : {"-1", "1e3", "18446744073709551616", ""})
    EXPECT_EQ(code_of({"seed", "--seed", bad}), "invalid_value") << bad;
}

TEST_F(OptionsTest, RefusesWhatIsNotAChoice) {
  EXPECT_EQ(message_of({"seed", "--logits", "first"}),
            "--logits must be one of last, all, not \"first\"");
}

TEST_F(OptionsTest, RefusesAnOptionGivenTwice) {
  EXPECT_EQ(code_of({"seed", "--seed", "1", "--seed", "2"}), "repeated_option");
}

TEST_F(OptionsTest, RefusesAValueForASwitch) {
  EXPECT_EQ(code_of({"seed", "--verbose=yes"}), "invalid_value");
}

TEST_F(OptionsTest, QuotesAndCutsWhatItShows) {
  const std::string hostile = "--" + std::string(5000, 'a') + "\n";
  const Result<void> parsed = options.parse(Words{"seed", hostile});
  ASSERT_FALSE(parsed);
  EXPECT_LT(parsed.error().to_string().size(), 1024u);
}

TEST_F(OptionsTest, FallsBackToTheEnvironment) {
  ASSERT_EQ(setenv("BANTAM_OPTIONS_TEST_VERBOSE", "1", 1), 0);
  ASSERT_TRUE(options.parse(Words{"seed"}));
  unsetenv("BANTAM_OPTIONS_TEST_VERBOSE");
  EXPECT_TRUE(arguments.verbose);
}

TEST_F(OptionsTest, ExplainsEveryOption) {
  EXPECT_EQ(options.usage(), "[options] MODEL [TEXT]");
  const std::string help = options.help();
  for (const char* expected :
       {"  MODEL ", "  -n, --max-tokens N", "[tokens; default -1]", "[default 0.8, 0 to 2]",
        "[last|all; default last]", "[may be repeated]", "or $BANTAM_OPTIONS_TEST_VERBOSE"})
    EXPECT_NE(help.find(expected), std::string::npos) << expected << " in\n" << help;
}

TEST(OptionsHelp, WrapsLongLines) {
  std::string target;
  const std::string text =
      "word word word word word word word word word word word word word word "
      "word word word word word word";
  Options options;
  options.add(target, {.flag = "--a-rather-long-option", .value = "VALUE", .help = text});
  const std::string help = options.help();
  std::size_t start = 0, lines = 0;
  while (start < help.size()) {
    const std::size_t end = help.find('\n', start);
    EXPECT_LE(end - start, 96u);
    start = end + 1;
    ++lines;
  }
  EXPECT_EQ(lines, 3u);  // the flag's own, and two of text
}

}  // namespace
}  // namespace bantam
