// Qwen3, dense: a norm on every head of queries and keys, and pairs half a head apart.
#include "models/registry.h"
#include "models/text/transformer.h"

namespace bantam {

Result<ArchSpec> read_qwen3_spec(const WeightFile& file) {
  ArchSpec spec = TRY(read_transformer_spec(file, "qwen3"));
  spec.rope.pairing = RopePairing::kHalves;
  for (LayerSpec& layer : spec.layers) layer.qk_norm = true;
  return spec;
}

}  // namespace bantam
