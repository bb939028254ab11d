#include "formats/hf_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numbers>

#include "base/json.h"
#include "base/log.h"
#include "formats/format_samples.h"
#include "formats/gguf_reader.h"
#include "formats/safetensors.h"

namespace bantam {
namespace {

using testing::HasSubstr;

// A llama of two layers, made to measure, whose every number says where it comes from.
class HfFolder : public testing::Test {
 protected:
  static constexpr std::int64_t kWidth = 12, kHeads = 3, kKeyHeads = 1, kHeadWidth = 4, kInner = 8,
                                kVocabulary = 16, kLayers = 2;

  void SetUp() override {
    config_ = JsonObject{{"model_type", "llama"},
                         {"hidden_size", kWidth},
                         {"num_hidden_layers", kLayers},
                         {"num_attention_heads", kHeads},
                         {"num_key_value_heads", kKeyHeads},
                         {"intermediate_size", kInner},
                         {"vocab_size", kVocabulary},
                         {"rms_norm_eps", 1e-5},
                         {"rope_theta", 500000.0},
                         {"max_position_embeddings", 64},
                         {"hidden_act", "silu"},
                         {"eos_token_id", 2},
                         {"bos_token_id", nullptr}};
    add("model.embed_tokens.weight", Shape{kVocabulary, kWidth});
    add("model.norm.weight", Shape{kWidth}, DType::kBF16);
    add("lm_head.weight", Shape{kVocabulary, kWidth});
    for (std::int64_t layer = 0; layer < kLayers; ++layer) add_layer(layer);
  }
  void TearDown() override { set_log_sink({}); }

  void add_layer(std::int64_t layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    add(prefix + "input_layernorm.weight", Shape{kWidth}, DType::kF16);
    add(prefix + "self_attn.q_proj.weight", Shape{kHeads * kHeadWidth, kWidth});
    add(prefix + "self_attn.q_proj.bias", Shape{kHeads * kHeadWidth});
    add(prefix + "self_attn.k_proj.weight", Shape{kKeyHeads * kHeadWidth, kWidth}, DType::kF16);
    add(prefix + "self_attn.v_proj.weight", Shape{kKeyHeads * kHeadWidth, kWidth});
    add(prefix + "self_attn.o_proj.weight", Shape{kWidth, kHeads * kHeadWidth});
    add(prefix + "self_attn.rotary_emb.inv_freq", Shape{kHeadWidth / 2});
    add(prefix + "post_attention_layernorm.weight", Shape{kWidth});
    if (config_.contains("num_local_experts")) return;
    add(prefix + "mlp.gate_proj.weight", Shape{kInner, kWidth});
    add(prefix + "mlp.up_proj.weight", Shape{kInner, kWidth});
    add(prefix + "mlp.down_proj.weight", Shape{kWidth, kInner});
  }

  void add(std::string name, Shape shape, DType dtype = DType::kF32) {
    TensorView view{dtype, shape, nullptr};
    std::byte* data = weights_.own_buffer(view.bytes());
    const std::uint64_t size = dtype_info(dtype).block_bytes;
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
      const float value =
          static_cast<float>(i) + static_cast<float>(weights_.tensors().size()) / 64;
      if (dtype == DType::kF32) {
        std::memcpy(data + i * 4, &value, size);
      } else if (dtype == DType::kF16) {
        const auto half = static_cast<_Float16>(value);
        std::memcpy(data + i * 2, &half, size);
      } else {  // the upper half of a float
        std::memcpy(data + i * 2, reinterpret_cast<const char*>(&value) + 2, size);
      }
    }
    view.data = data;
    weights_.add_tensor(std::move(name), view);
  }

  void write() {
    folder_.put("config.json", write_json(config_));
    const auto written = write_safetensors_folder(folder_.path(), weights_.tensors(), shard_bytes_);
    ASSERT_TRUE(written) << written.error().to_string();
  }

  std::shared_ptr<WeightFile> open() {
    write();
    const auto file = open_weights(folder_.path());
    EXPECT_TRUE(file) << file.error().to_string();
    return file ? *file : nullptr;
  }

