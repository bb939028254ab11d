// LINK: bantam_data
//
// Rows of a data set: whatever the file, it is rows that keep what the header promises, or an error
// that names a place. The first byte chooses the format and whether bad rows are skipped.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/unicode.h"
#include "data/rows.h"

namespace {

using namespace bantam;

void check_text(std::string_view text) { CHECK(is_valid_utf8(text)); }

void check_message(const Message& message) {
  check_text(message.content.value_or(""));
  check_text(message.reasoning.value_or(""));
  CHECK(message.role == "system" || message.role == "user" || message.role == "assistant" ||
        message.role == "tool");
  CHECK(message.content.has_value() || !message.tool_calls.empty());
}

void check_row(const Row& row, RowShape shape) {
  CHECK(row.shape == shape && row.line >= 1);
  CHECK(row.messages.size() <= kMaxRowMessages + 1);  // a system message may come on top
  CHECK(row.weights.size() == (shape == RowShape::kMessages ? row.messages.size() : 0));
  for (const Message& message : row.messages) check_message(message);
  check_text(row.text);
  check_text(row.label);
  const bool answered =
      shape == RowShape::kCompletion || shape == RowShape::kPreference || shape == RowShape::kLiked;
  if (answered) check_message(row.answer);
  if (shape == RowShape::kPreference) check_message(row.rejected);
  CHECK(row.tools.is_null() || row.tools.is_array());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const auto format = static_cast<RowFormat>(data[0] % 4);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto file = parse_rows(bytes, format, "fuzz", {.skip_bad = data[0] % 8 >= 4});
  if (!file) {
    CHECK(!file.error().code.empty() && file.error().to_string().size() <= 1024);
    CHECK(file.error().where.starts_with("fuzz"));
    return 0;
  }
  CHECK(!file->rows.empty() && file->first_problems.size() <= 10 && file->unused.size() <= 32);
  for (const Row& row : file->rows) check_row(row, file->shape);
  return 0;
}
