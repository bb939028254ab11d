// Q5_0 and Q5_1 blocks made by the reference quantizer, found in the files of a small trained
// RWKV, which exist in F32 too: the encoders must write the very same bytes.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "codec/codec.h"

namespace bantam {
namespace {

constexpr const char* kFolder = BANTAM_SHARED_DATA "/weights/rwkv-tiny/tiny-rwkv-5v1-730K-";

struct Tensor {
  DType type;
  std::uint64_t elements;
  std::vector<std::byte> data;
};

// The container of rwkv.cpp: u32 magic "ggmf", version, vocabulary, width, layers, type; then per
// tensor u32 rank, length of the name, type, the sizes, the name, the data.
class Container {
 public:
  explicit Container(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
  }
  bool missing() const { return bytes_.empty(); }

  std::map<std::string, Tensor> tensors() {
    EXPECT_EQ(u32(), 0x67676d66u);
    at_ = 24;
    std::map<std::string, Tensor> found;
    while (at_ < bytes_.size()) {
      const std::uint32_t rank = u32(), name_length = u32();
      Tensor tensor{.type = type_of(u32()), .elements = 1, .data = {}};
      for (std::uint32_t i = 0; i < rank; ++i) tensor.elements *= u32();
      const std::string name = take(name_length);
      const std::string data = take(row_bytes(tensor.type, tensor.elements).value());
      tensor.data.resize(data.size());
      std::memcpy(tensor.data.data(), data.data(), data.size());
      found.emplace(name, std::move(tensor));
    }
    return found;
  }

 private:
  static DType type_of(std::uint32_t id) {
    switch (id) {
      case 0:
        return DType::kF32;
      case 1:
        return DType::kF16;
      case 7:
        return DType::kQ5_0;
      case 8:
        return DType::kQ5_1;
    }
    throw std::runtime_error("unknown tensor type");
  }
  std::uint32_t u32() {
    std::uint32_t value = 0;
    std::memcpy(&value, take(4).data(), 4);
    return value;
  }
  std::string take(std::size_t count) {
    std::string part = bytes_.substr(at_, count);
    if (part.size() != count) throw std::runtime_error("truncated");
    at_ += count;
    return part;
  }

  std::string bytes_;
  std::size_t at_ = 0;
};

void expect_same_blocks(DType type, const char* file) {
  Container exact(std::string(kFolder) + "FP32.bin"), made(std::string(kFolder) + file);
  if (exact.missing() || made.missing()) GTEST_SKIP() << "needs shared data: " << kFolder;
  const auto sources = exact.tensors(), targets = made.tensors();
  const std::size_t block_bytes = dtype_info(type).block_bytes;
  std::size_t blocks = 0, same = 0;
  for (const auto& [name, target] : targets) {
    if (target.type != type) continue;
    const Tensor& source = sources.at(name);
    ASSERT_EQ(source.type, DType::kF32) << name;
    ASSERT_EQ(source.elements, target.elements) << name;
    std::vector<float> x(source.elements);
    find_codec(DType::kF32)->decode(source.data.data(), x);
    std::vector<std::byte> ours(target.data.size());
    find_codec(type)->encode(x, {}, ours.data());
    for (std::size_t at = 0; at < ours.size(); at += block_bytes, ++blocks)
      same += std::memcmp(ours.data() + at, target.data.data() + at, block_bytes) == 0;
  }
  EXPECT_EQ(blocks, 19968u);
  EXPECT_EQ(same, blocks);
}

TEST(ReferenceBlocks, Q5_0IsReproducedBitForBit) { expect_same_blocks(DType::kQ5_0, "Q5_0.bin"); }
TEST(ReferenceBlocks, Q5_1IsReproducedBitForBit) { expect_same_blocks(DType::kQ5_1, "Q5_1.bin"); }

// F16 is the other half of that container: the same tensors by another converter.
TEST(ReferenceBlocks, F16IsReproducedBitForBit) {
  Container exact(std::string(kFolder) + "FP32.bin"), made(std::string(kFolder) + "FP16.bin");
  if (exact.missing() || made.missing()) GTEST_SKIP() << "needs shared data: " << kFolder;
  const auto sources = exact.tensors();
  std::size_t tensors = 0;
  for (const auto& [name, target] : made.tensors()) {
    if (target.type != DType::kF16) continue;
    std::vector<float> x(target.elements);
    find_codec(DType::kF32)->decode(sources.at(name).data.data(), x);
    std::vector<std::byte> ours(target.data.size());
    find_codec(DType::kF16)->encode(x, {}, ours.data());
    EXPECT_EQ(ours, target.data) << name;
    ++tensors;
  }
  EXPECT_GT(tensors, 50u);
}

}  // namespace
}  // namespace bantam
