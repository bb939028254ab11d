#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/json.h"
#include "formats/format_samples.h"

namespace bantam {
namespace {

using samples::bytes_of;
using testing::HasSubstr;

// A file of this header and `data` bytes.
std::string file_of(std::string_view header, std::size_t data = 0) {
  std::string out;
  append_bytes(out, std::uint64_t{header.size()});
  out += header;
  for (std::size_t i = 0; i < data; ++i) out += static_cast<char>(i + 1);
  return out;
}

Error refused(const std::string& text) {
  const auto result = scan_safetensors(bytes_of(text));
  EXPECT_FALSE(result) << text.substr(0, 200);
  if (result) return {};
  EXPECT_EQ(result.error().code, "safetensors_invalid");
  EXPECT_LT(result.error().to_string().size(), 1024u);
  return result.error();
}

const std::string kSound =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2,2],"data_offsets":[4,12]},)"
    R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"s":{"dtype":"F32","shape":[],"data_offsets":[12,16]}})";

TEST(Safetensors, ReadsASoundHeader) {
  const std::string text = file_of(kSound, 16);
  const auto header = scan_safetensors(bytes_of(text));
  ASSERT_TRUE(header) << header.error().to_string();
  ASSERT_EQ(header->tensors.size(), 3u);
  EXPECT_EQ(header->tensors[0].name, "b");
  EXPECT_EQ(header->tensors[0].dtype, DType::kF16);
  EXPECT_EQ(header->tensors[0].shape, Shape({2, 2}));
  EXPECT_EQ(header->tensors[0].begin, 8 + kSound.size() + 4);
  EXPECT_EQ(header->tensors[2].shape.rank(), 0u);
  EXPECT_EQ(header->metadata[0].second, "pt");
  EXPECT_TRUE(scan_safetensors(bytes_of(file_of("{}"))));
  EXPECT_TRUE(scan_safetensors(bytes_of(file_of("{}   \n"))));
  // As MLX writes it.
  EXPECT_TRUE(scan_safetensors(bytes_of(file_of(R"({"__metadata__":null})"))));
}

TEST(Safetensors, EveryTruncationIsAnError) {
  const std::string text = file_of(kSound, 16);
  for (std::size_t size = 0; size < text.size(); ++size) {
    const std::vector<char> cut(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(scan_safetensors(std::as_bytes(std::span(cut)))) << size;
  }
}

TEST(Safetensors, EverySingleByteCorruptionIsAnErrorOrHarmless) {
  const std::string text = file_of(kSound, 16);
  std::size_t refusals = 0;
  for (std::size_t at = 0; at < text.size() - 16; ++at) {
    for (const unsigned flip : {1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u, 3u, 0x55u, 0x7Fu, 0xFFu}) {
      std::vector<char> bad(text.begin(), text.end());
      bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ flip);
      const auto header = scan_safetensors(std::as_bytes(std::span(bad)));
      if (!header) {
        ++refusals;
        continue;
      }
      ASSERT_EQ(header->tensors.size(), 3u);
      for (const SafetensorsEntry& tensor : header->tensors) {
        ASSERT_LE(tensor.begin, tensor.end);
        ASSERT_LE(tensor.end, bad.size());
      }
    }
  }
  EXPECT_GT(refusals, (text.size() - 16) * 7);
}

TEST(Safetensors, RefusesBadHeaderLengths) {
  EXPECT_THAT(refused("").message, HasSubstr("empty"));
  EXPECT_THAT(refused("abc").message, HasSubstr("too short"));
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{11},
                                   std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    std::string text;
    append_bytes(text, size);
    EXPECT_THAT(refused(text + "{}").message, HasSubstr("header length"));
  }
  std::string large;
  append_bytes(large, std::uint64_t{100'000'001});
  large.resize(8 + 100'000'001, ' ');
  EXPECT_THAT(refused(large).message, HasSubstr("header too large"));
  EXPECT_THAT(refused("<!DOCTYPE html><html></html>").message, HasSubstr("HTML"));
  EXPECT_THAT(refused("GGUF\3   something else").message, HasSubstr("GGUF"));
}

TEST(Safetensors, RefusesWhatIsNotOneObject) {
  for (const char* header :
       {" {}", "[]", "\xEF\xBB\xBF{}", "{} x", "{}{}", "{", "{\"a\":1}", "{\"a\":[]}",
        "{\"a\":null}", "{\"a\":\"b\"}", "{\"a\":true}", "{\"a\":{}}", "{\"a\":1.5}"})
    refused(file_of(header));
}

std::string tensor(std::string_view body) { return fmt::format(R"({{"t":{{{}}}}})", body); }

