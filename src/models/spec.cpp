#include "models/spec.h"

namespace bantam {

KvLayout kv_layout(const ArchSpec& spec, const KvType& type) {
  std::vector<KvLayerShape> layers;
  layers.reserve(spec.layers.size());
  for (const LayerSpec& layer : spec.layers) {
    layers.push_back({.kv_heads = layer.attention.kv_heads,
                      .key_width = layer.attention.key_width,
                      .value_width = layer.attention.value_width});
  }
  return KvLayout(layers, type);
}

}  // namespace bantam
