// How many megabytes of text a second each tokenizer turns into ids:
//   tokenizer_throughput TOKENIZER... [--text FILE]
// A tokenizer is a path as load_tokenizer() takes it. Besides the text (ten megabytes of it,
// repeated if need be) it encodes the inputs that are hard for one algorithm or another. Times are
// of the processor, not of the clock.
#include <fmt/format.h>

#include <cstddef>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/random.h"
#include "base/unicode.h"
#include "tokenizer/tokenizer.h"

namespace bantam {
namespace {

constexpr std::size_t kBytes = 10'000'000;

std::string repeated(std::string_view unit) {
  std::string text;
  text.reserve(kBytes + unit.size());
  while (text.size() < kBytes) text += unit;
  return text;
}

struct Input {
  std::string name, text;
};

std::vector<Input> inputs(const std::string& sample) {
  Random random(1);
  std::string bytes, letters, unicode;
  while (bytes.size() < kBytes) bytes += static_cast<char>(random.next_below(256));
  while (letters.size() < kBytes) letters += static_cast<char>('a' + random.next_below(26));
  while (unicode.size() < kBytes)
    append_utf8(unicode, static_cast<char32_t>(random.next_below(0x30000)));
  return {{"text", repeated(sample)},   {"A", repeated("A")},
          {"space", repeated(" ")},     {"newline", repeated("\n")},
          {".", repeated(".")},         {"digit", repeated("7")},
          {"CJK", repeated("\u4E2D")},  {"abab", repeated("ab")},
          {"mark", repeated("\u0301")}, {"letters", letters},
          {"random bytes", bytes},      {"random Unicode", unicode},
          {"space x", repeated(" x")},  {"spaces x", repeated("        x")}};
}

int run(int count, char** arguments) {
  std::vector<std::string> paths;
  std::string sample = "The quick brown fox jumps over the lazy dog, and 3.14 is nearly pi.\n";
  for (int i = 1; i < count; ++i) {
    if (std::string_view(arguments[i]) == "--text" && i + 1 < count) {
      Result<std::string> text = read_file(arguments[++i], kBytes * 10);
      if (!text) {
        fmt::print(stderr, "{}\n", text.error().to_string());
        return exit_code(text.error().kind);
      }
      sample = *text;
    } else {
      paths.emplace_back(arguments[i]);
    }
  }
  const std::vector<Input> all = inputs(sample);
  for (const std::string& path : paths) {
    const std::clock_t start = std::clock();
    const auto tokenizer = load_tokenizer(path);
    const double loading = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    if (!tokenizer) {
      fmt::print("{}\n", tokenizer.error().to_string());
      continue;
    }
    fmt::print("{}: {} (loaded in {:.0f} ms)\n", path, (*tokenizer)->description(), loading * 1e3);
    for (const Input& input : all) {
      const std::clock_t begin = std::clock();
      const std::vector<TokenId> ids = (*tokenizer)->encode(input.text, {});
      const double taken = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
      fmt::print("  {:<15} {:>8.1f} MB/s {:>10} ids\n", input.name,
                 static_cast<double>(input.text.size()) * 1e-6 / taken, ids.size());
    }
  }
  return 0;
}

}  // namespace
}  // namespace bantam

int main(int count, char** arguments) { return bantam::run(count, arguments); }
