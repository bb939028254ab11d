// What a refused file costs: the most memory that was ever held while it was looked at, counted in
// the allocator. The limit is 16 MiB, for the worst files that the limits let through.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "formats/format_samples.h"
#include "formats/gguf_reader.h"
#include "formats/safetensors.h"

namespace {

std::atomic<std::size_t> held = 0, most = 0;

void* counted(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  const std::size_t now = held += malloc_usable_size(memory);
  std::size_t before = most;
  while (now > before && !most.compare_exchange_weak(before, now)) {
  }
  return memory;
}

void release(void* memory) noexcept {
  if (memory != nullptr) held -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return counted(std::malloc(size)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto to = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(to, (size + to - 1) / to * to));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

namespace bantam {
namespace {

using samples::bytes_of;
using samples::GgufBytes;

constexpr std::size_t kBudget = 16u << 20;

// The most that `refuse` held beyond what was held before.
template <typename Refuse>
std::size_t peak_of(Refuse refuse) {
  const std::size_t before = held;
  most = before;
  refuse();
  return most - before;
}

std::size_t gguf_peak(const std::string& file, std::string_view reason = "") {
  WeightFile out;
  return peak_of([&] {
    const auto result = add_gguf(out, bytes_of(file));
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error().message.contains(reason)) << result.error().message;
  });
}

std::size_t safetensors_peak(const std::string& file, std::string_view reason = "") {
  return peak_of([&] {
    const auto result = scan_safetensors(bytes_of(file));
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error().message.contains(reason)) << result.error().message;
  });
}

TEST(HostileMemory, TheCounterCounts) {
  EXPECT_GE(peak_of([] { const std::vector<char> block(1'000'000); }), 1'000'000u);
}

TEST(HostileMemory, AHeaderOfManyTensorsThatFailsAtItsEnd) {
  GgufBytes file;
  file.counts(65'536, 0);
  for (std::uint64_t i = 0; i < 65'536; ++i)
    file.tensor(fmt::format("{:064}", i / 2 * 2), {8}, 0, i * 32);  // each name twice
  file.data(65'536 * 32);
  EXPECT_LT(gguf_peak(file.out, "duplicate tensor"), kBudget);
}

TEST(HostileMemory, ManyKeysThatFailAtTheEnd) {
  GgufBytes file;
  file.counts(0, 65'536);
  for (std::uint32_t i = 0; i < 65'536; ++i) file.u32_key(fmt::format("key.{}", i / 2 * 2), i);
  EXPECT_LT(gguf_peak(file.out, "duplicate key"), kBudget);
}

TEST(HostileMemory, AVocabularyBeforeABadKey) {
  GgufBytes file;
  constexpr std::uint64_t kTokens = 1'000'000;
  file.counts(0, 2).text("tokenizer.ggml.tokens").type(MetaType::kArray).type(MetaType::kString);
  file.length(kTokens);
  for (std::uint64_t i = 0; i < kTokens; ++i) file.text("token");
  file.text("bad").u32(99).u64(0);
  EXPECT_LT(gguf_peak(file.out, "unknown value type"), 1u << 20);
}

TEST(HostileMemory, CountsThatLie) {
  for (const std::uint64_t count :
       {std::uint64_t{1} << 20, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    EXPECT_LT(gguf_peak(GgufBytes().counts(count, 0).data(4096).out), 1u << 16);
    EXPECT_LT(gguf_peak(GgufBytes().counts(0, count).data(4096).out), 1u << 16);
    EXPECT_LT(gguf_peak(GgufBytes().counts(0, 1).length(count).data(4096).out), 1u << 16);
  }
}

TEST(HostileMemory, ALongSafetensorsHeaderThatFailsAtItsEnd) {
  std::string header = "{";
  for (int i = 0; i < 65'536; ++i)
    header += fmt::format(R"({}"{:060}":{{"dtype":"U8","shape":[1,1],"data_offsets":[{},{}]}})",
                          i == 0 ? "" : ",", i / 2 * 2, i, i + 1);
  std::string file;
  append_bytes(file, std::uint64_t{header.size() + 1});
  file += header + "}" + std::string(65'536, 'x');
  EXPECT_LT(safetensors_peak(file, "duplicate tensor"), kBudget);
}

TEST(HostileMemory, ASafetensorsHeaderOfNothingButDepthOrSpace) {
  for (const char* filler : {"[", "{\"a\":", " ", "\"", "1,", "x"}) {
    std::string header = "{\"t";
    if (*filler != 'x') header += "\":";
    while (header.size() + 16 < (8u << 20)) header += filler;
    std::string file;
    append_bytes(file, std::uint64_t{header.size()});
    EXPECT_LT(safetensors_peak(file + header), 1u << 20) << filler;
  }
}

}  // namespace
}  // namespace bantam
