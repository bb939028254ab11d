#include "formats/gguf_reader.h"

#include <charconv>
#include <new>
#include <optional>

#include "formats/cursor.h"
#include "formats/gguf_values.h"
#include "formats/limits.h"

namespace bantam {
namespace {

constexpr std::string_view kCode = "gguf_invalid";
constexpr std::string_view kSplitKeys[] = {"split.no", "split.count", "split.tensors.count"};

template <typename... Args>
std::unexpected<Error> invalid(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kMalformed, kCode, format, std::forward<Args>(args)...);
}

// "model-00001-of-00003.gguf" taken apart.
struct PartName {
  std::string prefix;  // "model"
  std::uint64_t number = 0, count = 0;

  std::string of(std::uint64_t part) const {
    return fmt::format("{}-{:05}-of-{:05}.gguf", prefix, part, count);
  }
};

std::optional<std::uint64_t> five_digits(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.size() != 5 || status != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::optional<PartName> part_name(std::string_view name) {
  constexpr std::string_view kTail = "-00001-of-00001.gguf";
  if (name.size() <= kTail.size() || !name.ends_with(".gguf")) return std::nullopt;
  const std::string_view tail = name.substr(name.size() - kTail.size());
  const auto number = five_digits(tail.substr(1, 5));
  const auto count = five_digits(tail.substr(10, 5));
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || !number || !count) return std::nullopt;
  return PartName{std::string(name.substr(0, name.size() - kTail.size())), *number, *count};
}

Result<void> add_file(WeightFile& file, const std::filesystem::path& path) {
  MappedFile map = TRY(MappedFile::open(path));
  if (const auto added = add_gguf(file, map.bytes()); !added)
    return std::unexpected(added.error().in(path.string()));
  file.own(std::move(map));
  return {};
}

// How the files of a split model are named, from its first part.
Result<PartName> names_of_parts(const Metadata& metadata, const std::filesystem::path& path) {
  const std::uint64_t count = TRY(metadata.integer("split.count", 1, limits::kGgufParts));
  const std::uint64_t number = TRY(metadata.integer_or("split.no", 0, 0, limits::kGgufParts));
  const auto name = part_name(path.filename().string());
  if (number != 0) {
    auto error = invalid("this is part {} of {}", number + 1, count).error();
    if (name) error.hint = fmt::format("open {} instead", name->of(1));
    return std::unexpected(std::move(error));
  }
  if (!name || name->number != 1 || name->count != count)
    return invalid("the first of {} parts must be named like model-00001-of-{:05}.gguf", count,
                   count);
  return *name;
}

// That the metadata of the part read last agrees with its place.
Result<void> check_part(const Metadata& metadata, std::uint64_t part, std::uint64_t count) {
  const std::uint64_t found = TRY(metadata.integer_or("split.no", 0, 0, limits::kGgufParts));
  const std::uint64_t total = TRY(metadata.integer("split.count", 1, limits::kGgufParts));
  if (found == part && total == count) return {};
  return invalid("expected part {} of {}, found part {} of {}", part + 1, count, found + 1, total);
}

Result<void> check_total(const WeightFile& file) {
  const std::uint64_t found = file.tensors().size();
  const std::uint64_t expected = TRY(file.metadata.integer_or(
      "split.tensors.count", found, 0, limits::kGgufParts * limits::kGgufTensors));
  if (expected == found) return {};
  return invalid("split.tensors.count is {}, the parts together hold {}", expected, found);
}

Result<std::shared_ptr<WeightFile>> read_all_parts(const std::filesystem::path& path) {
  const auto in = [](const std::filesystem::path& place, auto result) {
    if (!result) result.error() = std::move(result.error()).in(place.string());
    return result;
  };
  auto file = std::make_shared<WeightFile>();
  TRY(add_file(*file, path));
  if (file->metadata.contains("split.count")) {
    const PartName name = TRY(in(path, names_of_parts(file->metadata, path)));
    for (std::uint64_t part = 1; part < name.count; ++part) {
      const std::filesystem::path part_path = path.parent_path() / name.of(part + 1);
      // What the last part said must not stand in for what this one leaves out.
      file->metadata.erase("split.no");
      TRY(add_file(*file, part_path));
      TRY(in(part_path, check_part(file->metadata, part, name.count)));
    }
    TRY(in(path, check_total(*file)));
  }
  for (const std::string_view key : kSplitKeys) file->metadata.erase(key);
  return file;
}

}  // namespace

Result<void> add_gguf(WeightFile& file, std::span<const std::byte> bytes) {
  const GgufHeader header = TRY(scan_gguf(bytes));
  for (const GgufTensor& tensor : header.tensors)
    if (file.find(tensor.name) != nullptr)
      return invalid("duplicate tensor {}: an earlier part has it already", quoted(tensor.name));
  std::vector<MetaValue> values;
  values.reserve(header.keys.size());
  for (const GgufKey& key : header.keys) {
    Cursor cursor(bytes, kCode);
    TRY(cursor.take(key.value, "the header"));
    values.push_back(TRY(read_gguf_value(cursor, key.type, header.version)));
  }
  for (std::size_t i = 0; i < values.size(); ++i)
    file.metadata.set(header.keys[i].name, std::move(values[i]));
  for (const GgufTensor& tensor : header.tensors)
    file.add_tensor(std::string(tensor.name),
                    {tensor.dtype, tensor.shape, bytes.data() + tensor.data});
  if (file.description.empty()) file.description = fmt::format("GGUF v{}", header.version);
  return {};
}

Result<std::shared_ptr<WeightFile>> read_gguf(const std::filesystem::path& path) {
  try {
    return read_all_parts(path);
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::kTooLarge, "out_of_memory", "{}: no memory for its metadata",
                path.string());
  }
}

}  // namespace bantam
