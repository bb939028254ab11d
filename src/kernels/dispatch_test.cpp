#include "kernels/dispatch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/cpu_info.h"

namespace bantam {
namespace {

TEST(ChooseKernels, TakesTheBestWithoutAName) {
  const auto names = available_isas();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names.back(), "scalar");
  EXPECT_EQ((*choose_kernels(""))->name, names.front());
  // Who knows the machine (tools/test_aarch64.sh) can say what the best is.
  if (const char* expected = std::getenv("BANTAM_EXPECTED_ISA")) EXPECT_EQ(names.front(), expected);
}

TEST(ChooseKernels, TakesTheOneNamed) {
  for (const std::string_view name : available_isas()) {
    const auto chosen = choose_kernels(name);
    ASSERT_TRUE(chosen.has_value()) << name;
    EXPECT_EQ((*chosen)->name, name);
  }
}

TEST(ChooseKernels, AnUnknownNameIsAnErrorThatListsWhatThereIs) {
  const auto chosen = choose_kernels("mmx\n");
  ASSERT_FALSE(chosen.has_value());
  EXPECT_EQ(chosen.error().kind, ErrorKind::kConfiguration);
  EXPECT_EQ(chosen.error().code, "isa_unknown");
  EXPECT_THAT(chosen.error().to_string(), testing::HasSubstr("BANTAM_ISA"));
  EXPECT_THAT(chosen.error().to_string(), testing::HasSubstr("\"mmx\\x0a\""));
  for (const std::string_view name : available_isas())
    EXPECT_THAT(chosen.error().hint, testing::HasSubstr(std::string(name)));
}

TEST(ChooseKernels, OneThatThisMachineLacksIsAnErrorNotAnIllegalInstruction) {
  CpuInfo old;  // has nothing
  old.avx2 = old.fma = true;
#if defined(__aarch64__)
  const auto chosen = internal::choose_kernels("neon", old);
#else
  const auto chosen = internal::choose_kernels("avx2", old);  // no F16C
#endif
  ASSERT_FALSE(chosen.has_value());
  EXPECT_EQ(chosen.error().code, "isa_unsupported");
  EXPECT_THAT(chosen.error().hint, testing::HasSubstr("scalar"));
  EXPECT_EQ((*internal::choose_kernels("", old))->name, "scalar");
}

#if defined(__x86_64__)
TEST(ChooseKernels, EachFeatureSetGetsItsTable) {
  CpuInfo cpu;
  cpu.avx2 = cpu.fma = cpu.f16c = true;
  EXPECT_EQ((*internal::choose_kernels("", cpu))->name, "avx2");
  cpu.avx_vnni = true;
  EXPECT_EQ((*internal::choose_kernels("", cpu))->name, "avx2vnni");
  cpu.avx512 = true;
  EXPECT_EQ((*internal::choose_kernels("", cpu))->name, "avx512");
  cpu.avx512_vnni = true;
  EXPECT_EQ((*internal::choose_kernels("", cpu))->name, "avx512vnni");
}
#elif defined(__aarch64__)
TEST(ChooseKernels, EachFeatureSetGetsItsTable) {
  CpuInfo cpu;
  cpu.neon = true;
  EXPECT_EQ((*internal::choose_kernels("", cpu))->name, "neon");
  cpu.dotprod = true;
  EXPECT_EQ((*internal::choose_kernels("", cpu))->name, "neon-dotprod");
  cpu.i8mm = true;
  EXPECT_EQ((*internal::choose_kernels("", cpu))->name, "neon-i8mm");
}
#endif

TEST(IsaFromEnvironment, IsTheVariableOrEmpty) {
  const char* before = std::getenv("BANTAM_ISA");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("BANTAM_ISA", "avx2", 1);
  EXPECT_EQ(isa_from_environment(), "avx2");
  ::unsetenv("BANTAM_ISA");
  EXPECT_EQ(isa_from_environment(), "");
  if (before != nullptr) ::setenv("BANTAM_ISA", kept.c_str(), 1);
}

}  // namespace
}  // namespace bantam
