// LINK: bantam_formats
//
// GGUF: a file is refused with a place, or every byte of every tensor is there and writing its
// header again gives a header that reads the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "formats/gguf_reader.h"
#include "formats/gguf_writer.h"

namespace {

using namespace bantam;

unsigned sum_of_tensors(const WeightFile& file) {
  unsigned sum = 0;
  for (const NamedTensor& tensor : file.tensors())
    for (std::uint64_t i = 0; i < tensor.view.bytes(); ++i)
      sum += std::to_integer<unsigned>(tensor.view.data[i]);
  return sum;
}

// What a reader finds in a file of this header and zeros for data.
void check_rewritten(const WeightFile& file) {
  std::vector<GgufTensorPlan> plans;
  for (const NamedTensor& tensor : file.tensors())
    plans.push_back({tensor.name, tensor.view.dtype, tensor.view.shape});
  auto written = gguf_header_bytes(file.metadata, plans);
  CHECK(written.has_value(), "{}", written.error().to_string());
  for (const NamedTensor& tensor : file.tensors())
    written->append((tensor.view.bytes() + 31) & ~std::uint64_t{31}, '\0');
  WeightFile again;
  const auto read = add_gguf(again, std::as_bytes(std::span(*written)));
  CHECK(read.has_value(), "{}", read.error().to_string());
  CHECK(again.tensors().size() == file.tensors().size());
  for (const auto& [key, value] : file.metadata.entries()) {
    if (key == "general.alignment") continue;
    // NaN is not equal to itself; compare what can be.
    const MetaValue* found = again.metadata.find(key);
    CHECK(found != nullptr && found->type == value.type);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  WeightFile file;
  const auto result = add_gguf(file, std::as_bytes(std::span(data, size)));
  if (!result) {
    CHECK(result.error().code == "gguf_invalid");
    CHECK(result.error().where.starts_with("at byte "));
    CHECK(result.error().to_string().size() <= 1024);
    CHECK(file.tensors().empty() && file.metadata.entries().empty());
    return 0;
  }
  [[maybe_unused]] static volatile unsigned sink;
  sink = sum_of_tensors(file);
  check_rewritten(file);
  return 0;
}
