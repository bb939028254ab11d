#include "train/checkpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"
#include "base/random.h"
#include "train/run_folder.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

class TrainingFiles : public testing::Test {
 protected:
  TrainingFiles() {
    folder_ = fs::path(testing::TempDir()) /
              fmt::format("bantam-{}-{}", ::getpid(),
                          testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    Random random(4);
    for (auto* bytes : {&first_, &second_})
      for (std::byte& byte : *bytes) byte = static_cast<std::byte>(random.next_below(256));
  }
  ~TrainingFiles() override { fs::remove_all(folder_); }

  std::vector<CheckpointPart> parts() { return {{"first", first_}, {"second", second_}}; }
  fs::path path() const { return folder_ / "checkpoint.safetensors"; }
  std::string bytes() const { return read_file(path(), 1 << 24).value(); }

  fs::path folder_;
  std::vector<std::byte> first_ = std::vector<std::byte>(1003);
  std::vector<std::byte> second_ = std::vector<std::byte>(77);
};
constexpr RunState kState = {.step = 17,
                             .tokens = std::int64_t{1} << 40,
                             .seconds = 0.1,
                             .best_step = 12,
                             .best_score = -1.0 / 3,
                             .since_best = 2};

TEST_F(TrainingFiles, CheckpointsComeBackToTheBit) {
  ASSERT_TRUE(save_checkpoint(path(), kState, "run", parts()).has_value());
  const auto first = first_, second = second_;
  std::ranges::fill(first_, std::byte{0});
  std::ranges::fill(second_, std::byte{0});
  const auto loaded = load_checkpoint(path(), "run", parts());
  ASSERT_TRUE(loaded.has_value()) << loaded.error().to_string();
  EXPECT_EQ(first_, first);
  EXPECT_EQ(second_, second);
  EXPECT_EQ(loaded->step, kState.step);
  EXPECT_EQ(loaded->tokens, kState.tokens);
  EXPECT_EQ(loaded->seconds, kState.seconds);
  EXPECT_EQ(loaded->best_step, kState.best_step);
  EXPECT_EQ(loaded->best_score, kState.best_score);
  EXPECT_EQ(loaded->since_best, kState.since_best);
}

TEST_F(TrainingFiles, DamagedCheckpointsAreRefusedAndChangeNothing) {
  ASSERT_TRUE(save_checkpoint(path(), kState, "run", parts()).has_value());
  const std::string good = bytes();
  const auto first = first_;
  std::ranges::fill(first_, std::byte{7});
  const auto refused = [&](std::string_view name) {
    const auto loaded = load_checkpoint(path(), "run", parts());
    ASSERT_FALSE(loaded.has_value()) << name;
    EXPECT_EQ(loaded.error().code, "checkpoint_invalid") << name;
    EXPECT_NE(loaded.error().hint, "") << name;
    EXPECT_EQ(first_, std::vector<std::byte>(first.size(), std::byte{7})) << name;
  };
  // One bit of every region: sizes, header, both parts.
  for (std::size_t at = 0; at < good.size(); at += 41) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    ASSERT_TRUE(write_file(path(), bad).has_value());
    const auto loaded = load_checkpoint(path(), "run", parts());
    ASSERT_FALSE(loaded.has_value()) << "byte " << at;
    EXPECT_EQ(first_, std::vector<std::byte>(first.size(), std::byte{7})) << "byte " << at;
  }
  for (const std::size_t length : {0UL, 7UL, good.size() / 2, good.size() - 1}) {
    ASSERT_TRUE(write_file(path(), good.substr(0, length)).has_value());
    refused(fmt::format("{} bytes", length));
  }
  ASSERT_TRUE(write_file(path(), good).has_value());
  first_.resize(1002, std::byte{7});
  EXPECT_EQ(load_checkpoint(path(), "run", parts()).error().code, "checkpoint_invalid");
}

TEST_F(TrainingFiles, CheckpointsOfAnotherRunNameBothDigests) {
  ASSERT_TRUE(save_checkpoint(path(), kState, "aaaa", parts()).has_value());
  const auto loaded = load_checkpoint(path(), "bbbb", parts());
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, "checkpoint_other_run");
  EXPECT_NE(loaded.error().message.find("aaaa"), std::string::npos);
  EXPECT_NE(loaded.error().message.find("bbbb"), std::string::npos);
}

TEST_F(TrainingFiles, AFullDiskLeavesTheCheckpointThatWasThere) {
  ASSERT_TRUE(save_checkpoint(path(), kState, "run", parts()).has_value());
  const std::string before = bytes();
  std::ranges::fill(first_, std::byte{9});
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {600, 600};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto saved = save_checkpoint(path(), kState, "run", parts());
    ::_exit(saved ? 1 : (saved.error().code == "storage_full" ? 0 : 2));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(bytes(), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(TrainingFiles, OneRunAtATimeHasAFolder) {
  {
    const auto mine = RunFolder::open(folder_ / "new" / "run");
    ASSERT_TRUE(mine.has_value()) << mine.error().to_string();
    const auto other = RunFolder::open(folder_ / "new" / "run");
    ASSERT_FALSE(other.has_value());
    EXPECT_EQ(other.error().code, "run_locked");
    EXPECT_EQ(other.error().kind, ErrorKind::kTryAgain);
    EXPECT_NE(other.error().message.find(std::to_string(::getpid())), std::string::npos);
  }
  EXPECT_TRUE(RunFolder::open(folder_ / "new" / "run").has_value());
  ASSERT_TRUE(write_file(folder_ / "file", "").has_value());
  EXPECT_FALSE(RunFolder::open(folder_ / "file").has_value());
}

TEST_F(TrainingFiles, OpeningAFolderRemovesWhatAKilledRunLeftHalfWritten) {
  const fs::path leftover = folder_ / ".bantam-0123456789abcdef.tmp", other = folder_ / "notes.tmp";
  ASSERT_TRUE(write_file(leftover, "half").has_value());
  ASSERT_TRUE(write_file(other, "mine").has_value());
  ASSERT_TRUE(RunFolder::open(folder_).has_value());
  EXPECT_FALSE(fs::exists(leftover));
  EXPECT_TRUE(fs::exists(other));
}

TEST_F(TrainingFiles, ALogIsRewoundToTheStepThatTheRunGoesOnFrom) {
  const auto run = RunFolder::open(folder_);
  ASSERT_TRUE(run.has_value());
  for (std::int64_t step = 1; step <= 5; ++step) {
    ASSERT_TRUE(run->write_log({{"step", step}, {"loss", 0.5}}).has_value());
  }
  std::ofstream(run->log(), std::ios::app) << R"({"step":6,"lo)";  // killed while it wrote
  EXPECT_EQ(read_log(run->log())->size(), 5U);
  ASSERT_TRUE(run->rewind_log(3).has_value());
  ASSERT_TRUE(run->write_log({{"step", 4}}).has_value());
  const auto lines = read_log(run->log());
  ASSERT_EQ(lines->size(), 4U);
  EXPECT_EQ(lines->back().at("step").as_int64(), 4);
  EXPECT_EQ(lines->front().at("loss").as_double(), 0.5);
}

}  // namespace
}  // namespace bantam
