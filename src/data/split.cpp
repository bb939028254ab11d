#include "data/split.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/random.h"
#include "base/unicode.h"

namespace bantam {
namespace {

constexpr std::uint64_t kFnvOffset = 0xCBF29CE484222325, kFnvPrime = 0x100000001B3;

std::uint64_t fnv1a(std::string_view bytes, std::uint64_t hash = kFnvOffset) {
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * kFnvPrime;
  return hash;
}

std::string plain(std::string_view text) {
  std::string out;
  bool blank = false;
  for (std::size_t at = 0; at < text.size();) {
    const DecodedChar next = decode_utf8(text.substr(at));
    at += next.bytes;
    if (is_whitespace(next.codepoint)) {
      blank = !out.empty();
      continue;
    }
    if (std::exchange(blank, false)) out += ' ';
    append_utf8(out, to_lower(next.codepoint));
  }
  return out;
}

std::string text_of(const Message& message) {
  std::string out = message.content.value_or("");
  for (const ToolCall& call : message.tool_calls) out += " " + call.name + " " + call.arguments;
  return out;
}

// Of a conversation, the index of its last answer; of other shapes all messages are the question.
std::size_t question_turns(const Row& row) {
  std::size_t end = row.messages.size();
  if (row.shape != RowShape::kMessages) return end;
  while (end > 0 && row.messages[end - 1].role != "assistant") --end;
  return end == 0 ? row.messages.size() : end - 1;
}

bool has_answer(const Row& row) { return row.shape != RowShape::kText; }

// Hashes of all runs of kLeakWords words.
std::vector<std::uint64_t> runs_of(const Row& row) {
  const std::string text = row_question(row) + " " + row_answer(row);
  std::vector<std::uint64_t> words;
  std::uint64_t word = kFnvOffset;
  bool inside = false;
  for (std::size_t at = 0; at <= text.size();) {
    const DecodedChar next = decode_utf8(std::string_view(text).substr(at));
    const bool part = at < text.size() && (is_letter(next.codepoint) || is_number(next.codepoint) ||
                                           is_mark(next.codepoint));
    if (part) word = fnv1a(std::string_view(text).substr(at, next.bytes), word);
    if (!part && inside) words.push_back(std::exchange(word, kFnvOffset));
    inside = part;
    at += std::max<std::size_t>(next.bytes, 1);
  }
  std::vector<std::uint64_t> runs;
  for (std::size_t i = 0; i + kLeakWords <= words.size(); ++i) {
    std::uint64_t run = kFnvOffset;
    for (std::size_t k = 0; k < kLeakWords; ++k) run = (run ^ words[i + k]) * kFnvPrime;
    runs.push_back(run);
  }
  return runs;
}

}  // namespace

std::string row_question(const Row& row) {
  std::string out;
  for (std::size_t i = 0; i < question_turns(row); ++i)
    out += row.messages[i].role + ": " + text_of(row.messages[i]) + " ";
  return plain(out + row.text);
}

std::string row_answer(const Row& row) {
  std::string out;
  if (row.shape == RowShape::kLabelled) {
    out = row.label;
  } else if (row.shape == RowShape::kMessages) {
    for (std::size_t i = question_turns(row); i < row.messages.size(); ++i)
      out += text_of(row.messages[i]) + " ";
  } else if (has_answer(row)) {
    out = text_of(row.answer);
    if (row.shape == RowShape::kPreference) out += " / " + text_of(row.rejected);
    if (row.shape == RowShape::kLiked) out += row.liked ? " +" : " -";
  }
  return plain(out);
}

std::uint64_t row_hash(const Row& row) { return fnv1a(row_question(row)); }

Part part_of(const Row& row, const SplitOptions& options) {
  CHECK(options.validation >= 0 && options.test >= 0 && options.validation + options.test <= 1);
  const double place = Random(options.salt, row_hash(row)).next_double();
  if (place < options.test) return Part::kTest;
  return place < options.test + options.validation ? Part::kValidation : Part::kTrain;
}

std::vector<std::size_t> duplicates(const std::vector<Row>& rows) {
  std::set<std::pair<std::string, std::string>> seen;
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (!seen.emplace(row_question(rows[i]), row_answer(rows[i])).second) out.push_back(i);
  return out;
}

std::vector<std::size_t> conflicts(const std::vector<Row>& rows) {
  std::map<std::string, std::set<std::string>> seen;
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!has_answer(rows[i])) continue;
    std::set<std::string>& answers = seen[row_question(rows[i])];
    if (answers.insert(row_answer(rows[i])).second && answers.size() > 1) out.push_back(i);
  }
  return out;
}

std::vector<Leak> leaks(const std::vector<Row>& train, const std::vector<Row>& test, double share) {
  std::unordered_map<std::string, std::size_t> questions;
  std::unordered_map<std::uint64_t, std::size_t> runs;  // the first row that has each
  for (std::size_t i = 0; i < train.size(); ++i) {
    questions.try_emplace(row_question(train[i]), i);
    for (const std::uint64_t run : runs_of(train[i])) runs.try_emplace(run, i);
  }
  std::vector<Leak> out;
  for (std::size_t i = 0; i < test.size(); ++i) {
    if (const auto same = questions.find(row_question(test[i])); same != questions.end()) {
      out.push_back({same->second, i, 1});
      continue;
    }
    std::map<std::size_t, std::size_t> holders;
    std::size_t found = 0;
    const std::vector<std::uint64_t> own = runs_of(test[i]);
    for (const std::uint64_t run : own) {
      const auto holder = runs.find(run);
      if (holder == runs.end()) continue;
      ++found;
      ++holders[holder->second];
    }
    const double shared =
        own.empty() ? 0 : static_cast<double>(found) / static_cast<double>(own.size());
    if (found == 0 || shared <= share) continue;
    const auto most = std::ranges::max_element(
        holders, {}, &std::map<std::size_t, std::size_t>::value_type::second);
    out.push_back({most->first, i, shared});
  }
  return out;
}

}  // namespace bantam
