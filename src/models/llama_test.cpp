// What the Llama family makes of metadata, good and bad.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "models/decoder.h"
#include "models/registry.h"

namespace bantam {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A file with the smallest Llama: 1 layer, E 8, H 2, K 1, D 4, F 16, V 10.
class LlamaFile : public testing::Test {
 protected:
  LlamaFile() : file_(std::make_shared<WeightFile>()) {
    Metadata& meta = file_->metadata;
    meta.set_string("general.architecture", "llama");
    meta.set_u32("llama.embedding_length", 8);
    meta.set_u32("llama.context_length", 64);
    meta.set_u32("llama.block_count", 1);
    meta.set_u32("llama.feed_forward_length", 16);
    meta.set_u32("llama.attention.head_count", 2);
    meta.set_u32("llama.attention.head_count_kv", 1);
    meta.set_f32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
    add("token_embd.weight", {10, 8});
    add("output_norm.weight", {8});
    add("blk.0.attn_norm.weight", {8});
    add("blk.0.attn_q.weight", {8, 8});
    add("blk.0.attn_k.weight", {4, 8});
    add("blk.0.attn_v.weight", {4, 8});
    add("blk.0.attn_output.weight", {8, 8});
    add("blk.0.ffn_norm.weight", {8});
    add("blk.0.ffn_gate.weight", {16, 8});
    add("blk.0.ffn_up.weight", {16, 8});
  }

  void add(const std::string& name, const Shape& shape, DType dtype = DType::kF32) {
    const TensorView view{.dtype = dtype, .shape = shape, .data = nullptr};
    file_->add_tensor(name, {dtype, shape, file_->own_buffer(view.bytes())});
  }
  void add_down() { add("blk.0.ffn_down.weight", {8, 16}); }

  std::string error_of_spec() {
    const auto spec = read_llama_spec(*file_);
    EXPECT_FALSE(spec.has_value());
    return spec ? "" : spec.error().to_string();
  }

