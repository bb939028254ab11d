// Whether an answer is right: what rejection sampling keeps answers by.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bantam {

class Verifier {
 public:
  virtual ~Verifier() = default;
  // `wanted` is what the row says. An error is one of the verifier's, not of the answer. One call
  // at a time.
  virtual Result<bool> accepts(std::string_view wanted, std::string_view answer) = 0;
};

// The same text, blanks around it aside.
std::unique_ptr<Verifier> exact_verifier();
// The same JSON value: members in any order, 1 and 1.0 alike as numbers of one kind.
std::unique_ptr<Verifier> json_verifier();
// The same number: of each the last that it says, with or without commas between thousands, to
// within a billionth. An answer without one is wrong, and so is a row.
std::unique_ptr<Verifier> number_verifier();

// A program of the user's: accepted is what it ends with exit code 0 for. It gets the answer on
// standard input, the wanted one in the environment variable BANTAM_WANTED, and no other input; its
// output goes nowhere. No shell: `words` are the program, looked for in PATH, and its arguments. An
// answer that takes longer than `limit` is not accepted, and the program's process group is killed.
// accepts() then has the errors kNotFound "verifier_not_found" and kIo "io".
std::unique_ptr<Verifier> command_verifier(std::vector<std::string> words,
                                           std::chrono::milliseconds limit);

enum class VerifierKind : std::uint8_t { kExact, kJson, kNumber, kCommand };
struct VerifierOptions {
  VerifierKind kind = VerifierKind::kExact;
  std::string command;  // of kCommand: words between blanks
  double seconds = 10;
};
// kUsage "verifier_invalid" for a command without words.
Result<std::unique_ptr<Verifier>> make_verifier(const VerifierOptions& options);

}  // namespace bantam
