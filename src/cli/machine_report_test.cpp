#include "cli/machine_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace bantam {
namespace {

const Finding* find(const std::vector<Finding>& findings, std::string_view name) {
  const auto found = std::ranges::find(findings, name, &Finding::name);
  return found == findings.end() ? nullptr : &*found;
}

TEST(MachineReport, NamesEveryFact) {
  const std::vector<Finding> findings = examine_machine();
  for (const std::string_view name :
       {"processor", "kernels", "memory", "huge pages", "open files", "sandbox"}) {
    const Finding* finding = find(findings, name);
    ASSERT_NE(finding, nullptr) << name;
    EXPECT_FALSE(finding->found.empty()) << name;
    EXPECT_EQ(finding->verdict == Verdict::kOk, finding->advice.empty()) << name;
  }
}

TEST(MachineReport, FailsOnAnInstructionSetThatIsNone) {
  ASSERT_EQ(setenv("BANTAM_ISA", "mmx9", 1), 0);
  const std::vector<Finding> findings = examine_machine();
  unsetenv("BANTAM_ISA");
  const Finding* kernels = find(findings, "kernels");
  ASSERT_NE(kernels, nullptr);
  EXPECT_EQ(kernels->verdict, Verdict::kFailure);
  EXPECT_NE(kernels->advice.find("mmx9"), std::string::npos) << kernels->advice;
}

}  // namespace
}  // namespace bantam