  Error refused() {
    const auto file = open_weights(folder_.path());
    EXPECT_FALSE(file);
    if (file) return {};
    EXPECT_LT(file.error().to_string().size(), 1024u);
    EXPECT_THAT(file.error().to_string(), HasSubstr(folder_.path().string()));
    return file.error();
  }
  Error refused_config(std::string_view name, Json value) {
    JsonObject config = config_;
    config[name] = std::move(value);
    folder_.put("config.json", write_json(config));
    return refused();
  }

  const TensorView& source(std::string_view name) { return *weights_.find(name); }

  samples::TemporaryFolder folder_;
  JsonObject config_;
  WeightFile weights_;
  std::uint64_t shard_bytes_ = 1u << 30;
};

TEST_F(HfFolder, SettingsBecomeGgufKeys) {
  const auto file = open();
  ASSERT_TRUE(file);
  const Metadata& m = file->metadata;
  EXPECT_EQ(*m.string("general.architecture"), "llama");
  EXPECT_EQ(*m.integer("llama.block_count", 0, 99), 2u);
  EXPECT_EQ(*m.integer("llama.embedding_length", 0, 99), 12u);
  EXPECT_EQ(*m.integer("llama.feed_forward_length", 0, 99), 8u);
  EXPECT_EQ(*m.integer("llama.context_length", 0, 99), 64u);
  EXPECT_EQ(*m.integer("llama.vocab_size", 0, 99), 16u);
  EXPECT_EQ(*m.integer("llama.attention.head_count", 0, 99), 3u);
  EXPECT_EQ(*m.integer("llama.attention.head_count_kv", 0, 99), 1u);
  EXPECT_EQ(*m.integer("llama.attention.key_length", 0, 99), 4u);
  EXPECT_EQ(*m.integer("llama.attention.value_length", 0, 99), 4u);
  EXPECT_EQ(*m.integer("llama.rope.dimension_count", 0, 99), 4u);
  EXPECT_EQ(*m.number("llama.rope.freq_base", 0, 1e9), 500000.0);
  EXPECT_EQ(*m.number("llama.attention.layer_norm_rms_epsilon", 0, 1), double{1e-5f});
  EXPECT_EQ(*m.integer("tokenizer.ggml.eos_token_id", 0, 99), 2u);
  EXPECT_FALSE(m.contains("tokenizer.ggml.bos_token_id"));
  EXPECT_FALSE(m.contains("llama.expert_count"));
  EXPECT_FALSE(m.contains("llama.attention.sliding_window"));
  EXPECT_EQ(file->find("rope_freqs.weight"), nullptr);
}

TEST_F(HfFolder, WindowsAreTakenWhereTheyHold) {
  config_["model_type"] = "mistral";
  config_["sliding_window"] = 32;
  EXPECT_EQ(*open()->metadata.integer("llama.attention.sliding_window", 0, 99), 32u);
  config_["use_sliding_window"] = false;
  EXPECT_FALSE(open()->metadata.contains("llama.attention.sliding_window"));

  // Qwen 3 has a window only if it says so, and not below the layer max_window_layers.
  config_["model_type"] = "qwen3";
  constexpr std::string_view kKey = "qwen3.attention.sliding_window";
  config_.erase("use_sliding_window");
  EXPECT_FALSE(open()->metadata.contains(kKey));
  config_["use_sliding_window"] = true;
  EXPECT_FALSE(open()->metadata.contains(kKey)) << "28 layers without come first";
  config_["max_window_layers"] = 0;
  EXPECT_EQ(*open()->metadata.integer(kKey, 0, 99), 32u);
  const Error error = refused_config("max_window_layers", 1);
  EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
  EXPECT_THAT(error.where, HasSubstr("/max_window_layers"));
}

TEST_F(HfFolder, TensorsGetGgufNamesAndMostAreViews) {
  const auto file = open();
  ASSERT_TRUE(file);
  // Per layer 12 in the folder, of which inv_freq is dropped.
  EXPECT_EQ(file->tensors().size(), 3u + 2 * 10);
  for (const auto& [from, to] :
       {std::pair{"model.embed_tokens.weight", "token_embd.weight"},
        std::pair{"lm_head.weight", "output.weight"},
        std::pair{"model.layers.1.self_attn.v_proj.weight", "blk.1.attn_v.weight"},
        std::pair{"model.layers.1.self_attn.o_proj.weight", "blk.1.attn_output.weight"},
        std::pair{"model.layers.0.mlp.gate_proj.weight", "blk.0.ffn_gate.weight"},
        std::pair{"model.layers.0.mlp.up_proj.weight", "blk.0.ffn_up.weight"},
        std::pair{"model.layers.1.mlp.down_proj.weight", "blk.1.ffn_down.weight"},
        std::pair{"model.layers.1.post_attention_layernorm.weight", "blk.1.ffn_norm.weight"}}) {
    const TensorView* found = file->find(to);
    ASSERT_NE(found, nullptr) << to;
    EXPECT_EQ(found->shape, source(from).shape);
    EXPECT_EQ(std::memcmp(found->data, source(from).data, found->bytes()), 0) << to;
  }
}

TEST_F(HfFolder, VectorsBecomeF32) {
  const auto file = open();
  ASSERT_TRUE(file);
  for (const char* name : {"output_norm.weight", "blk.0.attn_norm.weight"}) {
    const TensorView* found = file->find(name);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->dtype, DType::kF32);
    EXPECT_EQ(found->shape, Shape({kWidth}));
  }
  float values[kWidth];
  std::memcpy(values, file->find("blk.0.attn_norm.weight")->data, sizeof values);
  EXPECT_EQ(values[5], 5 + 3.0f / 64);  // the fourth tensor
}

