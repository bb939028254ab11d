#include <algorithm>
#include <array>
#include <new>
#include <numeric>
#include <optional>

#include "base/json_events.h"
#include "formats/cursor.h"
#include "formats/limits.h"
#include "formats/safetensors.h"

namespace bantam {
namespace {

constexpr std::string_view kCode = "safetensors_invalid";
constexpr std::string_view kMetadataName = "__metadata__";

template <typename... Args>
std::unexpected<Error> invalid(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kMalformed, kCode, format, std::forward<Args>(args)...);
}

// Takes the header in as it is parsed. Knows at every moment which object or array it is in; what
// the format has no place for is refused where it begins.
class HeaderReceiver : public JsonEvents {
 public:
  Result<void> begin_object() override {
    if (in_ == In::kStart) return enter(In::kRoot);
    if (in_ != In::kRoot) return misplaced("an object");
    if (key_ == kMetadataName) return enter(In::kMetadata);
    if (header.tensors.size() == limits::kSafetensorsTensors)
      return fail(ErrorKind::kTooLarge, kCode, "more than {} tensors", header.tensors.size());
    entry_ = {};
    entry_.name = key_;
    has_dtype_ = has_shape_ = has_offsets_ = false;
    return enter(In::kTensor);
  }

  Result<void> end_object() override {
    if (in_ == In::kTensor) {
      TRY(finish_tensor());
      header.tensors.push_back(std::move(entry_));
    }
    in_ = in_ == In::kRoot ? In::kStart : In::kRoot;
    return {};
  }

  Result<void> begin_array() override {
    if (in_ != In::kTensor || (key_ != "shape" && key_ != "data_offsets"))
      return misplaced("an array");
    in_ = key_ == "shape" ? In::kShape : In::kOffsets;
    count_ = 0;
    return {};
  }

  Result<void> end_array() override {
    if (in_ == In::kOffsets && count_ != 2)
      return bad_tensor("expected two data_offsets, found {}", count_);
    if (in_ == In::kShape) entry_.shape = Shape::from(std::span(sizes_).first(count_));
    in_ = In::kTensor;
    return {};
  }

  Result<void> key(std::string_view name) override {
    key_ = name;
    if (in_ == In::kRoot && name != kMetadataName &&
        (name.empty() || name.size() > limits::kSafetensorsNameBytes))
      return invalid("a tensor name of {} bytes, expected 1 to {}", name.size(),
                     limits::kSafetensorsNameBytes);
    if (in_ != In::kTensor) return {};
    bool* seen = name == "dtype"          ? &has_dtype_
                 : name == "shape"        ? &has_shape_
                 : name == "data_offsets" ? &has_offsets_
                                          : nullptr;
    if (seen == nullptr) return bad_tensor("unknown member {}", quoted(name));
    if (*seen) return bad_tensor("member {} appears twice", quoted(name));
    *seen = true;
    return {};
  }

  Result<void> string(std::string_view text) override {
    if (in_ == In::kMetadata) return metadata(text);
    if (in_ != In::kTensor || key_ != "dtype") return misplaced("a string");
    const auto type = dtype_from_safetensors(text);
    if (!type)
      return fail(ErrorKind::kUnsupported, kCode, "tensor {}: dtype not supported: {}",
                  quoted(entry_.name), quoted(text));
    entry_.dtype = *type;
    return {};
  }

  Result<void> integer(std::int64_t value) override {
    if (in_ == In::kShape) {
      if (value < 0) return bad_tensor("a dimension of {}", value);
      if (count_ == Shape::kMaxRank)
        return fail(ErrorKind::kUnsupported, kCode, "tensor {}: more than {} dimensions",
                    quoted(entry_.name), Shape::kMaxRank);
      sizes_[count_++] = value;
      return {};
    }
    if (in_ != In::kOffsets) return misplaced("a number");
    if (value < 0 || count_ == 2)
      return bad_tensor("expected two data_offsets from 0 up, found {}", value);
    (count_++ == 0 ? entry_.begin : entry_.end) = static_cast<std::uint64_t>(value);
    return {};
  }

