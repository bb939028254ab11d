#include "tune/verifier.h"

#include <gtest/gtest.h>

#include <chrono>

namespace bantam {
namespace {

using namespace std::chrono_literals;

TEST(Verifiers, TakeTheSameTextValueOrNumber) {
  const auto exact = exact_verifier(), json = json_verifier(), number = number_verifier();
  EXPECT_TRUE(exact->accepts("a b", " a b\n").value());
  EXPECT_FALSE(exact->accepts("a b", "a  b").value());
  EXPECT_TRUE(json->accepts(R"({"a":1,"b":[true]})", R"( {"b": [true], "a": 1} )").value());
  EXPECT_FALSE(json->accepts(R"({"a":1})", R"({"a":1,"b":2})").value());
  EXPECT_FALSE(json->accepts("[1]", "[1").value());
  EXPECT_FALSE(json->accepts("nothing", "nothing").value());
  EXPECT_TRUE(number->accepts("#### 1,234.50", "so 3 of 4 make 1234.5 in all.").value());
  EXPECT_TRUE(number->accepts("-7", "it is -7").value());
  EXPECT_FALSE(number->accepts("7", "it is -7").value());
  EXPECT_TRUE(number->accepts("7", "3-7").value());
  EXPECT_FALSE(number->accepts("7", "7 or 8").value());
  EXPECT_FALSE(number->accepts("7", "seven").value());
  EXPECT_FALSE(number->accepts("none", "7").value());
  EXPECT_TRUE(number->accepts("1.2.3", "2.3").value());
}

TEST(Verifiers, AskAProgramThatReadsTheAnswer) {
  EXPECT_TRUE(command_verifier({"grep", "-q", "^yes$"}, 10s)->accepts("", "no\nyes\n").value());
  EXPECT_FALSE(command_verifier({"grep", "-q", "^yes$"}, 10s)->accepts("", "no").value());
  const std::vector<std::string> same = {"sh", "-c", "[ \"$(cat)\" = \"$BANTAM_WANTED\" ]"};
  EXPECT_TRUE(command_verifier(same, 10s)->accepts("this one", "this one").value());
  EXPECT_FALSE(command_verifier(same, 10s)->accepts("this one", "that one").value());
  // Nothing in an answer or an argument is a command.
  EXPECT_TRUE(command_verifier({"test", "$(false)"}, 10s)->accepts("", "`false`").value());
  // More than a pipe holds, to a program that does not read it.
  EXPECT_TRUE(command_verifier({"true"}, 10s)->accepts("", std::string(1 << 20, 'x')).value());
}

TEST(Verifiers, KillAProgramThatTakesTooLong) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<std::string> slow = {"sh", "-c", "sleep 100 & sleep 100"};
  EXPECT_FALSE(command_verifier(slow, 50ms)->accepts("", "").value());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 50s);
  const auto absent = command_verifier({"bantam-no-such-program"}, 1s)->accepts("", "");
  ASSERT_FALSE(absent.has_value());
  EXPECT_EQ(absent.error().code, "verifier_not_found");
}

}  // namespace
}  // namespace bantam
