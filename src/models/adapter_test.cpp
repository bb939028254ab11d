#include "models/adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>

#include "base/json.h"
#include "base/random.h"
#include "codec/codec.h"
#include "formats/gguf_writer.h"
#include "formats/safetensors.h"
#include "nn/cpu_ops.h"
#include "support/random_model.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class Adapters : public testing::Test {
 protected:
  Adapters() { fs::create_directories(folder_); }
  ~Adapters() override { fs::remove_all(folder_); }

  static std::shared_ptr<const Decoder> base(const support::RandomModelSpec& spec = {}) {
    return load_decoder(support::make_random_model(spec)).value();
  }

  // The logits of all positions of a short text.
  std::vector<float> logits(const Decoder& decoder) {
    const std::vector<std::int32_t> tokens{5, 17, 200, 3, 99}, rows{0, 1, 2, 3, 4};
    const std::vector<std::int64_t> positions{0, 1, 2, 3, 4};
    std::vector<KvLayerShape> shapes;
    for (const LayerSpec& layer : decoder.spec().layers)
      shapes.push_back(
          {layer.attention.kv_heads, layer.attention.key_width, layer.attention.value_width});
    const KvLayout layout(shapes, KvType{});
    WeightFile memory;
    KvSequence kv(layout);
    kv.append_block(memory.own_buffer(layout.block_bytes()));
    const SequenceRows sequence{.first_row = 0, .count = 5, .first_position = 0, .kv = &kv};
    arena_.reset();
    CpuOps ops(*choose_kernels("").value(), pool_, arena_);
    const FloatTensor out = decoder.forward(
        ops, {.tokens = tokens, .positions = positions, .sequences = {&sequence, 1}}, rows);
    return {out.data, out.data + out.shape.elements()};
  }

  static TensorView floats(WeightFile& file, const Shape& shape, std::uint64_t seed,
                           double deviation) {
    Random random(seed);
    auto* data = reinterpret_cast<float*>(
        file.own_buffer(static_cast<std::size_t>(shape.elements()) * sizeof(float)));
    for (std::int64_t i = 0; i < shape.elements(); ++i)
      data[i] = static_cast<float>(deviation * random.next_normal());
    return {DType::kF32, shape, reinterpret_cast<const std::byte*>(data)};
  }

  // A GGUF adapter of rank 4 for some layers of the base; `change` may spoil it.
  fs::path write(const Decoder& base, const std::function<void(WeightFile&)>& change = {},
                 double b_deviation = 0.1) {
    WeightFile file;
    file.metadata.set_string("general.type", "adapter");
    file.metadata.set_string("general.architecture",
                             base.file()->metadata.string("general.architecture").value());
    file.metadata.set_string("adapter.type", "lora");
    file.metadata.set_f32("adapter.lora.alpha", 6);
    std::uint64_t seed = 0;
    DecoderWeights weights = base.weights();
    for_each_linear(weights, [&](const std::string& name, std::int64_t expert, Linear& layer) {
      if (expert > 0 || name.starts_with("output") || name.contains("attn_v")) return;
      const std::int64_t out = layer.weight.shape[0], in = layer.weight.shape[1];
      const std::int64_t stack = base.spec().layers[0].experts;
      const Shape a = expert < 0 ? Shape{4, in} : Shape{stack, 4, in};
      const Shape b = expert < 0 ? Shape{out, 4} : Shape{stack, out, 4};
      file.add_tensor(name + ".lora_a", floats(file, a, seed++, 0.1));
      file.add_tensor(name + ".lora_b", floats(file, b, seed++, b_deviation));
    });
    if (change) change(file);
    EXPECT_TRUE(write_gguf(folder_ / "adapter.gguf", file));
    return folder_ / "adapter.gguf";
  }

  static Error refused(const std::shared_ptr<const Decoder>& base, const fs::path& path) {
    const auto attached = attach_adapter(base, path);
    EXPECT_FALSE(attached);
    if (attached) return {};
    EXPECT_THAT(attached.error().where, HasSubstr(path.string()));
    EXPECT_LT(attached.error().to_string().size(), 1024u);
    return attached.error();
  }

  const fs::path folder_ =
      fs::temp_directory_path() / fmt::format("bantam-adapter-test-{}", ::getpid());
  ThreadPool pool_{1};
  Arena arena_;
};

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
  return largest;
}

