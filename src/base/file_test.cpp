#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>

namespace bantam {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "bantam-file-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void put(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_))
      found.push_back(entry.path().filename());
    std::ranges::sort(found);
    return found;
  }

  fs::path folder_;
};

TEST_F(FileTest, MapsAWholeFileAndOutlivesItsName) {
  const std::string text(10'000, 'x');
  put("a", text);
  const auto map = MappedFile::open(folder_ / "a");
  ASSERT_TRUE(map) << map.error().to_string();
  const MappedFile copy = *map;
  fs::remove(folder_ / "a");
  ASSERT_EQ(copy.bytes().size(), text.size());
  EXPECT_EQ(std::memcmp(copy.bytes().data(), text.data(), text.size()), 0);
}

TEST_F(FileTest, AnEmptyFileIsAnEmptyMap) {
  put("empty", "");
  const auto map = MappedFile::open(folder_ / "empty");
  ASSERT_TRUE(map);
  EXPECT_TRUE(map->bytes().empty());
  EXPECT_EQ(*read_file(folder_ / "empty", 10), "");
}

TEST_F(FileTest, OnlyRegularFilesAreOpenedAndNothingBlocks) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  fs::create_symlink("loop", folder_ / "loop");
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", (folder_ / "socket").c_str());
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  for (const fs::path& path :
       {folder_, folder_ / "pipe", folder_ / "socket", folder_ / "loop", fs::path("/dev/zero")}) {
    const auto map = MappedFile::open(path);
    ASSERT_FALSE(map) << path;
    EXPECT_EQ(map.error().code, "not_a_regular_file") << path;
    EXPECT_EQ(map.error().where, path.string());
    EXPECT_FALSE(read_file(path, 10)) << path;
  }
  ::close(socket);
}

TEST_F(FileTest, AMissingFileIsNamed) {
  const auto map = MappedFile::open(folder_ / "no" / "such");
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(map.error().code, "file_not_found");
  EXPECT_THAT(map.error().to_string(), testing::HasSubstr("no/such"));
}

TEST_F(FileTest, ReadStopsAtItsLimit) {
  put("ten", "0123456789");
  EXPECT_EQ(*read_file(folder_ / "ten", 10), "0123456789");
  const auto refused = read_file(folder_ / "ten", 9);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "file_too_large");
  // A file whose size is 0 until it is read.
  EXPECT_FALSE(read_file("/proc/self/status", 1 << 20)->empty());
  EXPECT_EQ(read_file("/proc/self/status", 8).error().code, "file_too_large");
}

TEST_F(FileTest, AtomicFileAppearsOnCommitOnly) {
  put("a", "old");
  std::string big(3u << 20, 'b');
  {
    auto file = AtomicFile::create(folder_ / "a");
    ASSERT_TRUE(file) << file.error().to_string();
    ASSERT_TRUE(file->reserve(big.size() + 5));
    ASSERT_TRUE(file->write("small"));
    ASSERT_TRUE(file->write(big));
    EXPECT_EQ(file->written(), big.size() + 5);
    EXPECT_EQ(*read_file(folder_ / "a", 100), "old");
    AtomicFile moved = std::move(*file);
    ASSERT_TRUE(moved.commit());
  }
  EXPECT_EQ(*read_file(folder_ / "a", 10u << 20), "small" + big);
  EXPECT_THAT(names(), testing::ElementsAre("a"));
}

TEST_F(FileTest, AnAbandonedAtomicFileLeavesNothing) {
  put("a", "old");
  {
    auto file = AtomicFile::create(folder_ / "a");
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("new"));
    EXPECT_EQ(names().size(), 2u);
  }
  EXPECT_THAT(names(), testing::ElementsAre("a"));
  EXPECT_EQ(*read_file(folder_ / "a", 100), "old");
}

TEST_F(FileTest, AFailedWriteKeepsTheOldFileAndIsNeverCommitted) {
  put("a", "old");
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_NE(std::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
  const rlimit tight = {.rlim_cur = 1u << 20, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  {
    auto file = AtomicFile::create(folder_ / "a");
    ASSERT_TRUE(file);
    const auto written = file->write(std::string(2u << 20, 'x'));
    EXPECT_FALSE(written);
    EXPECT_EQ(written.error().kind, ErrorKind::kCannotCreate);
    EXPECT_FALSE(file->write("more"));
    EXPECT_FALSE(file->commit());
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(names(), testing::ElementsAre("a"));
  EXPECT_EQ(*read_file(folder_ / "a", 100), "old");
}

TEST_F(FileTest, NamesThatCannotBeFilesAreRefused) {
  EXPECT_EQ(AtomicFile::create(folder_).error().code, "not_a_regular_file");
  EXPECT_EQ(AtomicFile::create("/dev/full").error().code, "not_a_regular_file");
  EXPECT_EQ(AtomicFile::create(folder_ / "no" / "x").error().code, "folder_not_found");
  EXPECT_EQ(AtomicFile::create(folder_ / "x" / "").error().code, "not_a_regular_file");
}

TEST_F(FileTest, WriteFileIsReadBack) {
  ASSERT_TRUE(write_file(folder_ / "t", std::string_view("a\0b", 3)));
  EXPECT_EQ(*read_file(folder_ / "t", 3), std::string("a\0b", 3));
}

}  // namespace
}  // namespace bantam
