// For the tests of this folder: files made byte by byte, sound and broken, and random contents.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "formats/gguf_values.h"
#include "formats/gguf_writer.h"
#include "formats/metadata.h"

namespace bantam::samples {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// A GGUF header put together field by field, so that any field can lie.
class GgufBytes {
 public:
  explicit GgufBytes(std::uint32_t version = 3) : version_(version) {}

  GgufBytes& counts(std::uint64_t tensors, std::uint64_t keys) {
    out = "GGUF";
    append_bytes(out, version_);
    return length(tensors).length(keys);
  }
  GgufBytes& length(std::uint64_t value) {
    if (version_ == 1) {
      append_bytes(out, static_cast<std::uint32_t>(value));
    } else {
      append_bytes(out, value);
    }
    return *this;
  }
  GgufBytes& u32(std::uint32_t value) {
    append_bytes(out, value);
    return *this;
  }
  GgufBytes& u64(std::uint64_t value) {
    append_bytes(out, value);
    return *this;
  }
  GgufBytes& text(std::string_view value) {
    length(value.size());
    out += value;
    return *this;
  }
  GgufBytes& type(MetaType value) { return u32(static_cast<std::uint32_t>(value)); }
  GgufBytes& u32_key(std::string_view name, std::uint32_t value) {
    return text(name).type(MetaType::kU32).u32(value);
  }
  GgufBytes& tensor(std::string_view name, std::initializer_list<std::uint64_t> sizes,
                    std::uint32_t dtype, std::uint64_t offset) {
    text(name).u32(static_cast<std::uint32_t>(sizes.size()));
    for (const std::uint64_t size : sizes) length(size);
    return u32(dtype).u64(offset);
  }
  GgufBytes& data(std::size_t size) {
    out.resize((out.size() + 31) & ~std::size_t{31}, '\0');
    for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(i * 7 + 1);
    return *this;
  }

  std::string out;

 private:
  std::uint32_t version_;
};

// A folder of its own for each test, gone afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "bantam-test-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }
  void put(std::string_view name, std::string_view text) const {
    std::ofstream file(path_ / name, std::ios::binary);
    CHECK(bool(file << text));
  }

 private:
  std::filesystem::path path_;
};

using Generator = std::mt19937_64;

inline std::string random_text(Generator& random, std::size_t longest) {
  std::string text(random() % (longest + 1), '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

// A name that every format accepts.
inline std::string random_name(Generator& random, std::size_t longest, std::size_t unique) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz_.0123456789";
  std::string name = fmt::format("{}.", unique);
  while (name.size() < 4 + random() % (longest - 4)) name += kLetters[random() % kLetters.size()];
  return name;
}

// `raw` cut to what an element of this type holds, in MetaArray's form.
inline std::uint64_t narrowed(MetaType type, std::uint64_t raw) {
  switch (type) {
    case MetaType::kU8:
      return static_cast<std::uint8_t>(raw);
    case MetaType::kU16:
      return static_cast<std::uint16_t>(raw);
    case MetaType::kU32:
      return static_cast<std::uint32_t>(raw);
    case MetaType::kI8:
      return static_cast<std::uint64_t>(static_cast<std::int8_t>(raw));
    case MetaType::kI16:
      return static_cast<std::uint64_t>(static_cast<std::int16_t>(raw));
    case MetaType::kI32:
      return static_cast<std::uint64_t>(static_cast<std::int32_t>(raw));
    case MetaType::kBool:
      return raw & 1;
    default:
      return raw;
  }
}

inline double random_float(Generator& random, MetaType type) {
  const double value = std::ldexp(static_cast<double>(static_cast<std::int64_t>(random())),
                                  static_cast<int>(random() % 60) - 90);
  return type == MetaType::kF32 ? double{static_cast<float>(value)} : value;
}

inline MetaValue random_value(Generator& random) {
  const auto type = static_cast<MetaType>(random() % 13);
  switch (type) {
    case MetaType::kString:
      return {type, random_text(random, 40)};
    case MetaType::kBool:
      return {type, random() % 2 == 0};
    case MetaType::kF32:
    case MetaType::kF64:
      return {type, random_float(random, type)};
    case MetaType::kI8:
    case MetaType::kI16:
    case MetaType::kI32:
    case MetaType::kI64:
      return {type, static_cast<std::int64_t>(narrowed(type, random()))};
    case MetaType::kArray:
      break;
    default:
      return {type, narrowed(type, random())};
  }
  MetaArray array;
  do {
    array.element = static_cast<MetaType>(random() % 13);
  } while (array.element == MetaType::kArray);
  const std::size_t count = random() % 20;
  for (std::size_t i = 0; i < count; ++i) {
    if (array.element == MetaType::kString) {
      array.strings.push_back(random_text(random, 20));
    } else if (array.element == MetaType::kF32 || array.element == MetaType::kF64) {
      array.floats.push_back(random_float(random, array.element));
    } else {
      array.integers.push_back(narrowed(array.element, random()));
    }
  }
  return {MetaType::kArray, std::move(array)};
}

inline Metadata random_metadata(Generator& random) {
  Metadata metadata;
  const std::size_t count = random() % 12;
  for (std::size_t i = 0; i < count; ++i)
    metadata.set(random_name(random, 40, i), random_value(random));
  return metadata;
}

// Tensors of every dtype that `accepts`, with random sizes and bytes.
template <typename Accepts>
void add_random_tensors(WeightFile& file, Generator& random, Accepts accepts) {
  const std::size_t count = random() % 8;
  while (file.tensors().size() < count) {
    const DTypeInfo& info = all_dtypes()[random() % all_dtypes().size()];
    if (!accepts(info)) continue;
    std::vector<std::int64_t> sizes(1 + random() % 4);
    for (std::int64_t& size : sizes) size = static_cast<std::int64_t>(1 + random() % 3);
    sizes.back() *= info.block_elements;
    TensorView view{info.type, Shape::from(sizes), nullptr};
    std::byte* data = file.own_buffer(view.bytes());
    for (std::size_t i = 0; i < view.bytes(); ++i) data[i] = static_cast<std::byte>(random());
    view.data = data;
    file.add_tensor(random_name(random, 60, file.tensors().size()), view);
  }
}

inline void expect_same_tensors(const WeightFile& found, const WeightFile& expected) {
  ASSERT_EQ(found.tensors().size(), expected.tensors().size());
  for (std::size_t i = 0; i < found.tensors().size(); ++i) {
    const NamedTensor& a = found.tensors()[i];
    const NamedTensor& b = expected.tensors()[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.view.dtype, b.view.dtype);
    ASSERT_EQ(a.view.shape, b.view.shape);
    EXPECT_EQ(std::memcmp(a.view.data, b.view.data, a.view.bytes()), 0) << a.name;
  }
}

// Reads every byte of every tensor: under the address sanitizer, a proof that they are there.
inline unsigned touch(const WeightFile& file) {
  unsigned sum = 0;
  for (const NamedTensor& tensor : file.tensors())
    for (std::uint64_t i = 0; i < tensor.view.bytes(); ++i)
      sum += std::to_integer<unsigned>(tensor.view.data[i]);
  return sum;
}

}  // namespace bantam::samples