TEST(Safetensors, RefusesBadTensors) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("dtype":"F32","shape":[1])", "no data_offsets"},
      {R"("dtype":"F32","data_offsets":[0,4])", "no shape"},
      {R"("shape":[1],"data_offsets":[0,4])", "no dtype"},
      {R"("dtype":"F32","dtype":"U8","shape":[1],"data_offsets":[0,4])", "twice"},
      {R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"sparse":{})", "unknown member"},
      {R"("dtype":"F4","shape":[1],"data_offsets":[0,4])", "dtype not supported"},
      {R"("dtype":3,"shape":[1],"data_offsets":[0,4])", "does not belong"},
      {R"("dtype":"F32","shape":["1"],"data_offsets":[0,4])", "does not belong"},
      {R"("dtype":"F32","shape":[[1]],"data_offsets":[0,4])", "does not belong"},
      {R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])", "dimension of -1"},
      {R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])", "does not belong"},
      {R"("dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[0,4])", "more than 4 dimensions"},
      {R"("dtype":"F32","shape":[4398046511105,4398046511105],"data_offsets":[0,4])", "overflows"},
      {R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4])", "out of range"},
      {R"("dtype":"F32","shape":[1],"data_offsets":[4,0])", "do not hold"},
      {R"("dtype":"F32","shape":[1],"data_offsets":[0,5])", "do not hold"},
      {R"("dtype":"F32","shape":[1],"data_offsets":[-4,0])", "from 0 up"},
      {R"("dtype":"F32","shape":[1],"data_offsets":[0.0,4.0])", "does not belong"},
      {R"("dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551616])", "does not belong"},
      {R"("dtype":"F32","shape":[1],"data_offsets":[0])", "expected two"},
      {R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])", "expected two"},
      {R"("dtype":"F32","shape":[1],"data_offsets":[4,8])", "hole"},
      {R"("dtype":"F32","shape":[2],"data_offsets":[0,8])", "needs bytes up to 8"}};
  for (const auto& [body, expected] : cases)
    EXPECT_THAT(refused(file_of(tensor(body), 4)).message, HasSubstr(expected)) << body;
  EXPECT_THAT(
      refused(file_of(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), 5)).message,
      HasSubstr("1 bytes follow"));
  std::string long_shape = "1";
  for (int i = 0; i < 999; ++i) long_shape += ",1";
  refused(file_of(tensor(R"("dtype":"F32","data_offsets":[0,4],"shape":[)" + long_shape + "]"), 4));
}

TEST(Safetensors, RefusesDuplicatesAndOverlaps) {
  const auto two = [](std::string_view a, std::string_view b, std::string_view range) {
    return file_of(fmt::format(R"({{"{}":{{"dtype":"U8","shape":[4],"data_offsets":[0,4]}},)"
                               R"("{}":{{"dtype":"F32","shape":[1],"data_offsets":{}}}}})",
                               a, b, range),
                   8);
  };
  EXPECT_TRUE(scan_safetensors(bytes_of(two("a", "b", "[4,8]"))));
  EXPECT_THAT(refused(two("w", "w", "[0,4]")).message, HasSubstr("duplicate tensor \"w\""));
  EXPECT_THAT(refused(two("w", "\\u0077", "[4,8]")).message, HasSubstr("duplicate tensor"));
  EXPECT_THAT(refused(two("a", "b", "[0,4]")).message, HasSubstr("overlaps"));
  EXPECT_THAT(refused(two("a", "b", "[2,6]")).message, HasSubstr("overlaps"));
  EXPECT_THAT(refused(two("", "b", "[4,8]")).message, HasSubstr("tensor name"));
  EXPECT_THAT(refused(two(std::string(513, 'n'), "b", "[4,8]")).message, HasSubstr("tensor name"));
}

