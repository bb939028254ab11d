#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

#include "base/unicode.h"
#include "formats/cursor.h"
#include "formats/gguf_reader.h"
#include "formats/gguf_values.h"
#include "formats/limits.h"

namespace bantam {
namespace {

constexpr std::string_view kCode = "gguf_invalid";
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr std::uint32_t kNewestVersion = 3;

// The first pass: checks, and remembers where things are.
class GgufScanner {
 public:
  explicit GgufScanner(std::span<const std::byte> bytes)
      : cursor_(bytes, kCode), file_bytes_(bytes.size()) {}

  Result<GgufHeader> run(std::span<const std::byte> bytes) {
    TRY(magic_and_version(bytes));
    const std::uint64_t counts_at = cursor_.offset();
    const std::uint64_t tensors = TRY(length("the tensor count"));
    const std::uint64_t keys = TRY(length("the key count"));
    TRY(plausible(keys, least_key_bytes(), limits::kGgufKeys, counts_at, "keys"));
    TRY(plausible(tensors, least_tensor_bytes(), limits::kGgufTensors, counts_at, "tensors"));
    for (std::uint64_t i = 0; i < keys; ++i) TRY(key());
    TRY(no_duplicates(header_.keys, "key", [](const GgufKey& k) { return k.value; }));
    for (std::uint64_t i = 0; i < tensors; ++i) TRY(tensor());
    TRY(no_duplicates(header_.tensors, "tensor", [](const GgufTensor& t) { return t.entry; }));
    TRY(place_data());
    return std::move(header_);
  }

 private:
  Result<void> magic_and_version(std::span<const std::byte> bytes) {
    if (bytes.empty()) return cursor_.error_at(0, "the file is empty");
    if (!is_gguf(bytes))
      return cursor_.error_at(0, "not a GGUF file: it looks like {}", looks_like(bytes));
    TRY(cursor_.take(4, "the magic"));
    header_.version = TRY(cursor_.u32("the version"));
    if (header_.version >= 1 && header_.version <= kNewestVersion) return {};
    const std::uint32_t swapped = std::byteswap(header_.version);
    if (swapped >= 1 && swapped <= kNewestVersion)
      return cursor_.error_at(4, "unsupported GGUF version: {}, big endian; expected little endian",
                              swapped);
    return cursor_.error_at(4, "unsupported GGUF version: expected 1 to {}, found {}",
                            kNewestVersion, header_.version);
  }

  // Version 1 has 32 bits for every count, length and dimension.
  Result<std::uint64_t> length(std::string_view what) {
    if (header_.version == 1) return TRY(cursor_.u32(what));
    return cursor_.u64(what);
  }
  std::uint64_t length_bytes() const { return header_.version == 1 ? 4 : 8; }
  // A name of one byte, a type, a value of one byte.
  std::uint64_t least_key_bytes() const { return length_bytes() + 1 + 4 + 1; }
  // A name of one byte, a rank, one dimension, a type, an offset.
  std::uint64_t least_tensor_bytes() const {
    return length_bytes() + 1 + 4 + length_bytes() + 4 + 8;
  }

  Result<void> plausible(std::uint64_t count, std::uint64_t least_bytes, std::uint64_t limit,
                         std::uint64_t at, std::string_view what) {
    if (count > cursor_.left() / least_bytes)
      return cursor_.error_at(at, "{} {} need more than the {} bytes that follow", count, what,
                              cursor_.left());
    if (count > limit) return cursor_.error_at(at, "{} {}, the limit is {}", count, what, limit);
    return {};
  }

  Result<std::string_view> name(std::uint64_t limit, std::string_view what) {
    const std::uint64_t at = cursor_.offset();
    const std::uint64_t size = TRY(length(what));
    const auto text = TRY(cursor_.text(size, limit, what));
    if (text.empty()) return cursor_.error_at(at, "{} is empty", what);
    if (text.find('\0') != text.npos || !is_valid_utf8(text))
      return cursor_.error_at(at, "{} {} is not UTF-8 text without NUL", what, quoted(text));
    return text;
  }

  Result<void> key() {
    const auto key_name = TRY(name(limits::kGgufKeyBytes, "a key"));
    const std::uint64_t at = cursor_.offset();
    const MetaType type = TRY(value_type(key_name));
    header_.keys.push_back({key_name, type, cursor_.offset()});
    if (key_name == kAlignmentKey) return alignment(type, at);
    if (type == MetaType::kArray) return array(key_name);
    if (type == MetaType::kString) {
      const std::uint64_t size = TRY(length("a string length"));
      TRY(cursor_.text(size, limits::kGgufStringBytes, "the string value"));
      return {};
    }
    return scalars(key_name, type, 1);
  }