TEST_F(HfFolder, QueryAndKeyRowsAreInterleaved) {
  const auto file = open();
  ASSERT_TRUE(file);
  // Within a head of four: half-split rows 0 1 | 2 3 become 0 2 1 3.
  const int order[] = {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11};
  const auto compare = [&](std::string_view to, std::string_view from, std::int64_t rows) {
    const TensorView* found = file->find(to);
    ASSERT_NE(found, nullptr) << to;
    const std::uint64_t size = source(from).bytes() / static_cast<std::uint64_t>(rows);
    for (std::int64_t row = 0; row < rows; ++row)
      EXPECT_EQ(
          std::memcmp(found->data + static_cast<std::uint64_t>(row) * size,
                      source(from).data + static_cast<std::uint64_t>(order[row]) * size, size),
          0)
          << to << " row " << row;
  };
  compare("blk.1.attn_q.weight", "model.layers.1.self_attn.q_proj.weight", 12);
  compare("blk.1.attn_q.bias", "model.layers.1.self_attn.q_proj.bias", 12);
  compare("blk.1.attn_k.weight", "model.layers.1.self_attn.k_proj.weight", 4);
}

TEST_F(HfFolder, ATiedOutputIsLeftOut) {
  config_["tie_word_embeddings"] = true;
  const auto file = open();
  ASSERT_TRUE(file);
  EXPECT_EQ(file->find("output.weight"), nullptr);
}

TEST_F(HfFolder, ShardsBecomeOneFile) {
  const auto whole = open();
  ASSERT_TRUE(whole);
  std::filesystem::remove(folder_ / "model.safetensors");
  shard_bytes_ = 1000;
  const auto file = open();
  ASSERT_TRUE(file);
  ASSERT_TRUE(std::filesystem::exists(folder_ / "model-00003-of-00005.safetensors") ||
              std::filesystem::exists(folder_ / "model.safetensors.index.json"));
  ASSERT_EQ(file->tensors().size(), whole->tensors().size());
  for (const NamedTensor& tensor : whole->tensors()) {
    const TensorView* found = file->find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(std::memcmp(found->data, tensor.view.data, tensor.view.bytes()), 0);
  }
}