TEST(Safetensors, CountsAreLimited) {
  const auto empties = [](std::size_t count) {
    std::string header = "{";
    for (std::size_t i = 0; i < count; ++i)
      header += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                            i == 0 ? "" : ",", i);
    return file_of(header + "}");
  };
  EXPECT_TRUE(scan_safetensors(bytes_of(empties(1000))));
  EXPECT_THAT(refused(empties(65'537)).message, HasSubstr("more than 65536 tensors"));
  std::string header = R"({"__metadata__":{"0":"")";
  for (int i = 1; i < 5000; ++i) header += fmt::format(R"(,"{}":"")", i);
  EXPECT_THAT(refused(file_of(header + "}}")).message, HasSubstr("__metadata__"));
}

TEST(Safetensors, MetadataHoldsStringsOnly) {
  for (const char* value : {"1", "null", "[]", "{}", "true"})
    EXPECT_THAT(refused(file_of(fmt::format(R"({{"__metadata__":{{"k":{}}}}})", value))).code,
                "safetensors_invalid");
  EXPECT_THAT(refused(file_of(R"({"__metadata__":{"k":"a","k":"b"}})")).message,
              HasSubstr("duplicate"));
}

TEST(Safetensors, WhatIsWrittenReadsBackTheSame) {
  const samples::TemporaryFolder folder;
  samples::Generator random(3);
  for (int round = 0; round < 100; ++round) {
    WeightFile original;
    samples::add_random_tensors(
        original, random, [](const DTypeInfo& info) { return !info.safetensors_name.empty(); });
    ASSERT_TRUE(
        write_safetensors(folder / "m.safetensors", original.tensors(), {{"format", "pt\n\""}}));
    const auto read = read_safetensors(folder / "m.safetensors");
    ASSERT_TRUE(read) << read.error().to_string();
    EXPECT_EQ(*(*read)->metadata.string("format"), "pt\n\"");
    ASSERT_EQ((*read)->tensors().size(), original.tensors().size());
    for (const NamedTensor& tensor : original.tensors()) {
      const TensorView* found = (*read)->find(tensor.name);
      ASSERT_NE(found, nullptr);
      EXPECT_EQ(found->dtype, tensor.view.dtype);
      ASSERT_EQ(found->shape, tensor.view.shape);
      EXPECT_EQ(std::memcmp(found->data, tensor.view.data, tensor.view.bytes()), 0);
    }
  }
}

TEST(Safetensors, RefusesToWriteBlocks) {
  const samples::TemporaryFolder folder;
  const NamedTensor tensor{"t", {DType::kQ4_0, Shape({32}), nullptr}};
  const auto written = write_safetensors(folder / "m.safetensors", {&tensor, 1});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, "safetensors_cannot_hold");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, ALargeFolderIsShardedWithAnIndex) {
  const samples::TemporaryFolder folder;
  WeightFile file;
  for (const char* name : {"a", "b", "c"})
    file.add_tensor(name, {DType::kF32, Shape({25}), file.own_buffer(100)});
  ASSERT_TRUE(write_safetensors_folder(folder.path(), file.tensors(), 200));
  const auto index = parse_json(*read_file(folder / "model.safetensors.index.json", 1 << 20));
  ASSERT_TRUE(index);
  EXPECT_EQ(index->at("metadata").at("total_size").to_number<int>(), 300);
  EXPECT_EQ(index->at("weight_map").at("b").as_string(), "model-00001-of-00002.safetensors");
  EXPECT_EQ(index->at("weight_map").at("c").as_string(), "model-00002-of-00002.safetensors");
  EXPECT_TRUE(read_safetensors(folder / "model-00002-of-00002.safetensors"));
}

TEST(Safetensors, MisalignedNumbersAreCopied) {
  // A header of odd length puts the floats on odd addresses.
  const samples::TemporaryFolder folder;
  std::string header = R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  if (header.size() % 2 == 0) header += ' ';
  folder.put("m.safetensors", file_of(header, 8));
  const auto read = read_safetensors(folder / "m.safetensors");
  ASSERT_TRUE(read) << read.error().to_string();
  const TensorView* tensor = (*read)->find("t");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor->data) % 4, 0u);
  EXPECT_EQ(std::memcmp(tensor->data, "\1\2\3\4\5\6\7\10", 8), 0);
}

TEST(Safetensors, ReadsPublishedFiles) {
  const std::filesystem::path weights = std::filesystem::path(BANTAM_SHARED_DATA) / "weights";
  if (!std::filesystem::exists(weights)) GTEST_SKIP() << "needs shared data: " << weights;
  std::size_t read = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(weights)) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto file = read_safetensors(entry.path());
    ASSERT_TRUE(file) << file.error().to_string();
    EXPECT_FALSE((*file)->tensors().empty());
    samples::touch(**file);
    ++read;
  }
  EXPECT_GE(read, 8u);

  // The same embeddings in two types.
  const auto floats = read_safetensors(weights / "model2vec/test-model-float32/model.safetensors");
  const auto halves = read_safetensors(weights / "model2vec/test-model-float16/model.safetensors");
  ASSERT_TRUE(floats && halves);
  const TensorView* f32 = (*floats)->find("embeddings");
  const TensorView* f16 = (*halves)->find("embeddings");
  ASSERT_TRUE(f32 != nullptr && f16 != nullptr);
  EXPECT_EQ(f32->shape, Shape({29528, 2}));
  EXPECT_EQ(f16->shape, f32->shape);
  for (std::int64_t i = 0; i < f32->shape.elements(); ++i) {
    float wide = 0;
    _Float16 narrow = 0;
    std::memcpy(&wide, f32->data + 4 * i, 4);
    std::memcpy(&narrow, f16->data + 2 * i, 2);
    ASSERT_EQ(narrow, static_cast<_Float16>(wide)) << i;
  }
}

}  // namespace
}  // namespace bantam
