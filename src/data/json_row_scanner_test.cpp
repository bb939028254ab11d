#include "data/json_row_scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bantam {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> scan(std::string_view text) {
  JsonRowScanner scanner(text);
  std::vector<std::string> out;
  for (;;) {
    const auto row = scanner.next();
    if (!row) {
      out.push_back("!" + row.error().message);
      return out;
    }
    if (!*row) {
      const auto after = scanner.next();
      EXPECT_TRUE(after && !after->has_value()) << "nothing comes after the end";
      return out;
    }
    out.push_back(fmt::format("{}:{}", (*row)->line, (*row)->text));
  }
}

TEST(JsonRowScanner, LinesLessBlankOnes) {
  EXPECT_THAT(scan("{\"a\":1}\n\n  \t\r\n[x\n{}"), ElementsAre("1:{\"a\":1}", "4:[x", "5:{}"));
  EXPECT_THAT(scan(""), IsEmpty());
  EXPECT_THAT(scan(" \n"), IsEmpty());
}

TEST(JsonRowScanner, ElementsOfAnArrayWithTheirLines) {
  EXPECT_THAT(scan("\n[\n {\"a\":\"]},\\\"\"},\n\n [1,\n{}] , 3]\n"),
              ElementsAre("3:{\"a\":\"]},\\\"\"}", "5:[1,\n{}] ", "6:3"));
  EXPECT_THAT(scan("[]"), IsEmpty());
}

TEST(JsonRowScanner, SaysWhereAnArrayBreaks) {
  EXPECT_THAT(scan("[{},\n{}\n"), ElementsAre("1:{}", HasSubstr("line 3: expected the end of an")));
  EXPECT_THAT(scan("[{}\n"), ElementsAre(HasSubstr("line 2: expected the end of an element")));
  EXPECT_THAT(scan("[{}]\n{}"),
              ElementsAre("1:{}", HasSubstr("line 2: expected nothing after the end")));
  EXPECT_THAT(scan("[1}2]"), ElementsAre("1:1", HasSubstr("expected a comma or the end")));
  EXPECT_THAT(scan("["), ElementsAre(HasSubstr("the end of the file")));
}

}  // namespace
}  // namespace bantam
