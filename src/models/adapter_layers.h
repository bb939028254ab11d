// An adapter's file, read: what it has for which layer, in the names and row orders of GGUF.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/weight_file.h"
#include "models/decoder.h"
#include "nn/ops.h"

namespace bantam {

struct AdapterLayer {
  std::string name;           // of the base's tensor: "blk.3.attn_q.weight"
  std::int64_t expert = -1;   // of a stack; -1: not of one
  LowRank low_rank = {};      // a and b are matrices that fit each other; no gain
  TensorView magnitude = {};  // (out) F32: DoRA; or no data
};

struct AdapterLayers {
  std::shared_ptr<WeightFile> file;  // owns what the layers are views of
  std::vector<AdapterLayer> layers;
  std::string base_digest;  // empty: the file does not say
};

// Errors as attach_adapter(), without the path. Whether the layers fit the base's is not looked at,
// except for the number of experts and the heads that rows belong to.
Result<AdapterLayers> read_gguf_adapter(const std::filesystem::path& path, const Decoder& base);
Result<AdapterLayers> read_peft_adapter(const std::filesystem::path& folder, const Decoder& base);

// One matrix pair checked: (r, in) and (out, r) of types that can be decoded. `name` is for errors.
Result<void> check_low_rank(const std::string& name, const TensorView& a, const TensorView& b);

// Rows of rotary heads in the other order: PEFT's is the half-split one, that of GGUF's llama
// interleaves the pairs. The copy belongs to `file`. CHECKs that rows are whole heads.
enum class RotaryRows : std::uint8_t { kToInterleaved, kToHalves };
TensorView reorder_rows(WeightFile& file, const TensorView& view, std::int64_t heads,
                        RotaryRows order);

}  // namespace bantam
