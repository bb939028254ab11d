// LINK: bantam_formats
//
// safetensors: a file is refused, or its tensors cover the data exactly once.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bantam;
  auto header = scan_safetensors(std::as_bytes(std::span(data, size)));
  if (!header) {
    CHECK(header.error().code == "safetensors_invalid");
    CHECK(header.error().to_string().size() <= 1024);
    return 0;
  }
  std::ranges::sort(header->tensors, {}, [](const SafetensorsEntry& entry) {
    return std::pair(entry.begin, entry.end);
  });
  std::uint64_t last = header->tensors.empty() ? size : header->tensors.front().begin;
  for (const SafetensorsEntry& entry : header->tensors) {
    CHECK(entry.begin == last && entry.end <= size);
    CHECK((TensorView{entry.dtype, entry.shape, nullptr}.bytes()) == entry.end - entry.begin);
    last = entry.end;
  }
  CHECK(last == size);
  WeightFile file;
  for (const SafetensorsEntry& entry : header->tensors)
    file.add_tensor(entry.name,
                    safetensors_view(file, entry, std::as_bytes(std::span(data, size))));
  return 0;
}
