#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "formats/gguf_values.h"
#include "formats/safetensors.h"

namespace bantam {
namespace {

constexpr std::string_view kMetadataName = "__metadata__";

Result<void> check_tensor(const NamedTensor& tensor) {
  CHECK(!tensor.name.empty() && tensor.name != kMetadataName);
  const DTypeInfo& info = dtype_info(tensor.view.dtype);
  if (!info.safetensors_name.empty()) return {};
  return fail(ErrorKind::kUnsupported, "safetensors_cannot_hold",
              "tensor {}: safetensors has no type {}", quoted(tensor.name), info.name);
}

void append_entry(std::string& out, const NamedTensor& tensor, std::uint64_t begin) {
  append_json_string(out, tensor.name);
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < tensor.view.shape.rank(); ++i) sizes.push_back(tensor.view.shape[i]);
  out += fmt::format(R"(:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                     dtype_info(tensor.view.dtype).safetensors_name, fmt::join(sizes, ","), begin,
                     begin + tensor.view.bytes());
}

std::string header_of(std::span<const NamedTensor* const> tensors,
                      const SafetensorsMetadata& metadata) {
  std::string out = "{";
  if (!metadata.empty()) {
    JsonObject object;
    for (const auto& [key, text] : metadata) object.emplace(key, text);
    CHECK(object.size() == metadata.size(), "duplicate metadata");
    append_json_string(out, kMetadataName);
    out += ':' + write_json(object);
  }
  std::uint64_t offset = 0;
  for (const NamedTensor* tensor : tensors) {
    if (out.size() > 1) out += ',';
    append_entry(out, *tensor, offset);
    offset += tensor->view.bytes();
  }
  out += '}';
  // The specification asks for spaces; eight keep every tensor aligned.
  out.append((8 - out.size() % 8) % 8, ' ');
  return out;
}

std::string shard_name(std::size_t number, std::size_t count) {
  return fmt::format("model-{:05}-of-{:05}.safetensors", number, count);
}

// Consecutive runs of tensors of at most `shard_bytes`, or of one tensor that alone has more.
std::vector<std::span<const NamedTensor>> split(std::span<const NamedTensor> tensors,
                                                std::uint64_t shard_bytes) {
  std::vector<std::span<const NamedTensor>> shards;
  std::size_t first = 0;
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::uint64_t bytes = tensors[i].view.bytes();
    if (i > first && size + bytes > shard_bytes) {
      shards.push_back(tensors.subspan(first, i - first));
      first = i;
      size = 0;
    }
    size += bytes;
  }
  shards.push_back(tensors.subspan(first));
  return shards;
}

}  // namespace

Result<void> write_safetensors(const std::filesystem::path& path,
                               std::span<const NamedTensor> tensors,
                               const SafetensorsMetadata& metadata) {
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& tensor : tensors) {
    TRY(check_tensor(tensor));
    order.push_back(&tensor);
  }
  std::ranges::sort(order, {}, [&](const NamedTensor* tensor) {
    return std::pair(-std::int64_t{dtype_info(tensor->view.dtype).block_bytes},
                     tensor - tensors.data());
  });
  const std::string header = header_of(order, metadata);
  std::string length;
  append_bytes(length, std::uint64_t{header.size()});
  AtomicFile file = TRY(AtomicFile::create(path));
  TRY(file.write(length));
  TRY(file.write(header));
  for (const NamedTensor* tensor : order)
    TRY(file.write({tensor->view.data, static_cast<std::size_t>(tensor->view.bytes())}));
  return file.commit();
}

Result<void> write_safetensors_folder(const std::filesystem::path& folder,
                                      std::span<const NamedTensor> tensors,
                                      std::uint64_t shard_bytes,
                                      const SafetensorsMetadata& metadata) {
  const auto shards = split(tensors, shard_bytes);
  if (shards.size() == 1) return write_safetensors(folder / "model.safetensors", tensors, metadata);
  JsonObject map;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name(i + 1, shards.size());
    TRY(write_safetensors(folder / name, shards[i], metadata));
    for (const NamedTensor& tensor : shards[i]) {
      map.emplace(tensor.name, name);
      total += tensor.view.bytes();
    }
  }
  const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", std::move(map)}};
  return write_file(folder / "model.safetensors.index.json", write_json(index, {.indent = 2}));
}

}  // namespace bantam