  std::shared_ptr<WeightFile> file_;
};

TEST_F(LlamaFile, ReadsTheShape) {
  const auto spec = read_llama_spec(*file_);
  ASSERT_TRUE(spec.has_value()) << spec.error().to_string();
  EXPECT_EQ(spec->width, 8);
  EXPECT_EQ(spec->vocab, 10);
  ASSERT_EQ(spec->layers.size(), 1u);
  const AttentionSpec& attention = spec->layers[0].attention;
  EXPECT_EQ(attention.heads, 2);
  EXPECT_EQ(attention.kv_heads, 1);
  EXPECT_EQ(attention.key_width, 4);
  EXPECT_FLOAT_EQ(attention.scale, 0.5F);
  EXPECT_EQ(attention.window, 0);
  EXPECT_EQ(spec->rope.width, 4);
  EXPECT_EQ(spec->rope.base, 10000.0);
}

TEST_F(LlamaFile, HeadWidthMayDifferFromWidthOverHeads) {
  file_->metadata.set_u32("llama.attention.key_length", 6);
  file_->metadata.set_u32("llama.attention.value_length", 2);
  file_->metadata.set_u32("llama.attention.sliding_window", 16);
  const auto spec = read_llama_spec(*file_);
  ASSERT_TRUE(spec.has_value()) << spec.error().to_string();
  EXPECT_EQ(spec->layers[0].attention.key_width, 6);
  EXPECT_EQ(spec->layers[0].attention.value_width, 2);
  EXPECT_EQ(spec->layers[0].attention.window, 16);
}

TEST_F(LlamaFile, BadNumbersNameTheirKey) {
  struct Case {
    const char* key;
    std::uint32_t value;
    const char* part;
  };
  for (const Case& one : {Case{"llama.attention.head_count", 0, "llama.attention.head_count"},
                          Case{"llama.attention.head_count", 3, "do not divide"},
                          Case{"llama.attention.head_count_kv", 3, "do not divide"},
                          Case{"llama.attention.head_count_kv", 0, "head_count_kv"},
                          Case{"llama.embedding_length", 0, "llama.embedding_length"},
                          Case{"llama.block_count", 0, "llama.block_count"},
                          Case{"llama.block_count", 1u << 31, "llama.block_count"},
                          Case{"llama.context_length", 0, "llama.context_length"},
                          Case{"llama.context_length", 0xFFFFFFFF, "llama.context_length"},
                          Case{"llama.expert_count", 1u << 31, "llama.expert_count"},
                          Case{"llama.rope.dimension_count", 3, "odd"},
                          Case{"llama.rope.dimension_count", 5, "llama.rope.dimension_count"}}) {
    const Metadata good = file_->metadata;
    file_->metadata.set_u32(one.key, one.value);
    EXPECT_THAT(error_of_spec(), HasSubstr(one.part)) << one.key << " = " << one.value;
    file_->metadata = good;
  }
}

TEST_F(LlamaFile, RopeBaseMustBeANumber) {
  for (const float base : {std::nanf(""), 0.0F, HUGE_VALF, -1.0F}) {
    file_->metadata.set_f32("llama.rope.freq_base", base);
    EXPECT_THAT(error_of_spec(), HasSubstr("llama.rope.freq_base")) << base;
  }
}

TEST_F(LlamaFile, ExpertsUsedMustNotExceedExperts) {
  file_->metadata.set_u32("llama.expert_count", 4);
  file_->metadata.set_u32("llama.expert_used_count", 5);
  EXPECT_THAT(error_of_spec(), HasSubstr("llama.expert_used_count"));
}

TEST_F(LlamaFile, UnknownScalingIsNamed) {
  file_->metadata.set_string("llama.rope.scaling.type", "bendy");
  EXPECT_THAT(error_of_spec(), AllOf(HasSubstr("\"bendy\""), HasSubstr("linear")));
}

TEST_F(LlamaFile, RopeDivisorsComeFromTheirTensor) {
  add("rope_freqs.weight", {2});
  const float values[] = {1.0F, 8.0F};
  std::memcpy(const_cast<std::byte*>(file_->find("rope_freqs.weight")->data), values,
              sizeof values);
  const auto spec = read_llama_spec(*file_);
  ASSERT_TRUE(spec.has_value()) << spec.error().to_string();
  EXPECT_EQ(spec->rope.divisors, (std::vector<float>{1.0F, 8.0F}));
}

TEST_F(LlamaFile, EveryMissingTensorIsNamed) {
  file_->metadata.set_u32("llama.block_count", 2);
  const auto decoder = load_decoder(file_);
  ASSERT_FALSE(decoder.has_value());
  EXPECT_EQ(decoder.error().code, "weights_invalid");
  const std::string text = decoder.error().to_string();
  for (const char* name : {"blk.0.ffn_down.weight", "blk.1.attn_norm.weight", "blk.1.attn_q.weight",
                           "blk.1.ffn_down.weight"}) {
    EXPECT_THAT(text, HasSubstr(name));
  }
}

TEST_F(LlamaFile, EveryWrongShapeIsNamed) {
  add("blk.0.ffn_down.weight", {16, 8});
  add("output.weight", {9, 8});
  const auto decoder = load_decoder(file_);
  ASSERT_FALSE(decoder.has_value());
  EXPECT_THAT(decoder.error().to_string(),
              AllOf(HasSubstr("blk.0.ffn_down.weight has shape (16, 8), not (8, 16)"),
                    HasSubstr("output.weight has shape (9, 8), not (10, 8)")));
}

TEST_F(LlamaFile, HundredsOfProblemsStayUnderAKilobyte) {
  file_->metadata.set_u32("llama.block_count", 900);
  const auto decoder = load_decoder(file_);
  ASSERT_FALSE(decoder.has_value());
  EXPECT_LE(decoder.error().to_string().size(), 1024u);
  EXPECT_THAT(decoder.error().to_string(), HasSubstr("more"));
}

TEST_F(LlamaFile, LoadsWhenWhole) {
  add_down();
  const auto decoder = load_decoder(file_);
  ASSERT_TRUE(decoder.has_value()) << decoder.error().to_string();
  EXPECT_EQ((*decoder)->weights().head.weight.data, (*decoder)->weights().embedding.data);
}

TEST_F(LlamaFile, UnknownArchitectureNamesTheKnown) {
  file_->metadata.set_string("general.architecture", "lama");
  const auto decoder = load_decoder(file_);
  ASSERT_FALSE(decoder.has_value());
  EXPECT_EQ(decoder.error().code, "unknown_architecture");
  EXPECT_THAT(decoder.error().to_string(), AllOf(HasSubstr("\"lama\""), HasSubstr("llama")));
}

}  // namespace
}  // namespace bantam
