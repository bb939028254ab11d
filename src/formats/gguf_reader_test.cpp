#include "formats/gguf_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/format_samples.h"

namespace bantam {
namespace {

using samples::bytes_of;
using samples::GgufBytes;
using testing::HasSubstr;

constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kQ8_0 = 8;

std::string sound(std::uint32_t version = 3) {
  GgufBytes file(version);
  file.counts(2, 4).text("general.architecture").type(MetaType::kString).text("llama");
  file.u32_key("a.b", 7).text("flag").type(MetaType::kBool).out += '\1';
  file.text("list").type(MetaType::kArray).type(MetaType::kString).length(2).text("x").text("yz");
  file.tensor("one", {3, 2}, kF32, 0).tensor("two", {64}, kQ8_0, 32).data(32 + 68);
  return file.out;
}

// The error of a file that must be refused.
Error refused(const std::string& file) {
  WeightFile out;
  const auto result = add_gguf(out, bytes_of(file));
  EXPECT_FALSE(result);
  if (result) return {};
  EXPECT_EQ(result.error().code, "gguf_invalid");
  EXPECT_EQ(result.error().kind, ErrorKind::kMalformed);
  EXPECT_THAT(result.error().where, HasSubstr("at byte "));
  EXPECT_LT(result.error().to_string().size(), 1024u);
  EXPECT_TRUE(out.tensors().empty());
  EXPECT_TRUE(out.metadata.entries().empty());
  return result.error();
}

// One key with this value behind its name.
std::string with_key(std::string_view name, const GgufBytes& value) {
  GgufBytes file;
  file.counts(0, 1).text(name).out += value.out;
  return file.out;
}

// One tensor of 8 floats unless told otherwise, with 32 bytes of data.
std::string with_tensor(std::initializer_list<std::uint64_t> sizes, std::uint32_t dtype = kF32,
                        std::uint64_t offset = 0, std::size_t data = 32) {
  return GgufBytes().counts(1, 0).tensor("t", sizes, dtype, offset).data(data).out;
}

TEST(GgufReader, ReadsAllThreeVersions) {
  for (const std::uint32_t version : {1u, 2u, 3u}) {
    const std::string text = sound(version);
    WeightFile file;
    const auto result = add_gguf(file, bytes_of(text));
    ASSERT_TRUE(result) << result.error().to_string();
    EXPECT_EQ(file.description, fmt::format("GGUF v{}", version));
    EXPECT_EQ(*file.metadata.string("general.architecture"), "llama");
    EXPECT_EQ(*file.metadata.integer("a.b", 0, 10), 7u);
    EXPECT_TRUE(*file.metadata.boolean("flag"));
    EXPECT_THAT(**file.metadata.strings("list"), testing::ElementsAre("x", "yz"));
    ASSERT_EQ(file.tensors().size(), 2u);
    EXPECT_EQ(file.find("one")->shape, Shape({2, 3}));
    EXPECT_EQ(file.find("two")->dtype, DType::kQ8_0);
    EXPECT_EQ(file.find("two")->bytes(), 68u);
    EXPECT_EQ(file.find("two")->data - file.find("one")->data, 32);
    EXPECT_EQ(*file.find("one")->data, std::byte{1});
  }
}

TEST(GgufReader, EveryTruncationIsAnError) {
  for (const std::uint32_t version : {1u, 3u}) {
    const std::string text = sound(version);
    for (std::size_t size = 0; size < text.size(); ++size) {
      // On the heap and of this very size, so that a read past the end is seen.
      const std::vector<char> cut(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_FALSE(scan_gguf(std::as_bytes(std::span(cut)))) << size;
    }
  }
}

TEST(GgufReader, EverySingleByteCorruptionIsAnErrorOrHarmless) {
  const std::string text = sound();
  const std::size_t data = text.size() - 100;
  std::size_t refusals = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const unsigned flip : {1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u, 3u, 0x55u, 0x7Fu, 0xFFu}) {
      std::vector<char> bad(text.begin(), text.end());
      bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ flip);
      WeightFile file;
      if (!add_gguf(file, std::as_bytes(std::span(bad)))) {
        ++refusals;
        ASSERT_LT(at, data) << "the bytes of tensors are free";
        continue;
      }
      // What is accepted lies wholly inside, tensor for tensor.
      ASSERT_EQ(file.tensors().size(), 2u);
      samples::touch(file);
    }
  }
  EXPECT_GT(refusals, data * 6);
}