TEST_F(HfFolder, BadIndexesAreRefused) {
  shard_bytes_ = 1000;
  write();
  const std::string index = *read_file(folder_ / "model.safetensors.index.json", 1 << 20);
  for (const char* name :
       {"../../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "..\\\\x.safetensors",
        "https://host/x.safetensors", "x.bin", ".safetensors", "a\\u0000.safetensors", ""}) {
    folder_.put("model.safetensors.index.json",
                fmt::format(R"({{"weight_map":{{"model.norm.weight":"{}"}}}})", name));
    EXPECT_THAT(refused().message, HasSubstr("shard name not allowed")) << name;
  }
  folder_.put("model.safetensors.index.json", R"({"weight_map":{"a":3}})");
  EXPECT_THAT(refused().message, HasSubstr("shard name not allowed"));
  folder_.put("model.safetensors.index.json",
              R"({"weight_map":{"a":"b.safetensors","a":"c.safetensors"}})");
  EXPECT_THAT(refused().message, HasSubstr("twice"));
  folder_.put("model.safetensors.index.json", R"({"weight_map":{}})");
  EXPECT_THAT(refused().message, HasSubstr("empty"));
  std::string many = R"({"weight_map":{"t":"t.safetensors")";
  for (int i = 0; i < 2000; ++i) many += fmt::format(R"(,"{0}":"{0}.safetensors")", i);
  folder_.put("model.safetensors.index.json", many + "}}");
  EXPECT_THAT(refused().message, HasSubstr("more than 1024 shards"));

  JsonObject extra = parse_json(index)->as_object();
  const std::string shard(extra["weight_map"].as_object().begin()->value().as_string());
  extra["weight_map"].as_object()["missing.weight"] = shard;
  folder_.put("model.safetensors.index.json", write_json(extra));
  EXPECT_THAT(refused().message, HasSubstr("lacks tensor \"missing.weight\""));
  folder_.put("model.safetensors.index.json", index);
  std::filesystem::remove(folder_ / shard);
  EXPECT_THAT(refused().to_string(), HasSubstr(shard));
}

TEST_F(HfFolder, ExpertsAreStacked) {
  config_["model_type"] = "mixtral";
  config_["num_local_experts"] = 3;
  config_["num_experts_per_tok"] = 2;
  WeightFile dense = std::move(weights_);
  weights_ = WeightFile{};
  add("model.embed_tokens.weight", Shape{kVocabulary, kWidth});
  add("model.norm.weight", Shape{kWidth});
  for (std::int64_t layer = 0; layer < kLayers; ++layer) {
    add_layer(layer);
    const std::string prefix = fmt::format("model.layers.{}.block_sparse_moe.", layer);
    add(prefix + "gate.weight", Shape{3, kWidth});
    for (const int expert : {2, 0, 1}) {
      add(fmt::format("{}experts.{}.w1.weight", prefix, expert), Shape{kInner, kWidth});
      add(fmt::format("{}experts.{}.w2.weight", prefix, expert), Shape{kWidth, kInner});
      add(fmt::format("{}experts.{}.w3.weight", prefix, expert), Shape{kInner, kWidth});
    }
  }
  const auto file = open();
  ASSERT_TRUE(file);
  EXPECT_EQ(*file->metadata.integer("llama.expert_count", 0, 99), 3u);
  EXPECT_EQ(*file->metadata.integer("llama.expert_used_count", 0, 99), 2u);
  const TensorView* down = file->find("blk.1.ffn_down_exps.weight");
  ASSERT_NE(down, nullptr);
  EXPECT_EQ(down->shape, Shape({3, kWidth, kInner}));
  for (int expert = 0; expert < 3; ++expert) {
    const TensorView& from =
        source(fmt::format("model.layers.1.block_sparse_moe.experts.{}.w2.weight", expert));
    EXPECT_EQ(std::memcmp(down->slice(expert, expert + 1).data, from.data, from.bytes()), 0);
  }
  EXPECT_EQ(file->find("blk.0.ffn_gate_exps.weight")->shape, Shape({3, kInner, kWidth}));
  EXPECT_NE(file->find("blk.0.ffn_gate_inp.weight"), nullptr);

  config_["num_local_experts"] = 4;
  folder_.put("config.json", write_json(config_));
  EXPECT_THAT(refused().message, HasSubstr("3 experts"));
}

