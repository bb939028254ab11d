#include "formats/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/format_samples.h"
#include "formats/gguf_reader.h"

namespace bantam {
namespace {

using testing::HasSubstr;

bool fits_gguf(const DTypeInfo& info) { return info.gguf_id >= 0; }

TEST(GgufWriter, WhatIsWrittenReadsBackTheSame) {
  const samples::TemporaryFolder folder;
  samples::Generator random(42);
  for (int round = 0; round < 150; ++round) {
    WeightFile original;
    original.metadata = samples::random_metadata(random);
    samples::add_random_tensors(original, random, fits_gguf);
    const auto written = write_gguf(folder / "m.gguf", original);
    ASSERT_TRUE(written) << written.error().to_string();
    const auto read = read_gguf(folder / "m.gguf");
    ASSERT_TRUE(read) << read.error().to_string();
    EXPECT_EQ((*read)->metadata.entries(), original.metadata.entries());
    samples::expect_same_tensors(**read, original);
    EXPECT_EQ((*read)->description, "GGUF v3");
  }
}

TEST(GgufWriter, RealFilesReadBackTheSame) {
  const auto path =
      std::filesystem::path(BANTAM_SHARED_DATA) / "weights/tinyllamas/stories260K-f32.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs shared data: " << path;
  const samples::TemporaryFolder folder;
  const auto original = read_gguf(path);
  ASSERT_TRUE(original);
  ASSERT_TRUE(write_gguf(folder / "m.gguf", **original));
  const auto read = read_gguf(folder / "m.gguf");
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ((*read)->metadata.entries(), (*original)->metadata.entries());
  samples::expect_same_tensors(**read, **original);
}

TEST(GgufWriter, TensorsComeInPiecesAndAppearOnCommit) {
  const samples::TemporaryFolder folder;
  Metadata metadata;
  metadata.set_u32("general.alignment", 4096);  // of the file this came from
  metadata.set_u32("k", 1);
  auto writer =
      GgufWriter::create(folder / "m.gguf", metadata,
                         {{"a", DType::kF16, Shape({3})}, {"b", DType::kF32, Shape({2, 5})}});
  ASSERT_TRUE(writer) << writer.error().to_string();
  const std::string a = "abcdef";
  std::string b;
  for (char c = 'A'; b.size() < 40; ++c) b += c;
  ASSERT_TRUE(writer->write(samples::bytes_of(a)));
  for (std::size_t at = 0; at < b.size(); at += 8)
    ASSERT_TRUE(writer->write(samples::bytes_of(b).subspan(at, 8)));
  EXPECT_FALSE(std::filesystem::exists(folder / "m.gguf"));
  ASSERT_TRUE(writer->commit());
  EXPECT_EQ(std::filesystem::file_size(folder / "m.gguf"), writer->file_bytes());
  const auto read = read_gguf(folder / "m.gguf");
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_FALSE((*read)->metadata.contains("general.alignment"));
  EXPECT_EQ(std::memcmp((*read)->find("a")->data, a.data(), a.size()), 0);
  EXPECT_EQ(std::memcmp((*read)->find("b")->data, b.data(), b.size()), 0);
}

TEST(GgufWriter, RefusesWhatGgufCannotHold) {
  const samples::TemporaryFolder folder;
  const auto refused = [&](const GgufTensorPlan& plan) {
    const auto writer = GgufWriter::create(folder / "m.gguf", {}, {plan});
    EXPECT_FALSE(writer);
    return writer ? Error{} : writer.error();
  };
  EXPECT_THAT(refused({"t", DType::kF8E4M3, Shape({4})}).message, HasSubstr("F8_E4M3"));
  EXPECT_EQ(refused({"t", DType::kF8E4M3, Shape({4})}).code, "gguf_cannot_hold");
  EXPECT_THAT(refused({"t", DType::kF32, Shape{}}).message, HasSubstr("without a dimension"));
  EXPECT_THAT(refused({"t", DType::kF32, Shape({0, 4})}).message, HasSubstr("empty tensor"));
  EXPECT_THAT(refused({"t", DType::kQ4_K, Shape({2, 128})}).message, HasSubstr("whole number"));
  EXPECT_THAT(refused({std::string(65, 'n'), DType::kF32, Shape({4})}).message,
              HasSubstr("65 bytes"));
  EXPECT_THAT(refused({"", DType::kF32, Shape({4})}).message, HasSubstr("UTF-8"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace bantam
