#include "models/shapes.h"

#include <algorithm>
#include <vector>

#include "base/nearest.h"
#include "models/registry.h"
#include "models/weights.h"

namespace bantam {
namespace {

// Sources: config.json of each model; the parameters are what its page says. The last one is what
// `bantam pretrain` makes unless told otherwise: small, and every row a multiple of 256, so that it
// can be stored in any type. "st" is rope_stretch, "win" the window; one row a model, to be read as
// a table.
// clang-format off
constexpr ModelShape kShapes[] = {
    //params   L     E   H   K    D      F       V     ctx  tied    base  st   win  X U family
    {1.2358e9, 16, 2048, 32,  8,  64,  8192, 128256, 131072, true,    5e5, 32,    0, 0, 0, "llama", "llama-3.2-1b"},
    {3.2127e9, 28, 3072, 24,  8, 128,  8192, 128256, 131072, true,    5e5, 32,    0, 0, 0, "llama", "llama-3.2-3b"},
    {8.0303e9, 32, 4096, 32,  8, 128, 14336, 128256, 131072, false,   5e5,  8,    0, 0, 0, "llama", "llama-3.1-8b"},
    {70.554e9, 80, 8192, 64,  8, 128, 28672, 128256, 131072, false,   5e5,  8,    0, 0, 0, "llama", "llama-3.3-70b"},
    {6.7385e9, 32, 4096, 32, 32, 128, 11008,  32016,  16384, false,   1e6,  0,    0, 0, 0, "llama", "codellama-7b"},
    {13.016e9, 40, 5120, 40, 40, 128, 13824,  32016,  16384, false,   1e6,  0,    0, 0, 0, "llama", "codellama-13b"},
    {33.744e9, 48, 8192, 64,  8, 128, 22016,  32000,  16384, false,   1e6,  0,    0, 0, 0, "llama", "codellama-34b"},
    {7.2417e9, 32, 4096, 32,  8, 128, 14336,  32000,  32768, false,   1e4,  0, 4096, 0, 0, "llama", "mistral-7b-v0.1"},
    { 7.248e9, 32, 4096, 32,  8, 128, 14336,  32768,  32768, false,   1e6,  0,    0, 0, 0, "llama", "mistral-7b-v0.3"},
    {12.248e9, 40, 5120, 32,  8, 128, 14336, 131072, 131072, false,   1e6,  0,    0, 0, 0, "llama", "mistral-nemo-12b"},
    {46.703e9, 32, 4096, 32,  8, 128, 14336,  32000,  32768, false,   1e6,  0,    0, 8, 2, "llama", "mixtral-8x7b"},
    {   1.1e9, 22, 2048, 32,  4,  64,  5632,  32000,   2048, false,   1e4,  0,    0, 0, 0, "llama", "tinyllama-1.1b"},
    {0.1345e9, 30,  576,  9,  3,  64,  1536,  49152,   8192, true,    1e5,  0,    0, 0, 0, "llama", "smollm2-135m"},
    {0.3618e9, 32,  960, 15,  5,  64,  2560,  49152,   8192, true,    1e5,  0,    0, 0, 0, "llama", "smollm2-360m"},
    {1.7114e9, 24, 2048, 32, 32,  64,  8192,  49152,   8192, true,  1.3e5,  0,    0, 0, 0, "llama", "smollm2-1.7b"},
    {  3.43e9, 26, 3072, 32,  8, 128,  9216, 131072, 262144, true,    1e6,  0,    0, 0, 0, "mistral3", "ministral-3-3b"},
    { 14.66e9, 40, 5120, 40, 10, 128, 17920, 100352,  16384, false, 2.5e5,  0,    0, 0, 0, "phi3", "phi-4-14b"},
    { 3.836e9, 32, 3072, 24,  8, 128,  8192, 200064, 131072, true,    1e4,  0,    0, 0, 0, "phi3", "phi-4-mini"},
    {3.8211e9, 32, 3072, 32, 32,  96,  8192,  32064,   4096, false,   1e4,  0,    0, 0, 0, "phi3", "phi-3-mini"},
    {3.8211e9, 32, 3072, 32, 32,  96,  8192,  32064, 131072, false,   1e4,  0,    0, 0, 0, "phi3", "phi-3.5-mini"},
    {2.6143e9, 26, 2304,  8,  4, 256,  9216, 256000,   8192, true,    1e4,  0, 4096, 0, 0, "gemma2", "gemma-2-2b"},
    {9.2417e9, 42, 3584, 16,  8, 256, 14336, 256000,   8192, true,    1e4,  0, 4096, 0, 0, "gemma2", "gemma-2-9b"},
    {27.227e9, 46, 4608, 32, 16, 128, 36864, 256000,   8192, true,    1e4,  0, 4096, 0, 0, "gemma2", "gemma-2-27b"},
    {0.2681e9, 18,  640,  4,  1, 256,  2048, 262144,  32768, true,    1e6,  0,  512, 0, 0, "gemma3", "gemma-3-270m"},
    {0.9999e9, 26, 1152,  4,  1, 256,  6912, 262144,  32768, true,    1e6,  0,  512, 0, 0, "gemma3", "gemma-3-1b"},
    {3.8803e9, 34, 2560,  8,  4, 256, 10240, 262208, 131072, true,    1e6,  0, 1024, 0, 0, "gemma3", "gemma-3-4b"},
    {11.766e9, 48, 3840, 16,  8, 256, 15360, 262208, 131072, true,    1e6,  0, 1024, 0, 0, "gemma3", "gemma-3-12b"},
    {27.009e9, 62, 5376, 32, 16, 128, 21504, 262208, 131072, true,    1e6,  0, 1024, 0, 0, "gemma3", "gemma-3-27b"},
    {0.4940e9, 24,  896, 14,  2,  64,  4864, 151936,  32768, true,    1e6,  0,    0, 0, 0, "qwen2", "qwen2.5-0.5b"},
    {1.5437e9, 28, 1536, 12,  2, 128,  8960, 151936,  32768, true,    1e6,  0,    0, 0, 0, "qwen2", "qwen2.5-1.5b"},
    {3.0859e9, 36, 2048, 16,  2, 128, 11008, 151936,  32768, true,    1e6,  0,    0, 0, 0, "qwen2", "qwen2.5-3b"},
    {7.6156e9, 28, 3584, 28,  4, 128, 18944, 152064,  32768, false,   1e6,  0,    0, 0, 0, "qwen2", "qwen2.5-7b"},
    { 14.77e9, 48, 5120, 40,  8, 128, 13824, 152064,  32768, false,   1e6,  0,    0, 0, 0, "qwen2", "qwen2.5-14b"},
    {32.764e9, 64, 5120, 40,  8, 128, 27648, 152064,  32768, false,   1e6,  0,    0, 0, 0, "qwen2", "qwen2.5-32b"},
    {72.706e9, 80, 8192, 64,  8, 128, 29568, 152064,  32768, false,   1e6,  0,    0, 0, 0, "qwen2", "qwen2.5-72b"},
    {0.5960e9, 28, 1024, 16,  8, 128,  3072, 151936,  40960, true,    1e6,  0,    0, 0, 0, "qwen3", "qwen3-0.6b"},
    {1.7206e9, 28, 2048, 16,  8, 128,  6144, 151936,  40960, true,    1e6,  0,    0, 0, 0, "qwen3", "qwen3-1.7b"},
    {4.0225e9, 36, 2560, 32,  8, 128,  9728, 151936,  40960, true,    1e6,  0,    0, 0, 0, "qwen3", "qwen3-4b"},
    {8.1907e9, 36, 4096, 32,  8, 128, 12288, 151936,  40960, false,   1e6,  0,    0, 0, 0, "qwen3", "qwen3-8b"},
    {14.768e9, 40, 5120, 40,  8, 128, 17408, 151936,  40960, false,   1e6,  0,    0, 0, 0, "qwen3", "qwen3-14b"},
    {7.346e6,   8,  256,  4,  2,  64,   768,   4096,    512, true,    1e4,  0,    0, 0, 0, "qwen3", "bantam-7m"},
};
// clang-format on

constexpr OtherShape kOthers[] = {
    {"phi-2", "its blocks compute attention and feed-forward side by side (family phi2)"},
    {"phi-4-multimodal", "it has vision and audio towers, and adapters chosen by them"},
    {"gemma-3n-e2b", "it has per-layer embeddings and four streams (family gemma3n)"},
    {"gemma-3n-e4b", "it has per-layer embeddings and four streams (family gemma3n)"},
    {"gemma-4-e2b", "its head width differs from layer to layer (family gemma4)"},
    {"gemma-4-e4b", "its head width differs from layer to layer (family gemma4)"},
    {"gemma-4-26b-a4b", "it mixes dense and expert layers in one block (family gemma4)"},
    {"gemma-4-31b", "its head width differs from layer to layer (family gemma4)"},
    {"qwen3.5-0.8b", "three of four layers are recurrent (family qwen35)"},
    {"minicpm-v", "it has a vision tower; its text model is that of Qwen or Llama"},
};

Metadata shape_metadata(const ModelShape& shape) {
  Metadata metadata;
  metadata.set_string("general.architecture", std::string(shape.family));
  metadata.set_string("general.name", fmt::format("{} (random weights)", shape.name));
  const std::string prefix = fmt::format("{}.", shape.family);
  const auto integer = [&](const char* key, std::int64_t value) {
    metadata.set_u32(prefix + key, static_cast<std::uint32_t>(value));
  };
  integer("block_count", shape.layers);
  integer("embedding_length", shape.width);
  integer("attention.head_count", shape.heads);
  integer("attention.head_count_kv", shape.kv_heads);
  integer("attention.key_length", shape.head_width);
  integer("attention.value_length", shape.head_width);
  integer("rope.dimension_count", shape.head_width);
  integer("feed_forward_length", shape.ffn_width);
  integer("vocab_size", shape.vocab);
  integer("context_length", shape.context);
  metadata.set_f32(prefix + "rope.freq_base", static_cast<float>(shape.rope_base));
  metadata.set_f32(prefix + "attention.layer_norm_rms_epsilon", 1e-5F);
  if (shape.window > 0) integer("attention.sliding_window", shape.window);
  if (shape.experts > 0) {
    integer("expert_count", shape.experts);
    integer("expert_used_count", shape.experts_used);
  }
  return metadata;
}

// From one for the fast pairs to the stretch for the slow ones. The curve between does not matter
// to random weights.
void add_divisors(WeightFile& file, const ModelShape& shape) {
  const std::int64_t pairs = shape.head_width / 2;
  auto* divisors =
      reinterpret_cast<float*>(file.own_buffer(static_cast<std::size_t>(pairs) * sizeof(float)));
  for (std::int64_t i = 0; i < pairs; ++i) {
    const double along = static_cast<double>(i) / static_cast<double>(pairs - 1);
    divisors[i] = static_cast<float>(1 + (shape.rope_stretch - 1) * along);
  }
  file.add_tensor("rope_freqs.weight",
                  {DType::kF32, {pairs}, reinterpret_cast<const std::byte*>(divisors)});
}

std::unexpected<Error> unsupported(std::string_view name, std::string_view why) {
  return std::unexpected(
      fail(ErrorKind::kUnsupported, "shape_unsupported", "bantam cannot run {} yet: {}", name, why)
          .error()
          .with_hint("`bantam bench --list-shapes` shows those it can"));
}

}  // namespace

std::span<const ModelShape> model_shapes() { return kShapes; }
std::span<const OtherShape> other_shapes() { return kOthers; }

std::string why_not(const ModelShape& shape) {
  const bool known = std::ranges::any_of(
      families(), [&](const Family& family) { return family.architecture == shape.family; });
  return known ? "" : fmt::format("it has no family {}", shape.family);
}

Result<const ModelShape*> find_shape(std::string_view name) {
  std::vector<std::string_view> known;
  for (const ModelShape& shape : kShapes) {
    if (shape.name == name) {
      const std::string why = why_not(shape);
      if (!why.empty()) return unsupported(name, why);
      return &shape;
    }
    known.push_back(shape.name);
  }
  for (const OtherShape& other : kOthers) {
    if (other.name == name) return unsupported(name, other.why);
    known.push_back(other.name);
  }
  return std::unexpected(fail(ErrorKind::kUsage, "unknown_shape", "there is no shape {}.{}",
                              quoted(name), did_you_mean(name, known))
                             .error()
                             .with_hint("`bantam bench --list-shapes` shows them all"));
}

Result<std::shared_ptr<WeightFile>> shape_outline(const ModelShape& shape) {
  auto file = std::make_shared<WeightFile>();
  file->metadata = shape_metadata(shape);
  file->description = "outline of a shape";
  const auto add = [&](std::string name, const Shape& size) {
    file->add_tensor(std::move(name), {DType::kF32, size, nullptr});
  };
  // What a family reads before there is a spec, and what a model may do without.
  add("token_embd.weight", {shape.vocab, shape.width});
  if (!shape.tied) add("output.weight", {shape.vocab, shape.width});
  if (shape.rope_stretch > 0) add_divisors(*file, shape);

  const Family* family = TRY(find_family(file->metadata));
  const ArchSpec spec = TRY(family->read_spec(*file));
  for (MissingTensor& tensor : missing_decoder_weights(*file, spec))
    add(std::move(tensor.name), tensor.shape);
  return file;
}

}  // namespace bantam