// The base with alpha / r · B A added to its weights, which are F32.
std::shared_ptr<const Decoder> merged(const Decoder& adapted) {
  auto file = std::make_shared<WeightFile>();
  file->metadata = adapted.file()->metadata;
  std::map<std::string, std::vector<Linear>> layers;
  DecoderWeights weights = adapted.weights();
  for_each_linear(weights, [&](const std::string& name, std::int64_t, Linear& layer) {
    layers[name].push_back(layer);
  });
  for (const NamedTensor& tensor : adapted.file()->tensors()) {
    auto* data = reinterpret_cast<float*>(file->own_buffer(tensor.view.bytes()));
    std::memcpy(data, tensor.view.data, tensor.view.bytes());
    file->add_tensor(tensor.name,
                     {DType::kF32, tensor.view.shape, reinterpret_cast<const std::byte*>(data)});
    for (const Linear& layer : layers[tensor.name]) {
      const LowRank& low = layer.low_rank;
      for (std::int64_t n = 0; n < layer.weight.shape[0]; ++n) {
        for (std::int64_t k = 0; k < layer.weight.shape[1]; ++k, ++data) {
          double sum = 0;
          for (std::int64_t r = 0; low.present() && r < low.a.shape[0]; ++r)
            sum += double{reinterpret_cast<const float*>(low.b.row(n))[r]} *
                   double{reinterpret_cast<const float*>(low.a.row(r))[k]};
          double value = double{*data} + double{low.scale} * sum;
          if (low.gain.data != nullptr)
            value *= double{reinterpret_cast<const float*>(low.gain.data)[n]};
          *data = static_cast<float>(value);
        }
      }
    }
  }
  return load_decoder(file).value();
}

TEST_F(Adapters, AddTheirProductToTheWeights) {
  for (const std::int64_t experts : {0, 4}) {
    const auto plain = base({.experts = experts});
    const auto adapted = attach_adapter(plain, write(*plain));
    ASSERT_TRUE(adapted) << adapted.error().to_string();
    EXPECT_FLOAT_EQ((*adapted)->weights().layers[0].query.low_rank.scale, 1.5F);
    const std::vector<float> apart = logits(**adapted);
    EXPECT_LT(largest_difference(apart, logits(*merged(**adapted))), 1e-3);
    EXPECT_GT(largest_difference(apart, logits(*plain)), 0.1);
  }
}

TEST_F(Adapters, OfZeroChangeNoBit) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
    const auto plain = base({.dtype = type});
    const auto adapted = attach_adapter(plain, write(*plain, {}, 0));
    ASSERT_TRUE(adapted) << adapted.error().to_string();
    EXPECT_EQ(logits(**adapted), logits(*plain));
  }
}

TEST_F(Adapters, OutliveTheirBase) {
  auto plain = base();
  const std::vector<float> before = logits(**attach_adapter(plain, write(*plain)));
  const std::shared_ptr<const Decoder> adapted =
      attach_adapter(std::move(plain), folder_ / "adapter.gguf").value();
  plain.reset();
  EXPECT_EQ(logits(*adapted), before);
}

TEST_F(Adapters, AlphaOfZeroMeansScaleOne) {
  const auto plain = base();
  const auto path =
      write(*plain, [](WeightFile& file) { file.metadata.set_f32("adapter.lora.alpha", 0); });
  EXPECT_EQ(attach_adapter(plain, path).value()->weights().layers[1].down.low_rank.scale, 1.0F);
}