TEST(GgufReader, NamesWhatAWrongFileLooksLike) {
  EXPECT_THAT(refused("").message, HasSubstr("empty"));
  const std::pair<std::string, const char*> cases[] = {
      {"GGML\1\0\0\0", "old ggml"},
      {"FUGG\0\0\0\3", "big-endian"},
      {"\x1f\x8b\x08 data", "gzip"},
      {"\x7f"
       "ELF data",
       "ELF"},
      {"PK\x03\x04 data", "PyTorch"},
      {"\x80\x02}q", "pickle"},
      {"  <!DOCTYPE HTML><html>", "HTML"},
      {"<html><body>404", "HTML"},
      {"version https://git-lfs.github.com/spec/v1", "Git LFS"},
      {"{\"error\": 1}", "JSON"},
      {std::string("\x10\0\0\0\0\0\0\0{\"a\":{}}      ", 22), "safetensors"},
      {std::string(64, '\0'), "zeros"},
      {"hello", "unknown data"}};
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(refused(text).message, HasSubstr(expected)) << expected;
}

TEST(GgufReader, RefusesOtherVersions) {
  for (const std::uint32_t version : {0u, 4u, 0xFFFFFFFFu}) {
    const Error error = refused(GgufBytes(version).counts(0, 0).out);
    EXPECT_THAT(error.message, HasSubstr("unsupported GGUF version"));
    EXPECT_THAT(error.message, HasSubstr(fmt::to_string(version)));
    EXPECT_EQ(error.where, "at byte 4");
  }
  EXPECT_THAT(refused(GgufBytes(0x03000000).counts(0, 0).out).message, HasSubstr("big endian"));
}

TEST(GgufReader, CountsAreHeldAgainstTheBytesThatFollow) {
  for (const std::uint64_t count : {std::uint64_t{0xFFFFFFFF}, std::uint64_t{1} << 63,
                                    ~std::uint64_t{0}, std::uint64_t{0x1D1D1D1D1D1D1D1D}}) {
    EXPECT_THAT(refused(GgufBytes().counts(0, count).data(64).out).message, HasSubstr("keys"));
    EXPECT_THAT(refused(GgufBytes().counts(count, 0).data(64).out).message, HasSubstr("tensors"));
  }
}

