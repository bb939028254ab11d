// Rows of a data set, in the shapes that people have.
//
//   {"messages":[{"role":…,"content":…},…],"tools":…}     a conversation; also "conversations" with
//                                                         "from" and "value"
//   {"prompt":…,"completion":…}                           text or messages; also "instruction",
//                                                         "input" and "output"
//   {"prompt":…,"chosen":…,"rejected":…}                  a preference; text or messages
//   {"prompt":…,"completion":…,"label":true}              an answer that was liked or not
//   {"text":…,"label":…}, or CSV with a header            a text and its class; the names of the
//                                                         columns are options
//   {"text":…}                                            a document
// as JSON Lines or as one JSON array; CSV if the file's name ends in .csv (or .tsv, with tabs); and
// .txt: documents between lines that say <|endoftext|>.
//
// A file has one shape, told by its first good row. Untrusted: sizes, counts and depths are bounded
// by the limits below, text is UTF-8, and a bad row is named by file, line and reason. Members that
// no shape has (ids, sources, …) are left alone, and said: RowFile::unused.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "chat/message.h"

namespace bantam {

inline constexpr std::size_t kMaxRowBytes = std::size_t{16} << 20;  // of JSON, or a CSV record
inline constexpr std::size_t kMaxRowMessages = 1024;

enum class RowShape : std::uint8_t {
  kMessages,
  kCompletion,
  kPreference,
  kLiked,
  kLabelled,
  kText,
};
std::string_view row_shape_name(RowShape shape);  // "conversation", "preference", …

struct Row {
  RowShape shape = RowShape::kText;
  std::int64_t line = 0;  // where it begins in the file, from one
  // Of conversations all that is said. Of the other shapes that have a prompt: the prompt, if it
  // came as messages.
  std::vector<Message> messages;
  // Of conversations, one a message: how much its words count in the loss. 1 for the assistant's
  // and 0 for all others, unless the row says ("weight").
  std::vector<float> weights;
  Json tools = nullptr;
  std::string text;    // a document; the text of a label; a prompt that came as text
  Message answer;      // the completion, or the chosen one
  Message rejected;    // of preferences
  std::string label;   // of kLabelled
  bool liked = false;  // of kLiked
};

struct RowOptions {
  std::string text_column = "text", label_column = "label";
  bool skip_bad = false;
};

struct RowFile {
  RowShape shape = RowShape::kText;
  std::vector<Row> rows;
  std::int64_t skipped = 0;                 // bad ones, with skip_bad
  std::vector<std::string> first_problems;  // of those, at most ten: "train.jsonl:17: …"
  std::set<std::string> unused;             // members or columns that nobody reads; at most 32
};

enum class RowFormat : std::uint8_t { kJson, kCsv, kTsv, kText };
RowFormat row_format(const std::filesystem::path& path);  // by its name

// Errors: those of MappedFile; kMalformed "row_invalid" at the first bad row, unless skip_bad;
// whatever skip_bad, kMalformed "data_invalid" for what is no data of that format at all (UTF-16,
// gzip, a quote that is never closed, a CSV file without the columns) and "data_empty" for no good
// row.
Result<RowFile> read_rows(const std::filesystem::path& path, const RowOptions& options);
// The same of bytes; `name` is for messages.
Result<RowFile> parse_rows(std::string_view bytes, RowFormat format, std::string_view name,
                           const RowOptions& options);

}  // namespace bantam
