#include "cli/model_summary.h"

#include <gtest/gtest.h>

#include <array>

namespace bantam {
namespace {

WeightFile small_file() {
  WeightFile file;
  file.metadata.set_string("general.architecture", "llama");
  file.metadata.set_string("general.name", "Small\none");
  file.metadata.set_u32("llama.context_length", 256);
  file.metadata.set_strings("tokenizer.ggml.tokens", std::vector<std::string>(20, "a\"\xff"));
  std::byte* bytes = file.own_buffer(34 + 128);
  file.add_tensor("a", {.dtype = DType::kQ8_0, .shape = {1, 32}, .data = bytes});
  file.add_tensor("b", {.dtype = DType::kF32, .shape = {32}, .data = bytes + 34});
  return file;
}

TEST(ModelSummary, CountsParametersAndBits) {
  const ModelSummary summary = summarize(small_file());
  EXPECT_EQ(summary.parameters, 64u);
  EXPECT_EQ(summary.tensor_bytes, 34u + 128u);
  EXPECT_DOUBLE_EQ(summary.bits_per_weight(), 8.0 * 162 / 64);
  EXPECT_EQ(summary.bytes_by_type.at("Q8_0"), 34u);
  EXPECT_EQ(summary.bytes_by_type.at("F32"), 128u);
  EXPECT_EQ(summary.context_length, 256u);
  EXPECT_EQ(summary.vocabulary, 20u);
}

TEST(ModelSummary, LeavesOutWhatAFileDoesNotSay) {
  const ModelSummary summary = summarize(WeightFile());
  EXPECT_EQ(summary.bits_per_weight(), 0);
  EXPECT_FALSE(summary.context_length);
  JsonObject document;
  summary.add_to(document);
  EXPECT_EQ(
      write_json(document),
      R"({"architecture":null,"name":null,"parameters":0,"bytes":0,"bits_per_weight":0.0,)"
      R"("bytes_by_type":{},"context_length":null,"vocabulary":null,"kv_bytes_per_token":null,)"
      R"("kv_bytes_per_token_by_type":{},)"
      R"("cannot_run":"key \"general.architecture\": required, and absent"})");
}

TEST(ModelSummary, CountsTheMemoryOfAContext) {
  WeightFile file;
  file.metadata.set_string("general.architecture", "llama");
  file.metadata.set_u32("llama.context_length", 1000);
  file.metadata.set_u32("llama.embedding_length", 64);
  file.metadata.set_u32("llama.block_count", 3);
  file.metadata.set_u32("llama.feed_forward_length", 128);
  file.metadata.set_u32("llama.attention.head_count", 4);
  file.metadata.set_u32("llama.attention.head_count_kv", 2);
  file.metadata.set_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  std::byte* bytes = file.own_buffer(256 * 32);
  file.add_tensor("token_embd.weight", {.dtype = DType::kF32, .shape = {32, 64}, .data = bytes});
  const ModelSummary summary = summarize(file);
  EXPECT_EQ(summary.cannot_run, "");
  // Keys and values of 2 heads of 16 in 3 layers, two bytes each.
  EXPECT_EQ(summary.kv_bytes_per_token, 2u * 2 * 16 * 3 * 2);
  EXPECT_EQ(summary.kv_bytes_by_type.at("f32"), 2u * 2 * 16 * 3 * 4);
  // Blocks of 32, so that heads of 16 leave half of each empty.
  EXPECT_EQ(summary.kv_bytes_by_type.at("q4_h"), 2u * 2 * 18 * 3);
}

TEST(ModelSummary, ShowsValuesShortAndEscaped) {
  EXPECT_EQ(short_text({MetaType::kString, std::string("\x1b[31m")}), R"("\x1b[31m")");
  EXPECT_EQ(short_text({MetaType::kF32, static_cast<double>(1e-5f)}), "1e-05");
  EXPECT_LT(short_text({MetaType::kString, std::string(100000, 'x')}).size(), 100u);
  const WeightFile file = small_file();
  const std::string tokens = short_text(*file.metadata.find("tokenizer.ggml.tokens"));
  EXPECT_TRUE(tokens.ends_with("… 20 strings]")) << tokens;
  EXPECT_EQ(tokens.find('\xff'), std::string::npos);
}

TEST(ModelSummary, WritesMetadataAsJson) {
  EXPECT_EQ(write_json(meta_json({MetaType::kBool, true})), "true");
  EXPECT_EQ(write_json(meta_json({MetaType::kF32, 0.5})), "0.5");
  MetaArray small;
  small.element = MetaType::kI32;
  small.integers = {1, static_cast<std::uint64_t>(-2)};
  EXPECT_EQ(write_json(meta_json({MetaType::kArray, small})), "[1,-2]");
  const WeightFile file = small_file();
  EXPECT_EQ(
      write_json(meta_json(*file.metadata.find("tokenizer.ggml.tokens"))),
      "{\"type\":\"string\",\"size\":20,\"first\":[\"a\\\"\xEF\xBF\xBD\",\"a\\\"\xEF\xBF\xBD\","
      "\"a\\\"\xEF\xBF\xBD\",\"a\\\"\xEF\xBF\xBD\"]}");
}

}  // namespace
}  // namespace bantam
