// Every axis on which transformer families differ, as data.
//
// A family file (models/text/*.cpp) fills this from canonical metadata; the decoder reads it.
// Properties are fields and are tested; names never are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/kv.h"
#include "nn/ops.h"
#include "nn/rope.h"

namespace bantam {

// Letters as in nn/ops.h.
struct LayerSpec {
  AttentionSpec attention;        // H, K, D, scale, window
  bool qk_norm = false;           // each head of queries and keys is normed before it is turned
  std::int64_t ffn_width = 0;     // F; of each expert where there are experts
  std::int64_t experts = 0;       // X; 0: a dense feed-forward
  std::int64_t experts_used = 0;  // U
  bool normalize_experts = true;  // the U weights are rescaled to sum 1
};

struct ArchSpec {
  std::string architecture;         // general.architecture, for people
  std::string name;                 // general.name, for people
  std::int64_t vocab = 0;           // V: rows of the embedding
  std::int64_t width = 0;           // E
  std::int64_t context_length = 0;  // that the model was trained for
  float norm_epsilon = 0;
  Activation activation = Activation::kSilu;
  RopeSpec rope;
  std::vector<LayerSpec> layers;  // (L)

  std::int64_t layer_count() const { return static_cast<std::int64_t>(layers.size()); }
};

// How its keys and values are kept.
KvLayout kv_layout(const ArchSpec& spec, const KvType& type);

}  // namespace bantam
