#include "tune/verifier.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "base/json.h"

namespace bantam {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The last run of digits, commas between digits left out, one point between digits, and a sign.
std::optional<double> last_number(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0 && !is_digit(text[end - 1])) --end;
  if (end == 0) return std::nullopt;
  std::string digits;
  bool point = false;
  std::size_t at = end;
  for (; at > 0; --at) {
    const char c = text[at - 1];
    const bool inside = at < end && at > 1 && is_digit(text[at]) && is_digit(text[at - 2]);
    if (is_digit(c)) {
      digits += c;
    } else if (inside && c == ',') {
      continue;
    } else if (inside && c == '.' && !point) {
      digits += c;
      point = true;
    } else {
      break;
    }
  }
  if (at > 0 && text[at - 1] == '-' && (at == 1 || !is_digit(text[at - 2]))) digits += '-';
  std::ranges::reverse(digits);
  double value = 0;
  const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

class ExactVerifier final : public Verifier {
 public:
  Result<bool> accepts(std::string_view wanted, std::string_view answer) override {
    return trimmed(wanted) == trimmed(answer);
  }
};

class JsonVerifier final : public Verifier {
 public:
  Result<bool> accepts(std::string_view wanted, std::string_view answer) override {
    const auto one = parse_json(wanted), other = parse_json(answer);
    return one && other && *one == *other;
  }
};

class NumberVerifier final : public Verifier {
 public:
  Result<bool> accepts(std::string_view wanted, std::string_view answer) override {
    const auto one = last_number(wanted), other = last_number(answer);
    return one && other && std::abs(*one - *other) <= 1e-9 * std::max(1.0, std::abs(*one));
  }
};

}  // namespace

std::unique_ptr<Verifier> exact_verifier() { return std::make_unique<ExactVerifier>(); }
std::unique_ptr<Verifier> json_verifier() { return std::make_unique<JsonVerifier>(); }
std::unique_ptr<Verifier> number_verifier() { return std::make_unique<NumberVerifier>(); }

Result<std::unique_ptr<Verifier>> make_verifier(const VerifierOptions& options) {
  switch (options.kind) {
    case VerifierKind::kExact:
      return exact_verifier();
    case VerifierKind::kJson:
      return json_verifier();
    case VerifierKind::kNumber:
      return number_verifier();
    case VerifierKind::kCommand:
      break;
  }
  std::vector<std::string> words;
  std::string word;
  for (const char c : options.command + " ") {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (words.empty())
    return fail(ErrorKind::kUsage, "verifier_invalid", "the verifier is a command without words");
  return command_verifier(std::move(words),
                          std::chrono::milliseconds(std::llround(1000 * options.seconds)));
}

}  // namespace bantam