TEST_F(HfFolder, Llama3ScalingBecomesATensor) {
  config_["head_dim"] = 4;
  config_["rope_scaling"] = JsonObject{{"rope_type", "llama3"},
                                       {"factor", 32.0},
                                       {"low_freq_factor", 1.0},
                                       {"high_freq_factor", 4.0},
                                       {"original_max_position_embeddings", 8192}};
  const auto file = open();
  ASSERT_TRUE(file);
  const TensorView* factors = file->find("rope_freqs.weight");
  ASSERT_NE(factors, nullptr);
  EXPECT_EQ(factors->shape, Shape({2}));
  float found[2];
  std::memcpy(found, factors->data, sizeof found);
  EXPECT_EQ(found[0], 1.0f);  // a wave of 6.28 positions
  // 500000^(1/2) · 2π = 4443 positions, 1.84 turns in 8192: between 1 and 4.
  const double smooth = (8192 / (2 * std::numbers::pi * std::sqrt(500000.0)) - 1) / 3;
  EXPECT_FLOAT_EQ(found[1], static_cast<float>(1 / ((1 - smooth) / 32 + smooth)));
  EXPECT_FALSE(file->metadata.contains("llama.rope.scaling.type"));
}

TEST_F(HfFolder, OtherScalingBecomesKeys) {
  config_["rope_scaling"] = JsonObject{{"type", "linear"}, {"factor", 2}};
  auto file = open();
  ASSERT_TRUE(file);
  EXPECT_EQ(*file->metadata.string("llama.rope.scaling.type"), "linear");
  EXPECT_EQ(*file->metadata.number("llama.rope.scaling.factor", 0, 9), 2.0);
  config_.erase("rope_scaling");
  config_.erase("rope_theta");
  config_["rope_parameters"] = JsonObject{{"rope_type", "yarn"},
                                          {"rope_theta", 1e6},
                                          {"factor", 4},
                                          {"original_max_position_embeddings", 4096}};
  file = open();
  ASSERT_TRUE(file);
  EXPECT_EQ(*file->metadata.string("llama.rope.scaling.type"), "yarn");
  EXPECT_EQ(*file->metadata.number("llama.rope.freq_base", 0, 1e9), 1e6);
  EXPECT_EQ(*file->metadata.integer("llama.rope.scaling.original_context_length", 0, 9999), 4096u);
  EXPECT_THAT(refused_config("rope_parameters", JsonObject{{"rope_type", "longrope"}}).hint,
              HasSubstr("llama3"));
  EXPECT_THAT(
      refused_config("rope_parameters", JsonObject{{"rope_type", "default"}, {"twist", 1}}).message,
      HasSubstr("\"twist\""));
}

