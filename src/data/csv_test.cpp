#include "data/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bantam {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Records as "line: a|b", errors as "line: !message".
std::vector<std::string> read(std::string_view text, char delimiter = ',') {
  CsvReader reader(text, delimiter);
  std::vector<std::string> out;
  while (!reader.at_end()) {
    const std::int64_t line = reader.line();
    const auto record = reader.next();
    std::string said = fmt::format("{}: ", line);
    if (!record) {
      out.push_back(said + "!" + record.error().message);
      if (reader.broken()) break;
      continue;
    }
    EXPECT_EQ(record->line, line);
    for (std::size_t i = 0; i < record->fields.size(); ++i)
      said += (i == 0 ? "" : "|") + record->fields[i];
    out.push_back(said);
  }
  return out;
}

TEST(CsvReader, CutsRecordsAndFields) {
  EXPECT_THAT(read("a,b\nc,d\n"), ElementsAre("1: a|b", "2: c|d"));
  EXPECT_THAT(read("a,b\r\nc,\r,d"), ElementsAre("1: a|b", "2: c|", "3: |d"));
  EXPECT_THAT(read("a\tb,c\n", '\t'), ElementsAre("1: a|b,c"));
  EXPECT_THAT(read(",\n\n"), ElementsAre("1: |", "2: "));
  EXPECT_THAT(read(""), ElementsAre());
}

TEST(CsvReader, QuotesHoldDelimitersLineEndsAndQuotes) {
  EXPECT_THAT(read("\"a,b\",\"c\"\"d\"\n\"x\ny\r\nz\",1\nlast,2"),
              ElementsAre("1: a,b|c\"d", "2: x\ny\r\nz|1", "5: last|2"));
  EXPECT_THAT(read("5\" pipe,\"\"\n"), ElementsAre("1: 5\" pipe|"));
}

TEST(CsvReader, GoesOnAtTheNextLineAfterTextBehindAQuote) {
  const auto records = read("\"a\"b,c\nd,e\n");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_THAT(records[0], HasSubstr("1: !text after the closing quote in line 1"));
  EXPECT_EQ(records[1], "2: d|e");
}

TEST(CsvReader, AQuoteNeverClosedEndsTheFile) {
  const auto records = read("a,b\nc,\"d\ne,f\n");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_THAT(records[1], HasSubstr("the quote opened in line 2 is never closed"));
  const std::string endless =
      "x,\"" + std::string(CsvReader::kMaxRecordBytes + 10, 'y') + "\"\nz,z";
  EXPECT_THAT(read(endless), ElementsAre(HasSubstr("is not closed within")));
}

TEST(CsvReader, BoundsRecords) {
  EXPECT_THAT(read(std::string(CsvReader::kMaxFields, ',') + "\na"),
              ElementsAre(HasSubstr("over the limit of 1024 fields"), "2: a"));
  EXPECT_THAT(read(std::string(CsvReader::kMaxRecordBytes + 1, 'y') + "\na"),
              ElementsAre(HasSubstr("over the limit"), "2: a"));
}

}  // namespace
}  // namespace bantam