TEST_F(Adapters, OfAnotherBaseAreRefusedByDigestAndByShape) {
  const auto plain = base(), other = base({.seed = 2}), wider = base({.ffn_width = 192});
  const std::string digest = weights_digest(*plain->file());
  const auto path = write(
      *plain, [&](WeightFile& file) { file.metadata.set_string("bantam.base.digest", digest); });
  EXPECT_TRUE(attach_adapter(plain, path));
  const Error error = refused(other, path);
  EXPECT_EQ(error.code, "adapter_base");
  EXPECT_THAT(error.message, AllOf(HasSubstr(digest), HasSubstr(weights_digest(*other->file()))));
  EXPECT_TRUE(attach_adapter(other, path, AdapterBase::kAny));

  const Error shape = refused(wider, write(*plain));
  EXPECT_EQ(shape.code, "adapter_base");
  EXPECT_THAT(shape.message,
              AllOf(HasSubstr("(192, 64)"), HasSubstr("(160, 64)"), HasSubstr("ffn_gate.weight")));
  EXPECT_EQ(refused(base({.architecture = "qwen3"}), write(*plain)).code, "adapter_base");
  EXPECT_EQ(refused(base({.layers = 1}), write(*plain)).code, "adapter_base");
  EXPECT_EQ(refused(base({.experts = 2}), write(*base({.experts = 4}))).code, "adapter_base");
}