  Result<void> natural(std::uint64_t value) override {
    return bad_tensor("{} is out of range", value);
  }
  Result<void> real(double) override { return misplaced("a fraction"); }
  Result<void> boolean(bool) override { return misplaced("a boolean"); }
  Result<void> null() override {
    if (in_ == In::kRoot && key_ == kMetadataName) return {};  // as MLX writes it
    return misplaced("null");
  }

  SafetensorsHeader header;

 private:
  enum class In { kStart, kRoot, kMetadata, kTensor, kShape, kOffsets };

  Result<void> enter(In next) {
    in_ = next;
    return {};
  }

  Result<void> misplaced(std::string_view what) {
    switch (in_) {
      case In::kStart:
        return invalid("expected an object, found {}", what);
      case In::kRoot:
        return invalid("{}: expected an object, found {}", quoted(key_), what);
      case In::kMetadata:
        return invalid("{} member {}: expected a string, found {}", kMetadataName, quoted(key_),
                       what);
      default:
        return bad_tensor("{}: {} does not belong there", quoted(key_), what);
    }
  }

  template <typename... Args>
  std::unexpected<Error> bad_tensor(fmt::format_string<Args...> format, Args&&... args) {
    return invalid("tensor {}: {}", quoted(entry_.name),
                   fmt::format(format, std::forward<Args>(args)...));
  }

  Result<void> metadata(std::string_view text) {
    metadata_bytes_ += key_.size() + text.size();
    if (header.metadata.size() == limits::kSafetensorsMetadataKeys ||
        metadata_bytes_ > limits::kSafetensorsMetadataBytes)
      return fail(ErrorKind::kTooLarge, kCode, "{} has more than {} members or {} bytes",
                  kMetadataName, limits::kSafetensorsMetadataKeys,
                  limits::kSafetensorsMetadataBytes);
    header.metadata.emplace_back(key_, text);
    return {};
  }

  Result<void> finish_tensor() {
    if (!has_dtype_ || !has_shape_ || !has_offsets_)
      return bad_tensor("no {}", !has_dtype_ ? "dtype" : !has_shape_ ? "shape" : "data_offsets");
    std::uint64_t size = dtype_info(entry_.dtype).block_bytes;
    for (std::size_t i = 0; i < entry_.shape.rank(); ++i)
      if (__builtin_mul_overflow(size, static_cast<std::uint64_t>(entry_.shape[i]), &size))
        return bad_tensor("the size of shape {} overflows", entry_.shape.to_string());
    if (entry_.begin > entry_.end || entry_.end - entry_.begin != size)
      return bad_tensor("data_offsets [{}, {}] do not hold the {} bytes of {} {}", entry_.begin,
                        entry_.end, size, dtype_info(entry_.dtype).name, entry_.shape.to_string());
    return {};
  }

