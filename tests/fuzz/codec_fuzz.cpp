// LINK: bantam_codec
//
// Codecs: any bytes decode, any floats encode, and finite floats stay finite. The first byte picks
// the type, the second whether there is importance.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/result.h"
#include "codec/codec.h"

namespace {

std::vector<float> floats_of(const std::uint8_t* data, std::size_t count) {
  std::vector<float> floats(count);
  if (count > 0) std::memcpy(floats.data(), data, count * sizeof(float));
  return floats;
}

bool all_finite(std::span<const float> values) {
  for (const float value : values)
    if (!std::isfinite(value)) return false;
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bantam;
  if (size < 2) return 0;
  const DTypeInfo& info = all_dtypes()[data[0] % all_dtypes().size()];
  const bool weighted = data[1] % 2 == 1;
  const Codec* codec = find_codec(info.type);
  data += 2;
  size -= 2;
  if (codec == nullptr) return 0;

  const std::size_t whole =
      size < info.row_header_bytes ? 0 : (size - info.row_header_bytes) / info.block_bytes;
  std::vector<float> out(whole * info.block_elements);
  codec->decode(reinterpret_cast<const std::byte*>(data), out);
  if (codec->encode == nullptr) return 0;

  const std::size_t share = size / sizeof(float) / (weighted ? 2 : 1);
  const std::size_t count = share / info.block_elements * info.block_elements;
  const std::vector<float> in = floats_of(data, count);
  const std::vector<float> importance =
      floats_of(data + count * sizeof(float), weighted ? count : 0);
  std::vector<std::byte> row(row_bytes(info.type, count).value());
  codec->encode(in, importance, row.data());
  out.resize(count);
  codec->decode(row.data(), out);
  CHECK(!all_finite(in) || all_finite(out), "{}", info.name);
  return 0;
}