TEST_F(Adapters, DigestTellsNamesShapesAndBytesApart) {
  const auto digest = [](const support::RandomModelSpec& spec) {
    return weights_digest(*support::make_random_model(spec));
  };
  const std::string one = digest({});
  EXPECT_EQ(one.size(), 64u);
  EXPECT_EQ(one, digest({}));
  EXPECT_NE(one, digest({.seed = 2}));
  EXPECT_NE(one, digest({.biases = true}));
  EXPECT_NE(one, digest({.dtype = DType::kF16}));
  // Each tensor's last bytes count as its first do.
  WeightFile file;
  const Shape shape{3, 1000};
  std::byte* data = file.own_buffer(TensorView{DType::kF32, shape, nullptr}.bytes());
  file.add_tensor("x", {DType::kF32, shape, data});
  const std::string before = weights_digest(file);
  data[11'999] = std::byte{1};
  EXPECT_NE(weights_digest(file), before);
}

TEST_F(Adapters, BadGgufFilesAreRefused) {
  const auto plain = base();
  const auto code = [&](const std::function<void(WeightFile&)>& change) {
    return refused(plain, write(*plain, change)).code;
  };
  const auto text = [](const char* key, const char* value) {
    return [=](WeightFile& file) { file.metadata.set_string(key, value); };
  };
  EXPECT_EQ(code(text("general.type", "model")), "adapter_invalid");
  EXPECT_EQ(code(text("adapter.type", "control")), "adapter_unsupported");
  EXPECT_EQ(code(text("adapter.alora.invocation_tokens", "x")), "adapter_unsupported");
  EXPECT_EQ(code(text("adapter.lora.alpha", "x")), "wrong_type");
  EXPECT_EQ(code([](WeightFile& f) { f.metadata.set_f32("adapter.lora.alpha", -1); }),
            "out_of_range");
  EXPECT_EQ(code([](WeightFile& f) { f.metadata.erase("adapter.lora.alpha"); }), "missing_key");
  const auto extra = [&](const char* name, const Shape& shape) {
    return [=](WeightFile& file) { file.add_tensor(name, floats(file, shape, 9, 1)); };
  };
  EXPECT_EQ(code(extra("blk.0.attn_v.weight", {64, 4})), "adapter_unsupported");
  EXPECT_EQ(code(extra("token_embd.weight.lora_a", {320, 4})), "adapter_unsupported");
  EXPECT_EQ(code(extra("blk.0.attn_v.weight.lora_a", {4, 64})), "adapter_invalid");
  EXPECT_EQ(code(extra("blk.0.attn_v.weight.lora_b", {32, 4})), "adapter_invalid");
  EXPECT_EQ(code([&](WeightFile& file) {
              extra("blk.0.attn_v.weight.lora_a", {4, 64})(file);
              extra("blk.0.attn_v.weight.lora_b", {32, 3})(file);
            }),
            "adapter_invalid");
  EXPECT_EQ(code([&](WeightFile& file) {
              extra("blk.0.attn_v.weight.lora_a", {2, 4, 64})(file);
              extra("blk.0.attn_v.weight.lora_b", {2, 32, 4})(file);
            }),
            "adapter_base");
  EXPECT_EQ(refused(plain, folder_ / "none.gguf").code, "file_not_found");
  EXPECT_TRUE(write_gguf(folder_ / "model.gguf", *plain->file()));
  EXPECT_EQ(refused(plain, folder_ / "model.gguf").code, "adapter_invalid");
}

// ---- PEFT --------------------------------------------------------------------------------------

class PeftAdapters : public Adapters {
 protected:
  // What PEFT writes for queries and the down projection of layer 1, rank 3, alpha 6.
  fs::path write_peft(const JsonObject& changes = {},
                      const std::function<void(WeightFile&)>& change = {}) {
    WeightFile file;
    const std::string query = "base_model.model.model.layers.1.self_attn.q_proj.";
    const std::string down = "base_model.model.model.layers.1.mlp.down_proj.";
    file.add_tensor(query + "lora_A.weight", floats(file, {3, 64}, 1, 0.1));
    file.add_tensor(query + "lora_B.weight", floats(file, {64, 3}, 2, 0.1));
    file.add_tensor(down + "lora_A.weight", floats(file, {3, 160}, 3, 0.1));
    file.add_tensor(down + "lora_B.weight", floats(file, {64, 3}, 4, 0.1));
    if (change) change(file);
    JsonObject config{{"peft_type", "LORA"},
                      {"r", 3},
                      {"lora_alpha", 6},
                      {"target_modules", {"q_proj", "down_proj"}},
                      {"bias", "none"},
                      {"use_dora", false},
                      {"modules_to_save", nullptr}};
    for (const auto& member : changes) config[member.key()] = member.value();
    fs::create_directories(folder_ / "peft");
    EXPECT_TRUE(write_safetensors(folder_ / "peft/adapter_model.safetensors", file.tensors()));
    EXPECT_TRUE(write_file(folder_ / "peft/adapter_config.json", write_json(config)));
    return folder_ / "peft";
  }
};

std::vector<float> values_of(const TensorView& view) {
  std::vector<float> values(static_cast<std::size_t>(view.shape.elements()));
  std::memcpy(values.data(), view.data, view.bytes());
  return values;
}

TEST_F(PeftAdapters, GoToTheLayersOfTheFamilyInItsOrderOfRows) {
  for (const char* architecture : {"llama", "qwen3"}) {
    const auto plain = base({.architecture = architecture});
    const auto adapted = attach_adapter(plain, write_peft());
    ASSERT_TRUE(adapted) << adapted.error().to_string();
    const LayerWeights& layer = (*adapted)->weights().layers[1];
    EXPECT_FALSE((*adapted)->weights().layers[0].query.low_rank.present());
    EXPECT_FALSE(layer.up.low_rank.present());
    EXPECT_EQ(layer.query.low_rank.scale, 2.0F);
    WeightFile memory;
    const std::vector<float> b = values_of(layer.query.low_rank.b);
    std::vector<float> wanted = values_of(floats(memory, {64, 3}, 2, 0.1));
    if (std::string_view(architecture) == "llama") {
      // Pairs that lie half a head of 16 apart come to lie side by side.
      const std::vector<float> halves = wanted;
      for (std::size_t head = 0; head < 4; ++head)
        for (std::size_t pair = 0; pair < 8; ++pair)
          for (std::size_t side = 0; side < 2; ++side)
            std::copy_n(halves.data() + (head * 16 + side * 8 + pair) * 3, 3,
                        wanted.data() + (head * 16 + pair * 2 + side) * 3);
    }
    EXPECT_EQ(b, wanted);
    EXPECT_EQ(values_of(layer.down.low_rank.b), values_of(floats(memory, {64, 3}, 4, 0.1)));
  }
}

TEST_F(PeftAdapters, HaveScalesByModuleAndRankStabilizedOnes) {
  const auto plain = base();
  const auto scales = [&](const JsonObject& changes) {
    const auto adapted = attach_adapter(plain, write_peft(changes)).value();
    const LayerWeights& layer = adapted->weights().layers[1];
    return std::pair{layer.query.low_rank.scale, layer.down.low_rank.scale};
  };
  const auto root = static_cast<float>(6 / std::sqrt(3.0));
  EXPECT_EQ(scales({{"use_rslora", true}}), std::pair(root, root));
  EXPECT_EQ(scales({{"alpha_pattern", {{"q_proj", 12}}}}), std::pair(4.0F, 2.0F));
  EXPECT_EQ(scales({{"alpha_pattern", {{"roj", 12}, {"mlp.down_proj", 3}}}}),
            std::pair(2.0F, 1.0F));
  EXPECT_EQ(scales({{"r", 8},
                    {"rank_pattern", {{"^model.layers.1.self_attn.q_proj", 3}, {"down_proj", 3}}}}),
            std::pair(2.0F, 2.0F));
}

TEST_F(PeftAdapters, WithMagnitudesGiveRowsTheirLengths) {
  const auto plain = base();
  const auto path = write_peft({{"use_dora", true}}, [](WeightFile& file) {
    for (const char* module : {"self_attn.q_proj", "mlp.down_proj"}) {
      const TensorView lengths = floats(file, {64}, 7, 0.5);
      file.add_tensor(
          fmt::format("base_model.model.model.layers.1.{}.lora_magnitude_vector", module), lengths);
    }
  });
  const auto adapted = attach_adapter(plain, path);
  ASSERT_TRUE(adapted) << adapted.error().to_string();
  const auto whole = merged(**adapted);
  WeightFile memory;
  const std::vector<float> lengths = values_of(floats(memory, {64}, 7, 0.5));
  const std::vector<float> down = values_of(whole->weights().layers[1].down.weight);
  for (std::size_t n = 0; n < 64; ++n) {
    double squares = 0;
    for (std::size_t k = 0; k < 160; ++k)
      squares += double{down[n * 160 + k]} * double{down[n * 160 + k]};
    EXPECT_NEAR(std::sqrt(squares), std::abs(lengths[n]), 1e-5);
  }
  EXPECT_LT(largest_difference(logits(**adapted), logits(*whole)), 1e-3);
}

TEST_F(PeftAdapters, WithWhatWouldChangeTheResultAreRefusedByName) {
  const auto plain = base();
  const auto expect = [&](const char* name, const Json& value, const char* code) {
    const Error error = refused(plain, write_peft({{name, value}}));
    EXPECT_EQ(error.code, code) << name;
    EXPECT_THAT(error.to_string(), HasSubstr(name));
  };
  expect("peft_type", "IA3", "adapter_unsupported");
  expect("bias", "all", "adapter_unsupported");
  expect("fan_in_fan_out", true, "adapter_unsupported");
  expect("modules_to_save", JsonArray{"lm_head"}, "adapter_unsupported");
  expect("init_lora_weights", "pissa_niter_4", "adapter_unsupported");
  expect("alpha_pattern", JsonObject{{"q_.*", 3}}, "adapter_unsupported");
  expect("use_qalora", true, "adapter_unsupported");
  expect("use_dora", true, "adapter_invalid");
  expect("r", "three", "adapter_invalid");
  EXPECT_EQ(refused(plain, write_peft({{"r", 4}})).code, "adapter_invalid");
  EXPECT_TRUE(attach_adapter(plain, write_peft({{"init_lora_weights", true}})));

  const auto with = [&](const char* name, const Shape& shape) {
    return refused(plain, write_peft({},
                                     [&](WeightFile& file) {
                                       file.add_tensor(name, floats(file, shape, 9, 1));
                                     }))
        .code;
  };
  const std::string other = "base_model.model.model.layers.1.self_attn.";
  EXPECT_EQ(with("base_model.model.lm_head.weight", {320, 64}), "adapter_unsupported");
  EXPECT_EQ(with((other + "c_attn.lora_A.weight").c_str(), {3, 64}), "adapter_base");
  EXPECT_EQ(with((other + "k_proj.lora_A.weight").c_str(), {3, 64}), "adapter_invalid");
  EXPECT_EQ(refused(base({.heads = 8, .head_width = 16}), write_peft()).code, "adapter_base");
  fs::remove(folder_ / "peft/adapter_config.json");
  EXPECT_EQ(refused(plain, folder_ / "peft").code, "file_not_found");
}

// ---- Saving ------------------------------------------------------------------------------------

TEST_F(Adapters, SavedInEitherFormGiveTheSameBits) {
  for (const char* architecture : {"llama", "qwen3"}) {
    for (const std::int64_t experts : {0, 4}) {
      if (experts > 0 && std::string_view(architecture) == "qwen3") continue;
      const auto plain = base({.architecture = architecture, .experts = experts});
      const auto adapted = attach_adapter(plain, write(*plain)).value();
      const std::vector<float> wanted = logits(*adapted);
      for (const AdapterFormat format : {AdapterFormat::kGguf, AdapterFormat::kPeft}) {
        const fs::path path = folder_ / (format == AdapterFormat::kGguf ? "out.gguf" : "out");
        const auto saved = save_adapter(path, *adapted, format, DType::kF32);
        ASSERT_TRUE(saved) << saved.error().to_string();
        const auto again = attach_adapter(plain, path);
        ASSERT_TRUE(again) << again.error().to_string();
        EXPECT_EQ(logits(**again), wanted);
        EXPECT_EQ(
            refused(base({.architecture = architecture, .experts = experts, .seed = 5}), path).code,
            "adapter_base");
        ASSERT_TRUE(save_adapter(path, **again, format, DType::kF16));
        EXPECT_LT(largest_difference(logits(*attach_adapter(plain, path).value()), wanted), 0.02);
      }
    }
  }
}

TEST_F(PeftAdapters, WithScalesByModuleAreSavedInEitherForm) {
  const auto plain = base();
  const auto adapted =
      attach_adapter(plain, write_peft({{"alpha_pattern", {{"q_proj", 5}}}, {"use_rslora", true}}))
          .value();
  const std::vector<float> wanted = logits(*adapted);
  ASSERT_TRUE(save_adapter(folder_ / "out", *adapted, AdapterFormat::kPeft, DType::kF32));
  EXPECT_EQ(logits(*attach_adapter(plain, folder_ / "out").value()), wanted);
  ASSERT_TRUE(save_adapter(folder_ / "out.gguf", *adapted, AdapterFormat::kGguf, DType::kF32));
  EXPECT_LT(
      largest_difference(logits(*attach_adapter(plain, folder_ / "out.gguf").value()), wanted),
      1e-4);
}

TEST_F(Adapters, ThatAFileCannotHoldAreNotWritten) {
  const auto plain = base();
  const fs::path path = folder_ / "out.gguf";
  EXPECT_EQ(save_adapter(path, *plain, AdapterFormat::kGguf, DType::kF32).error().code,
            "nothing_adapted");
  const auto adapted = attach_adapter(plain, write(*plain)).value();
  EXPECT_EQ(save_adapter(path, *adapted, AdapterFormat::kGguf, DType::kQ8_0).error().code,
            "adapter_cannot_hold");
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace bantam