TEST(GgufReader, CountsAreHeldAgainstTheirLimit) {
  const std::string room(2u << 20, '\0');
  EXPECT_THAT(refused(GgufBytes().counts(0, 65'537).out + room).message, HasSubstr("the limit is"));
  EXPECT_THAT(refused(GgufBytes().counts(65'537, 0).out + room + room).message,
              HasSubstr("the limit is"));
}

TEST(GgufReader, RefusesBadKeys) {
  for (const std::uint64_t size : {~std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{200}}) {
    const Error error = refused(GgufBytes().counts(0, 1).length(size).data(64).out);
    EXPECT_THAT(error.message, HasSubstr("the file ends within a key"));
    EXPECT_THAT(error.message, HasSubstr(fmt::to_string(size)));
  }
  const GgufBytes one = GgufBytes().type(MetaType::kU32).u32(1);
  EXPECT_THAT(refused(with_key("", one)).message, HasSubstr("empty"));
  EXPECT_THAT(refused(with_key(std::string_view("a\0b", 3), one)).message, HasSubstr("NUL"));
  EXPECT_THAT(refused(with_key("a\xff", one)).message, HasSubstr("UTF-8"));
  EXPECT_THAT(refused(with_key(std::string(65'536, 'k'), one)).message, HasSubstr("limit"));
  WeightFile file;
  EXPECT_TRUE(add_gguf(file, bytes_of(with_key(std::string(65'535, 'k'), one))));
  EXPECT_THAT(refused(GgufBytes().counts(0, 2).u32_key("k", 1).u32_key("k", 2).out).message,
              HasSubstr("duplicate key \"k\""));
}

TEST(GgufReader, RefusesBadValues) {
  for (const std::uint32_t type : {13u, 255u, 0xFFFFFFFFu})
    EXPECT_THAT(refused(with_key("k", GgufBytes().u32(type).u64(0))).message,
                HasSubstr(fmt::format("unknown value type {}", type)));
  GgufBytes nested;
  nested.u32(9);
  for (int i = 0; i < 100'000; ++i) nested.u32(9).u64(1);
  EXPECT_THAT(refused(with_key("k", nested)).message, HasSubstr("nested arrays"));
  const auto array = [](MetaType element, std::uint64_t count) {
    return with_key("k", GgufBytes().type(MetaType::kArray).type(element).u64(count).u64(0));
  };
  for (const MetaType element : {MetaType::kU8, MetaType::kU64, MetaType::kString, MetaType::kBool})
    for (const std::uint64_t count : {std::uint64_t{1} << 40, std::uint64_t{1} << 61,
                                      (std::uint64_t{1} << 61) + 1, ~std::uint64_t{0}})
      EXPECT_THAT(refused(array(element, count)).message, HasSubstr("exceeds"));
  EXPECT_THAT(refused(with_key("k", GgufBytes().type(MetaType::kBool).u32(2))).message,
              HasSubstr("bool"));
  EXPECT_THAT(refused(with_key("k", GgufBytes().type(MetaType::kString).u64(1u << 31))).message,
              HasSubstr("the file ends within the string value"));
}

TEST(GgufReader, ArraysTogetherAreLimited) {
  const auto arrays = [](MetaType element, std::uint64_t each, std::uint64_t bytes) {
    GgufBytes file;
    file.counts(0, 2);
    for (const char* name : {"a", "b"}) {
      file.text(name).type(MetaType::kArray).type(element).u64(each);
      file.out.append(each * bytes, '\0');
    }
    return file.out;
  };
  WeightFile file;
  EXPECT_TRUE(add_gguf(file, bytes_of(arrays(MetaType::kU8, 4u << 20, 1))));
  EXPECT_THAT(refused(arrays(MetaType::kU8, (4u << 20) + 1, 1)).message,
              HasSubstr("numbers in all"));
  EXPECT_THAT(refused(arrays(MetaType::kString, (1u << 20) + 1, 8)).message,
              HasSubstr("strings in all"));
}

TEST(GgufReader, RefusesATokenThatIsTooLong) {
  const auto token = [](std::size_t size) {
    return with_key("tokenizer.ggml.tokens", GgufBytes()
                                                 .type(MetaType::kArray)
                                                 .type(MetaType::kString)
                                                 .u64(2)
                                                 .text("a")
                                                 .text(std::string(size, 't')));
  };
  WeightFile file;
  EXPECT_TRUE(add_gguf(file, bytes_of(token(65'536))));
  const Error error = refused(token(1u << 20));
  EXPECT_THAT(error.message, HasSubstr("element 1"));
  EXPECT_THAT(error.message, HasSubstr("too long"));
}

TEST(GgufReader, RefusesBadAlignment) {
  for (const std::uint32_t value : {0u, 1u, 3u, 4u, 48u, 1u << 31})
    EXPECT_THAT(refused(GgufBytes().counts(0, 1).u32_key("general.alignment", value).out).message,
                HasSubstr("power of two"));
  for (const MetaType type : {MetaType::kI32, MetaType::kU64, MetaType::kString})
    EXPECT_THAT(refused(with_key("general.alignment", GgufBytes().type(type).u64(32))).message,
                HasSubstr("power of two"));
  WeightFile file;
  EXPECT_TRUE(
      add_gguf(file, bytes_of(GgufBytes().counts(0, 1).u32_key("general.alignment", 64).out)));
}

TEST(GgufReader, RefusesBadShapes) {
  const auto ranked = [](std::uint32_t rank) {
    return GgufBytes().counts(1, 0).text("t").u32(rank).data(64).out;
  };
  for (const std::uint32_t rank : {0u, 5u, 255u, 0xFFFFFFFFu})
    EXPECT_THAT(refused(ranked(rank)).message, HasSubstr("n_dims out of range"));
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1} << 63, ~std::uint64_t{0}})
    EXPECT_THAT(refused(with_tensor({8, size})).message, HasSubstr("tensor size overflow"));
  const std::uint64_t wide = (std::uint64_t{1} << 42) + 1;
  EXPECT_THAT(refused(with_tensor({wide, wide})).message, HasSubstr("tensor size overflow"));
  // The elements fit 63 bits, the bytes do not fit 64.
  EXPECT_THAT(refused(with_tensor({std::uint64_t{1} << 62})).message, HasSubstr("row of"));
  EXPECT_THAT(refused(with_tensor({8, std::uint64_t{1} << 59})).message,
              HasSubstr("tensor size overflow"));
}

TEST(GgufReader, RefusesBadTypes) {
  for (const std::uint32_t type : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u, 255u, 0xFFFFFFFFu})
    EXPECT_THAT(refused(with_tensor({8}, type)).message,
                HasSubstr(fmt::format("unknown tensor type {}", type)));
  EXPECT_THAT(refused(with_tensor({33}, kQ8_0)).message, HasSubstr("blocks of 32"));
}

TEST(GgufReader, RefusesDataThatIsMisplaced) {
  EXPECT_THAT(refused(with_tensor({8}, kF32, 8)).message,
              HasSubstr("no multiple of the alignment"));
  EXPECT_THAT(refused(with_tensor({8}, kF32, 32, 64)).message, HasSubstr("gap"));
  EXPECT_THAT(refused(with_tensor({8}, kF32, ~std::uint64_t{31})).message, HasSubstr("gap"));
  EXPECT_THAT(refused(with_tensor({8}, kF32, 0, 31)).message, HasSubstr("needs 32 bytes"));
  EXPECT_THAT(refused(with_tensor({std::uint64_t{1} << 40})).message, HasSubstr("needs"));
  const auto two = [](std::uint64_t second) {
    return GgufBytes()
        .counts(2, 0)
        .tensor("a", {12}, kF32, 0)
        .tensor("b", {8}, kF32, second)
        .data(96)
        .out;
  };
  WeightFile file;
  EXPECT_TRUE(add_gguf(file, bytes_of(two(64))));
  EXPECT_THAT(refused(two(32)).message, HasSubstr("tensor \"b\": its data overlaps"));
  EXPECT_THAT(refused(two(0)).message, HasSubstr("overlaps"));
  EXPECT_THAT(refused(two(96)).message, HasSubstr("gap"));
  EXPECT_THAT(refused(with_tensor({8}, kF32, 0, 33)).message, HasSubstr("1 bytes follow"));
}

TEST(GgufReader, TensorsMayLieInAnyOrder) {
  const std::string text =
      GgufBytes().counts(2, 0).tensor("a", {8}, kF32, 32).tensor("b", {8}, kF32, 0).data(64).out;
  WeightFile file;
  ASSERT_TRUE(add_gguf(file, bytes_of(text)));
  EXPECT_EQ(file.find("a")->data - file.find("b")->data, 32);
}

TEST(GgufReader, RefusesBadTensorNames) {
  const auto named = [](const std::string& a, const std::string& b) {
    return GgufBytes().counts(2, 0).tensor(a, {8}, kF32, 0).tensor(b, {8}, kF32, 32).data(64).out;
  };
  EXPECT_THAT(refused(named("same", "same")).message, HasSubstr("duplicate tensor \"same\""));
  WeightFile file;
  EXPECT_TRUE(add_gguf(file, bytes_of(named("a", std::string(64, 'n')))));
  EXPECT_THAT(refused(named("a", std::string(65, 'n'))).message, HasSubstr("too long"));
  EXPECT_THAT(refused(named("a", std::string(1u << 20, 'n'))).message, HasSubstr("too long"));
}

// ---- Files ------------------------------------------------------------------------------------

class GgufSplit : public testing::Test {
 protected:
  void put(std::uint64_t part, std::uint16_t number, std::uint16_t count, std::int32_t total,
           std::string_view tensor) {
    Metadata metadata;
    if (number == 0) metadata.set_string("general.architecture", "llama");
    metadata.set("split.no", {MetaType::kU16, std::uint64_t{number}});
    metadata.set("split.count", {MetaType::kU16, std::uint64_t{count}});
    metadata.set("split.tensors.count", {MetaType::kI32, std::int64_t{total}});
    WeightFile file;
    file.metadata = metadata;
    std::byte* data = file.own_buffer(32);
    data[0] = static_cast<std::byte>(part);
    file.add_tensor(std::string(tensor), {DType::kF32, Shape({8}), data});
    const auto written = write_gguf(name(part), file);
    ASSERT_TRUE(written) << written.error().to_string();
  }
  std::filesystem::path name(std::uint64_t part) const {
    return folder_ / fmt::format("m-{:05}-of-00003.gguf", part);
  }
  void put_all() {
    put(1, 0, 3, 3, "a");
    put(2, 1, 3, 3, "b");
    put(3, 2, 3, 3, "c");
  }
  Error refused() {
    const auto result = read_gguf(name(1));
    EXPECT_FALSE(result);
    return result ? Error{} : result.error();
  }

  samples::TemporaryFolder folder_;
};

TEST_F(GgufSplit, PartsBecomeOneFile) {
  put_all();
  const auto file = read_gguf(name(1));
  ASSERT_TRUE(file) << file.error().to_string();
  ASSERT_EQ((*file)->tensors().size(), 3u);
  EXPECT_EQ(*(*file)->find("c")->data, std::byte{3});
  EXPECT_FALSE((*file)->metadata.contains("split.count"));
  EXPECT_FALSE((*file)->metadata.contains("split.no"));
  EXPECT_EQ(*(*file)->metadata.string("general.architecture"), "llama");
}

TEST_F(GgufSplit, AMissingPartIsNamed) {
  put_all();
  std::filesystem::remove(name(2));
  const Error error = refused();
  EXPECT_EQ(error.code, "file_not_found");
  EXPECT_THAT(error.to_string(), HasSubstr("m-00002-of-00003.gguf"));
}

TEST_F(GgufSplit, SwappedForeignAndMiscountedPartsAreRefused) {
  put_all();
  put(2, 2, 3, 3, "b");
  EXPECT_THAT(refused().to_string(),
              HasSubstr("m-00002-of-00003.gguf: expected part 2 of 3, found part 3"));
  put(2, 1, 4, 3, "b");
  EXPECT_THAT(refused().message, HasSubstr("of 4"));
  put(2, 1, 3, 3, "a");
  EXPECT_THAT(refused().to_string(), HasSubstr("duplicate tensor \"a\""));
  put_all();
  put(1, 0, 3, 4, "a");
  put(2, 1, 3, 4, "b");
  put(3, 2, 3, 4, "c");
  EXPECT_THAT(refused().message, HasSubstr("split.tensors.count is 4"));
  put(1, 0, 60'000, 3, "a");
  EXPECT_THAT(refused().message, HasSubstr("from 1 to 1024, found 60000"));
}

TEST_F(GgufSplit, ALaterPartSaysWhichToOpen) {
  put_all();
  const auto file = read_gguf(name(2));
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().hint, HasSubstr("m-00001-of-00003.gguf"));
}

TEST(GgufFiles, PathsAreInErrors) {
  const samples::TemporaryFolder folder;
  folder.put("bad.gguf", "GGUF");
  const auto file = read_gguf(folder / "bad.gguf");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().where, (folder / "bad.gguf").string() + ": at byte 4");
  EXPECT_EQ(read_gguf(folder / "none").error().code, "file_not_found");
}

TEST(GgufFiles, TheSizeOfTheDataCostsNothing) {
  // A terabyte of zeros that no disk holds.
  constexpr std::uint64_t kElements = std::uint64_t{1} << 38;
  const samples::TemporaryFolder folder;
  const GgufBytes header = GgufBytes().counts(1, 0).tensor("t", {kElements}, kF32, 0).data(0);
  folder.put("sparse.gguf", header.out);
  std::error_code failed;
  std::filesystem::resize_file(folder / "sparse.gguf", header.out.size() + kElements * 4, failed);
  if (failed) GTEST_SKIP() << "no sparse files here: " << failed.message();
  const auto file = read_gguf(folder / "sparse.gguf");
  ASSERT_TRUE(file) << file.error().to_string();
  EXPECT_EQ((*file)->tensor_bytes(), kElements * 4);
  EXPECT_EQ((*file)->find("t")->data[kElements * 4 - 1], std::byte{0});
}

std::filesystem::path shared(std::string_view name) {
  return std::filesystem::path(BANTAM_SHARED_DATA) / name;
}

TEST(GgufFiles, ReadsATrainedModelInVersion1) {
  const auto path = shared("weights/tinyllamas/stories260K-f32.gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs shared data: " << path;
  const auto file = read_gguf(path);
  ASSERT_TRUE(file) << file.error().to_string();
  EXPECT_EQ((*file)->description, "GGUF v1");
  EXPECT_EQ((*file)->tensors().size(), 48u);
  EXPECT_EQ(*(*file)->metadata.integer("llama.block_count", 0, 100), 5u);
  EXPECT_EQ((*file)->find("blk.0.ffn_down.weight")->shape, Shape({64, 172}));
  EXPECT_EQ((**(*file)->metadata.strings("tokenizer.ggml.tokens")).size(), 512u);

  // The same weights lie in the llama2.c checkpoint: 7 words of header, then the embeddings.
  const auto checkpoint = read_file(shared("weights/tinyllamas/stories260K.bin"), 4u << 20);
  ASSERT_TRUE(checkpoint);
  const TensorView* embeddings = (*file)->find("token_embd.weight");
  ASSERT_EQ(embeddings->shape, Shape({512, 64}));
  EXPECT_EQ(std::memcmp(embeddings->data, checkpoint->data() + 28, embeddings->bytes()), 0);
}

TEST(GgufFiles, ReadsEverySample) {
  if (!std::filesystem::exists(shared("weights"))) GTEST_SKIP() << "needs shared data";
  std::size_t read = 0;
  for (const char* folder : {"weights/gguf-samples", "tokenizers/ggml-vocab"}) {
    for (const auto& entry : std::filesystem::directory_iterator(shared(folder))) {
      if (entry.path().extension() != ".gguf") continue;
      const auto file = read_gguf(entry.path());
      ASSERT_TRUE(file) << file.error().to_string();
      EXPECT_GT((**(*file)->metadata.strings("tokenizer.ggml.tokens")).size(), 1000u);
      samples::touch(**file);
      ++read;
    }
  }
  EXPECT_GE(read, 10u);
}

TEST(GgufFiles, ReadsF16Weights) {
  const auto path = shared("weights/gguf-samples/llama-2-tiny-random-f16.gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs shared data: " << path;
  const auto file = read_gguf(path);
  ASSERT_TRUE(file) << file.error().to_string();
  const TensorView* embeddings = (*file)->find("token_embd.weight");
  ASSERT_NE(embeddings, nullptr);
  EXPECT_EQ(embeddings->dtype, DType::kF16);
  EXPECT_EQ(embeddings->shape[0], 32000);
}

}  // namespace
}  // namespace bantam