TEST_F(HfFolder, BadSettingsNameTheField) {
  write();
  const std::tuple<const char*, Json, const char*> cases[] = {
      {"hidden_size", "12", "expected integer, found string"},
      {"hidden_size", JsonArray{}, "found array"},
      {"hidden_size", nullptr, "required"},
      {"hidden_size", std::int64_t{1} << 31, "from 1 to"},
      {"hidden_size", 0, "from 1 to"},
      {"hidden_size", 13, "13 rows"},
      {"num_hidden_layers", 0, "from 1 to"},
      {"num_attention_heads", 5, "does not divide"},
      {"num_key_value_heads", 2, "does not divide 3 heads"},
      {"num_key_value_heads", 6, "from 1 to 3"},
      {"head_dim", 3, "odd"},
      {"head_dim", 8, "config.json says 3 heads of 8"},
      {"rms_norm_eps", 0, "from"},
      {"rope_theta", -1, "from"},
      {"hidden_act", "gelu", "silu"},
      {"partial_rotary_factor", 0.5, "from 1 to 1"},
      {"tie_word_embeddings", 1, "expected boolean"},
      {"eos_token_id", "2", "expected integer"},
      {"eos_token_id", JsonArray{1, "x"}, "expected integer"},
      {"rope_scaling", 3, "expected object"},
      {"quantization_config", JsonObject{{"bits", 4}}, "quantized"}};
  for (const auto& [name, value, expected] : cases) {
    const Error error = refused_config(name, value);
    EXPECT_EQ(error.code, "config_invalid") << name;
    if (std::string_view(expected).find("rows") == std::string_view::npos &&
        std::string_view(expected).find("config.json says") == std::string_view::npos &&
        std::string_view(expected).find("does not divide") == std::string_view::npos)
      EXPECT_THAT(error.where, HasSubstr(std::string("config.json: /") + name)) << name;
  }
  folder_.put("config.json", R"({"model_type":"llama","hidden_size":1e400})");
  EXPECT_THAT(refused().message, HasSubstr("out of the range"));
  folder_.put("config.json", "[1]");
  EXPECT_THAT(refused().message, HasSubstr("expected object"));
  folder_.put("config.json", std::string(2u << 20, ' '));
  EXPECT_EQ(refused().code, "file_too_large");
}

TEST_F(HfFolder, UnknownModelTypesNameTheKnown) {
  write();
  const Error error = refused_config("model_type", "mistrall");
  EXPECT_EQ(error.code, "model_type_unsupported");
  EXPECT_THAT(error.message, HasSubstr("Did you mean mistral or"));
  EXPECT_THAT(error.hint, HasSubstr("mixtral"));
  EXPECT_EQ(refused_config("model_type", Json(std::string(100000, '/').c_str())).code,
            "model_type_unsupported");
}

TEST_F(HfFolder, PicklesAreRefused) {
  folder_.put("config.json", write_json(config_));
  EXPECT_EQ(refused().code, "file_not_found");
  folder_.put("pytorch_model.bin", "\x80\x02}q");
  const Error error = refused();
  EXPECT_EQ(error.code, "pickle_unsupported");
  EXPECT_THAT(error.hint, HasSubstr("safetensors"));
  EXPECT_EQ(open_weights(folder_ / "pytorch_model.bin").error().code, "pickle_unsupported");
}

TEST_F(HfFolder, CodeInSettingsIsNeverFollowedAndIsMentioned) {
  std::string log;
  set_log_sink([&](LogLevel, std::string_view message) { log += message; });
  config_["auto_map"] = JsonObject{{"AutoModel", "evil--code"}};
  config_["trust_remote_code"] = true;
  config_["torch_dtype"] = "float16";
  add("model.layers.0.self_attn.surprise.weight", Shape{4});
  const auto file = open();
  ASSERT_TRUE(file);
  EXPECT_THAT(log, HasSubstr("\"auto_map\""));
  EXPECT_THAT(log, HasSubstr("\"trust_remote_code\""));
  EXPECT_THAT(log, Not(HasSubstr("torch_dtype")));
  EXPECT_THAT(log, HasSubstr("surprise"));
}

