// Which storage type each tensor of a model gets when the model is made smaller.
//
// A recipe is named like the files that people know: "F16", "Q8_0", "Q4_K_M". Vectors (norms,
// biases), the router of a mixture of experts and rope_freqs stay F32 under every recipe. The
// mixes follow what llama.cpp publishes for the same names:
//   output (or the embedding that stands in for it)   Q6_K under every block type of fewer than
//                                                     eight bits
//   Q4_K_M, Q5_K_M   Q6_K for attn_v and ffn_down in the first and last eighth of the layers and
//                    in every third between
//   Q4_K_S           Q5_K for attn_v of the first four layers and ffn_down of the first eighth
//   eight experts    Q8_0 for attn_k and attn_v, and Q5_K for attn_output under Q4_K_S and Q4_K_M
//   fused attn_qkv   Q5_K under Q4_K_M, Q6_K under Q5_K_M
// The types of one and two bits are for models that were trained to have such weights.
// A row that is no whole number of 256 takes Q8_0 instead of a K type, and one that is no whole
// number of 32 takes F16. (llama.cpp takes Q5_0 or Q5_1 for the first, which are smaller.)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/weight_file.h"
#include "tensor/dtype.h"

namespace bantam {

struct Recipe {
  std::string_view name;
  DType base;               // of every matrix that no rule speaks of
  std::uint32_t file_type;  // general.file_type
};

std::span<const Recipe> all_recipes();

// Case-insensitive; "Q4_K" and "Q5_K" mean their M. kUsage "unknown_recipe" names the known ones.
Result<const Recipe*> find_recipe(std::string_view name);

// The storage type of each tensor of `file`, in its order.
std::vector<DType> plan_types(const Recipe& recipe, const WeightFile& file);

// The metadata of a model with general.file_type and its kin set to what the recipe makes of it.
Metadata recipe_metadata(Metadata metadata, const Recipe& recipe);

}  // namespace bantam
