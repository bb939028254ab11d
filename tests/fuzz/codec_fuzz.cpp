// LINK: bantam_codec
//
// Codecs: any bytes decode, any floats encode, and finite floats stay finite. The first byte picks
// the type, the second whether there is importance. Bytes that are too few for a block of floats
// are taken again from the start: a small input reaches every encoder.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/result.h"
#include "codec/codec.h"

namespace {

std::vector<float> floats_of(std::span<const std::uint8_t> data, std::size_t first,
                             std::size_t count) {
  std::vector<float> floats(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint8_t bytes[sizeof(float)];
    for (std::uint8_t& byte : bytes) byte = data[first++ % data.size()];
    std::memcpy(&floats[i], bytes, sizeof bytes);
  }
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
  if (size < 3) return 0;
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
  const std::size_t blocks = std::max<std::size_t>(1, share / info.block_elements);
  const std::size_t count = blocks * info.block_elements;
  const std::vector<float> in = floats_of({data, size}, 0, count);
  const std::vector<float> importance =
      floats_of({data, size}, count * sizeof(float), weighted ? count : 0);
  std::vector<std::byte> row(row_bytes(info.type, count).value());
  codec->encode(in, importance, row.data());
  out.resize(count);
  codec->decode(row.data(), out);
  CHECK(!all_finite(in) || all_finite(out), "{}", info.name);
  return 0;
}
