#include "formats/hf_family.h"

#include <gtest/gtest.h>

namespace bantam {
namespace {

const HfFamily& llama() { return **find_hf_family("llama"); }

std::string target(std::string_view name) {
  const auto found = hf_target(llama(), name);
  return found ? found->name : "";
}

TEST(HfTarget, NumbersOfLayersAndExpertsAreCarriedOver) {
  EXPECT_EQ(target("model.embed_tokens.weight"), "token_embd.weight");
  EXPECT_EQ(target("model.layers.0.mlp.up_proj.weight"), "blk.0.ffn_up.weight");
  EXPECT_EQ(target("model.layers.123.self_attn.q_proj.bias"), "blk.123.attn_q.bias");
  const auto expert = hf_target(llama(), "model.layers.7.block_sparse_moe.experts.11.w2.weight");
  ASSERT_TRUE(expert);
  EXPECT_EQ(expert->name, "blk.7.ffn_down_exps.weight");
  EXPECT_EQ(expert->expert, 11u);
  EXPECT_EQ(expert->action, HfAction::kExpert);
}

TEST(HfTarget, Qwen3HasNormsOfHeadsAndRowsAsTheyAre) {
  const HfFamily& family = **find_hf_family("qwen3");
  EXPECT_EQ(hf_target(family, "model.layers.2.self_attn.q_norm.weight")->name,
            "blk.2.attn_q_norm.weight");
  EXPECT_EQ(hf_target(family, "model.layers.2.self_attn.k_norm.weight")->name,
            "blk.2.attn_k_norm.weight");
  // Its pairs lie half a head apart in GGUF, too.
  EXPECT_EQ(hf_target(family, "model.layers.2.self_attn.q_proj.weight")->action, HfAction::kKeep);
}

TEST(HfTarget, OtherNamesHaveNone) {
  for (const char* name :
       {"", ".", ".weight", "model.layers.self_attn.q_proj.weight",
        "model.layers.x.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.1.weight",
        "model.layers..mlp.up_proj.weight", "model.layers.#.mlp.up_proj.weight",
        "model.layers.#.block_sparse_moe.experts.#.w3",
        "model.layers.1.block_sparse_moe.experts.99999.w1.weight",
        "model.layers.1.block_sparse_moe.experts.99999999999999999999999.w1.weight"})
    EXPECT_EQ(target(name), "") << name;
}

}  // namespace
}  // namespace bantam