  Result<MetaType> value_type(std::string_view key_name) {
    const std::uint64_t at = cursor_.offset();
    const std::uint32_t id = TRY(cursor_.u32("a value type"));
    if (id > static_cast<std::uint32_t>(MetaType::kF64))
      return cursor_.error_at(at, "key {}: unknown value type {}", quoted(key_name), id);
    return static_cast<MetaType>(id);
  }

  Result<void> scalars(std::string_view key_name, MetaType type, std::uint64_t count) {
    const std::uint64_t at = cursor_.offset();
    std::uint64_t size = 0;
    if (__builtin_mul_overflow(count, gguf_scalar_bytes(type), &size) || size > cursor_.left())
      return cursor_.error_at(at,
                              "key {}: {} values of type {} do not fit the {} bytes that follow",
                              quoted(key_name), count, meta_type_name(type), cursor_.left());
    const auto values = TRY(cursor_.take(size, "a value"));
    if (type != MetaType::kBool) return {};
    const auto bad = std::ranges::find_if(values, [](std::byte b) { return b > std::byte{1}; });
    if (bad == values.end()) return {};
    return cursor_.error_at(at + static_cast<std::uint64_t>(bad - values.begin()),
                            "key {}: expected a bool of 0 or 1, found {}", quoted(key_name),
                            std::to_integer<unsigned>(*bad));
  }

  Result<void> array(std::string_view key_name) {
    const std::uint64_t at = cursor_.offset();
    const MetaType element = TRY(value_type(key_name));
    if (element == MetaType::kArray)
      return cursor_.error_at(at, "key {}: nested arrays are not supported", quoted(key_name));
    const std::uint64_t count = TRY(length("an array length"));
    const bool is_text = element == MetaType::kString;
    const std::uint64_t least = is_text ? length_bytes() : gguf_scalar_bytes(element);
    if (count > cursor_.left() / least)
      return cursor_.error_at(at, "key {}: an array of {} {} exceeds the {} bytes that follow",
                              quoted(key_name), count, meta_type_name(element), cursor_.left());
    const std::uint64_t limit = is_text ? limits::kGgufStrings : limits::kGgufNumbers;
    std::uint64_t& total = is_text ? strings_ : numbers_;
    total += count;
    if (total > limit)
      return cursor_.error_at(at, "key {}: more than {} {} in all arrays", quoted(key_name), limit,
                              is_text ? "strings" : "numbers");
    if (!is_text) return scalars(key_name, element, count);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t start = cursor_.offset();
      const std::uint64_t size = TRY(length("a string length"));
      const auto text = cursor_.text(size, limits::kGgufElementBytes, "the string");
      if (!text)
        return cursor_.error_at(start, "key {}, element {}: {}", quoted(key_name), i,
                                text.error().message);
    }
    return {};
  }

  Result<void> alignment(MetaType type, std::uint64_t at) {
    const auto refuse = [&](std::string_view found) {
      return cursor_.error_at(at, "{} must be a u32 power of two from {} to {}, found {}",
                              kAlignmentKey, limits::kGgufLeastAlignment,
                              limits::kGgufMostAlignment, found);
    };
    if (type != MetaType::kU32) return refuse(meta_type_name(type));
    const std::uint64_t value = TRY(cursor_.u32("the alignment"));
    if (!std::has_single_bit(value) || value < limits::kGgufLeastAlignment ||
        value > limits::kGgufMostAlignment)
      return refuse(fmt::to_string(value));
    header_.alignment = value;
    return {};
  }