  In in_ = In::kStart;
  std::string key_;
  SafetensorsEntry entry_;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
  std::array<std::int64_t, Shape::kMaxRank> sizes_{};
  std::size_t count_ = 0;
  std::uint64_t metadata_bytes_ = 0;
};

template <typename Items, typename Name>
Result<void> no_duplicates(const Items& items, std::string_view what, Name name) {
  std::vector<std::uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto of = [&](std::uint32_t i) -> std::string_view { return name(items[i]); };
  std::ranges::sort(order, {}, of);
  const auto twin = std::ranges::adjacent_find(order, {}, of);
  if (twin == order.end()) return {};
  return invalid("duplicate {} {}", what, quoted(of(*twin)));
}

// The tensors must cover the data one after the other.
Result<void> check_cover(const std::vector<SafetensorsEntry>& tensors, std::uint64_t data_bytes) {
  std::vector<std::uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(
      order, {}, [&](std::uint32_t i) { return std::tuple(tensors[i].begin, tensors[i].end, i); });
  std::uint64_t expected = 0;
  for (const std::uint32_t index : order) {
    const SafetensorsEntry& tensor = tensors[index];
    if (tensor.begin != expected)
      return invalid("tensor {}: its data {}: expected offset {}, found {}", quoted(tensor.name),
                     tensor.begin < expected ? "overlaps another's" : "leaves a hole", expected,
                     tensor.begin);
    if (tensor.end > data_bytes)
      return invalid("tensor {}: needs bytes up to {}, the file has {} of data",
                     quoted(tensor.name), tensor.end, data_bytes);
    expected = tensor.end;
  }
  if (expected == data_bytes) return {};
  return invalid("{} bytes follow the last tensor, which nothing describes", data_bytes - expected);
}

Result<std::string_view> header_text(std::span<const std::byte> bytes) {
  Cursor cursor(bytes, kCode);
  if (bytes.empty()) return cursor.error_at(0, "the file is empty");
  const auto size = cursor.u64("the header length");
  if (!size) return cursor.error_at(0, "the file of {} bytes is too short", bytes.size());
  if (*size < 2 || *size > cursor.left())
    return cursor.error_at(0, "header length: expected 2 to {}, found {}; the file looks like {}",
                           cursor.left(), *size, looks_like(bytes));
  if (*size > limits::kSafetensorsHeaderBytes)
    return cursor.error_at(0, "header too large: {} bytes, the limit is {}", *size,
                           limits::kSafetensorsHeaderBytes);
  if (bytes[8] != std::byte{'{'})
    return cursor.error_at(8, "expected a header that begins with a brace, found byte {:#04x}",
                           std::to_integer<unsigned>(bytes[8]));
  return cursor.text(*size, *size, "the header");
}

}  // namespace

Result<SafetensorsHeader> scan_safetensors(std::span<const std::byte> bytes) {
  const std::string_view text = TRY(header_text(bytes));
  HeaderReceiver receiver;
  const JsonLimits json_limits{.max_bytes = limits::kSafetensorsHeaderBytes,
                               .max_depth = 4,
                               .max_string_bytes = limits::kSafetensorsMetadataBytes};
  if (const auto parsed = parse_json_events(text, receiver, json_limits); !parsed) {
    Error error = parsed.error().in("header");
    error.code = kCode;
    return std::unexpected(std::move(error));
  }
  SafetensorsHeader& header = receiver.header;
  TRY(no_duplicates(header.tensors, "tensor",
                    [](const auto& t) -> std::string_view { return t.name; }));
  TRY(no_duplicates(header.metadata, "metadata member",
                    [](const auto& m) -> std::string_view { return m.first; }));
  const std::uint64_t data = 8 + text.size();
  TRY(check_cover(header.tensors, bytes.size() - data));
  for (SafetensorsEntry& tensor : header.tensors) {
    tensor.begin += data;
    tensor.end += data;
  }
  return std::move(header);
}

TensorView safetensors_view(WeightFile& file, const SafetensorsEntry& entry,
                            std::span<const std::byte> bytes) {
  const std::byte* data = bytes.data() + entry.begin;
  if (reinterpret_cast<std::uintptr_t>(data) % dtype_info(entry.dtype).block_bytes != 0) {
    std::byte* copy = file.own_buffer(entry.end - entry.begin);
    std::memcpy(copy, data, entry.end - entry.begin);
    data = copy;
  }
  return {entry.dtype, entry.shape, data};
}

Result<std::shared_ptr<WeightFile>> read_safetensors(const std::filesystem::path& path) {
  MappedFile map = TRY(MappedFile::open(path));
  try {
    auto header = scan_safetensors(map.bytes());
    if (!header) return std::unexpected(std::move(header).error().in(path.string()));
    auto file = std::make_shared<WeightFile>();
    file->description = "safetensors";
    for (auto& [key, text] : header->metadata) file->metadata.set_string(key, std::move(text));
    for (SafetensorsEntry& entry : header->tensors) {
      const TensorView view = safetensors_view(*file, entry, map.bytes());
      file->add_tensor(std::move(entry.name), view);
    }
    file->own(std::move(map));
    return file;
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::kTooLarge, "out_of_memory", "{}: no memory for its header",
                path.string());
  }
}

}  // namespace bantam
