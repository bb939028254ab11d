// What `bantam doctor` finds out about the machine: facts with a verdict and a way out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bantam {

enum class Verdict { kOk, kWarning, kFailure };
std::string_view verdict_name(Verdict verdict);  // "ok", "warn", "fail"

struct Finding {
  std::string name;  // "huge pages"
  Verdict verdict = Verdict::kOk;
  std::string found = {};   // "madvise"
  std::string advice = {};  // what to do; empty when there is nothing to do
};

// Looks at processor, memory, limits and kernel features. Reads only; takes milliseconds.
std::vector<Finding> examine_machine();

}  // namespace bantam