  Result<void> tensor() {
    GgufTensor out{};
    out.entry = cursor_.offset();
    out.name = TRY(name(limits::kGgufNameBytes, "a tensor name"));
    const auto refuse = [&](std::string message) {
      return cursor_.error_at(out.entry, "tensor {}: {}", quoted(out.name), message);
    };

    const std::uint32_t rank = TRY(cursor_.u32("a tensor's rank"));
    if (rank < 1 || rank > Shape::kMaxRank)
      return refuse(
          fmt::format("n_dims out of range: expected 1 to {}, found {}", Shape::kMaxRank, rank));
    std::array<std::int64_t, Shape::kMaxRank> sizes{};
    std::int64_t elements = 1;
    for (std::uint32_t i = 0; i < rank; ++i) {
      const std::uint64_t size = TRY(length("a tensor's dimension"));
      // The file has the innermost dimension first.
      sizes[rank - 1 - i] = static_cast<std::int64_t>(size);
      if (size < 1 || size > std::numeric_limits<std::int64_t>::max() ||
          __builtin_mul_overflow(elements, sizes[rank - 1 - i], &elements))
        return refuse(fmt::format("tensor size overflow or zero: dimension {} is {}", i, size));
    }
    out.shape = Shape::from(std::span(sizes).first(rank));

    const std::uint32_t type_id = TRY(cursor_.u32("a tensor's type"));
    const auto type = dtype_from_gguf(type_id);
    if (!type) return refuse(fmt::format("unknown tensor type {}", type_id));
    out.dtype = *type;
    const auto row = row_bytes(*type, static_cast<std::uint64_t>(out.shape.last()));
    if (!row)
      return refuse(fmt::format("a row of {} elements is no whole number of {} blocks of {}",
                                out.shape.last(), dtype_info(*type).name,
                                dtype_info(*type).block_elements));
    if (__builtin_mul_overflow(*row, static_cast<std::uint64_t>(out.shape.rows()), &out.bytes))
      return refuse("tensor size overflow");
    // Relative to the data section, whose place is known only after the last description.
    out.data = TRY(cursor_.u64("a tensor's offset"));
    if (out.data % header_.alignment != 0)
      return refuse(fmt::format("its offset {} is no multiple of the alignment {}", out.data,
                                header_.alignment));
    header_.tensors.push_back(out);
    return {};
  }

  // Names sorted instead of hashed: the same cost for every input.
  template <typename Entry, typename Place>
  Result<void> no_duplicates(const std::vector<Entry>& entries, std::string_view what,
                             Place place) {
    std::vector<std::uint32_t> order(entries.size());
    std::iota(order.begin(), order.end(), 0u);
    std::ranges::sort(order, {}, [&](std::uint32_t i) { return std::pair(entries[i].name, i); });
    const auto twin =
        std::ranges::adjacent_find(order, {}, [&](std::uint32_t i) { return entries[i].name; });
    if (twin == order.end()) return {};
    const Entry& second = entries[*std::next(twin)];
    return cursor_.error_at(place(second), "duplicate {} {}", what, quoted(second.name));
  }

  // Tensors must fill the rest of the file one after the other, padded to the alignment, so that
  // no byte is read twice or not at all.
  Result<void> place_data() {
    const std::uint64_t mask = header_.alignment - 1;
    const std::uint64_t start = (cursor_.offset() + mask) & ~mask;
    std::vector<std::uint32_t> order(header_.tensors.size());
    std::iota(order.begin(), order.end(), 0u);
    std::ranges::sort(order, {},
                      [&](std::uint32_t i) { return std::pair(header_.tensors[i].data, i); });
    std::uint64_t expected = 0;
    for (const std::uint32_t index : order) {
      GgufTensor& tensor = header_.tensors[index];
      const auto refuse = [&](std::string message) {
        return cursor_.error_at(tensor.entry, "tensor {}: {}", quoted(tensor.name), message);
      };
      if (tensor.data != expected)
        return refuse(fmt::format("its data {}: expected offset {}, found {}",
                                  tensor.data < expected ? "overlaps another's" : "leaves a gap",
                                  expected, tensor.data));
      const std::uint64_t available = file_bytes_ > start ? file_bytes_ - start : 0;
      if (tensor.data > available || tensor.bytes > available - tensor.data)
        return refuse(fmt::format("needs {} bytes at {}, the file has {}", tensor.bytes,
                                  saturating_add(start, tensor.data), file_bytes_));
      expected = (tensor.data + tensor.bytes + mask) & ~mask;  // both below the file size
      tensor.data += start;
    }
    const std::uint64_t end = start + expected;
    if (file_bytes_ > end)
      return cursor_.error_at(end, "{} bytes follow the last tensor, which nothing describes",
                              file_bytes_ - end);
    return {};
  }

  static std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) {
    return a > std::numeric_limits<std::uint64_t>::max() - b
               ? std::numeric_limits<std::uint64_t>::max()
               : a + b;
  }

  Cursor cursor_;
  std::uint64_t file_bytes_;
  std::uint64_t strings_ = 0, numbers_ = 0;  // of all arrays so far
  GgufHeader header_;
};

}  // namespace

bool is_gguf(std::span<const std::byte> bytes) {
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0;
}

Result<GgufHeader> scan_gguf(std::span<const std::byte> bytes) {
  return GgufScanner(bytes).run(bytes);
}

}  // namespace bantam
