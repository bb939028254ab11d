#include "base/cpu_info.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace bantam {
namespace {

namespace fs = std::filesystem;

class CpuInfoTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ =
        fs::path(testing::TempDir()) /
        (std::string("cpu_info_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    put("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU 9000 \n");
    put("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 5 kB\nMemAvailable:    600 kB\n");
  }
  void TearDown() override { fs::remove_all(root_); }

  void put(const fs::path& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  CpuInfo read(std::uint64_t cores = 8) { return internal::read_cpu_info(root_, cores); }

  fs::path root_;
};

TEST_F(CpuInfoTest, ReadsModelAndMemory) {
  const CpuInfo info = read();
  EXPECT_EQ(info.model, "Some CPU 9000");
  EXPECT_EQ(info.cores, 8u);
  EXPECT_EQ(info.memory_bytes, 1000u << 10);
  EXPECT_EQ(info.available_memory_bytes, 600u << 10);
}

TEST_F(CpuInfoTest, TheTightestGroupOnTheWayToTheRootCounts) {
  put("proc/self/cgroup", "0::/outer/inner\n");
  put("sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
  put("sys/fs/cgroup/outer/cpu.max", "150000 100000\n");
  put("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  put("sys/fs/cgroup/outer/memory.max", "500000\n");
  put("sys/fs/cgroup/outer/memory.current", "300000\n");
  put("sys/fs/cgroup/outer/memory.stat", "anon 100\nfile 200000\nfile_mapped 7\n");
  const CpuInfo info = read();
  EXPECT_EQ(info.cores, 2u);
  EXPECT_EQ(info.memory_bytes, 500000u);
  EXPECT_EQ(info.available_memory_bytes, 400000u);
}

TEST_F(CpuInfoTest, ReadsVersionOneGroups) {
  put("proc/self/cgroup", "4:memory:/box\n3:cpuacct,cpu:/box\n");
  put("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "300000\n");
  put("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
  put("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "700000\n");
  put("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "650000\n");
  const CpuInfo info = read();
  EXPECT_EQ(info.cores, 3u);
  EXPECT_EQ(info.memory_bytes, 700000u);
  EXPECT_EQ(info.available_memory_bytes, 50000u);
}

TEST_F(CpuInfoTest, NoQuotaAndNonsenseAreNoLimit) {
  put("proc/self/cgroup", "no colons\n0::/\n3:cpu:/\n");
  put("sys/fs/cgroup/cpu.max", "garbage");
  put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  const CpuInfo info = read(5);
  EXPECT_EQ(info.cores, 5u);
  EXPECT_EQ(info.memory_bytes, 1000u << 10);
}

TEST_F(CpuInfoTest, NothingReadableStillGivesOneCore) {
  fs::remove_all(root_);
  EXPECT_EQ(read(0).cores, 1u);
}

TEST(CpuInfo, ThisMachineIsPlausible) {
  const CpuInfo info = read_cpu_info();
  EXPECT_GE(info.cores, 1u);
  EXPECT_GT(info.memory_bytes, 64u << 20);
  EXPECT_LE(info.available_memory_bytes, info.memory_bytes);
  EXPECT_TRUE(!info.avx512_vnni || info.avx512);
}

}  // namespace
}  // namespace bantam