TEST_F(HfFolder, TokenizerFilesComeRawAndTemplatesReady) {
  folder_.put("tokenizer.json", "{\"model\":{}}");
  folder_.put("tokenizer.model", "binary");
  folder_.put("tokenizer_config.json", R"({"chat_template":"old"})");
  folder_.put("generation_config.json",
              R"({"eos_token_id":[5,7],"temperature":0.7,"top_k":20,"do_sample":true})");
  auto file = open();
  ASSERT_TRUE(file);
  EXPECT_EQ(*file->metadata.string("bantam.tokenizer_json"), "{\"model\":{}}");
  EXPECT_FALSE(file->metadata.contains("bantam.tokenizer_model"));
  EXPECT_EQ(*file->metadata.string("tokenizer.chat_template"), "old");
  EXPECT_EQ(*file->metadata.integer("tokenizer.ggml.eos_token_id", 0, 9), 5u);
  EXPECT_THAT(**file->metadata.integers("tokenizer.ggml.eos_token_ids"),
              testing::ElementsAre(5, 7));
  EXPECT_EQ(*file->metadata.number("general.sampling.temp", 0, 1), double{0.7f});
  EXPECT_EQ(*file->metadata.integer("general.sampling.top_k", 0, 99), 20u);

  std::filesystem::remove(folder_ / "tokenizer.json");
  folder_.put(
      "tokenizer_config.json",
      R"({"chat_template":[{"name":"tool_use","template":"T"},{"name":"default","template":"D"}]})");
  file = open();
  ASSERT_TRUE(file);
  EXPECT_EQ(*file->metadata.string("bantam.tokenizer_model"), "binary");
  EXPECT_EQ(*file->metadata.string("tokenizer.chat_template"), "D");
  EXPECT_EQ(*file->metadata.string("tokenizer.chat_template.tool_use"), "T");
  EXPECT_THAT(**file->metadata.strings("tokenizer.chat_templates"),
              testing::ElementsAre("tool_use"));

  folder_.put("chat_template.json", R"({"chat_template":"newer"})");
  EXPECT_EQ(*open()->metadata.string("tokenizer.chat_template"), "newer");
  folder_.put("chat_template.jinja", "newest");
  EXPECT_EQ(*open()->metadata.string("tokenizer.chat_template"), "newest");
}

TEST_F(HfFolder, BadTemplatesAreRefused) {
  write();
  for (const char* text :
       {R"({"chat_template":3})", R"({"chat_template":[3]})", R"({"chat_template":[{"name":"a"}]})",
        R"({"chat_template":[{"name":"a","template":"x"},{"name":"a","template":"y"}]})",
        R"({"chat_template":[{"name":"a/b","template":"x"}]})", "{"}) {
    folder_.put("tokenizer_config.json", text);
    EXPECT_EQ(refused().code, "config_invalid") << text;
  }
  folder_.put("tokenizer_config.json",
              fmt::format(R"({{"chat_template":"{}"}})", std::string((1u << 20) + 1, 'x')));
  EXPECT_THAT(refused().message, HasSubstr("limit"));
}

TEST_F(HfFolder, OneFileBesideItsConfigurationIsAModel) {
  write();
  const auto file = open_weights(folder_ / "model.safetensors");
  ASSERT_TRUE(file) << file.error().to_string();
  EXPECT_NE((*file)->find("token_embd.weight"), nullptr);
  EXPECT_EQ(open_weights(folder_ / "none.safetensors").error().code, "file_not_found");
  EXPECT_EQ(open_weights(folder_ / "none").error().code, "file_not_found");
}

TEST(HfSeedModel, IsRead) {
  const auto path = std::filesystem::path(BANTAM_SHARED_DATA) / "weights/seed-model";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs shared data: " << path;
  const auto file = open_weights(path);
  ASSERT_TRUE(file) << file.error().to_string();
  const Metadata& m = (*file)->metadata;
  EXPECT_EQ((*file)->tensors().size(), 2u + 5 * 9);
  EXPECT_EQ(*m.integer("llama.attention.head_count_kv", 0, 9), 2u);
  EXPECT_EQ(*m.integer("llama.attention.key_length", 0, 99), 64u);
  EXPECT_THAT(*m.string("tokenizer.chat_template"), HasSubstr("<|im_start|>"));
  EXPECT_GT(m.string("bantam.tokenizer_json")->size(), 10'000u);
  EXPECT_EQ((*file)->find("token_embd.weight")->dtype, DType::kF16);
  EXPECT_EQ((*file)->find("token_embd.weight")->shape, Shape({2048, 256}));
  EXPECT_EQ((*file)->find("output_norm.weight")->dtype, DType::kF32);
  EXPECT_EQ((*file)->find("output.weight"), nullptr);
}

}  // namespace
}  // namespace bantam
