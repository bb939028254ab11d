#include "train/trainable.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "base/random.h"
#include "codec/codec.h"
#include "models/adapter.h"

namespace bantam {
namespace {

constexpr std::string_view kDivisors = "rope_freqs.weight";
constexpr std::uint32_t kQuantizationVersion = 2;  // of GGUF's blocks

// GGUF's number for a file of a type.
struct FileType {
  DType type;
  std::uint32_t number;
};
constexpr FileType kFileTypes[] = {
    {DType::kF32, 0}, {DType::kF16, 1}, {DType::kQ8_0, 7}, {DType::kBF16, 32}};

const FileType* file_type(DType type) {
  const auto* const found = std::ranges::find(kFileTypes, type, &FileType::type);
  return found == std::end(kFileTypes) ? nullptr : found;
}

void say_type(Metadata& metadata, DType type) {
  metadata.set_u32("general.file_type", file_type(type)->number);
  if (type == DType::kQ8_0) {
    metadata.set_u32("general.quantization_version", kQuantizationVersion);
  } else {
    metadata.erase("general.quantization_version");
  }
}

std::unexpected<Error> nothing_to_train() {
  return fail(ErrorKind::kUsage, "nothing_to_train", "no tensor of the model was chosen");
}

ParameterRole role_of(const std::string& name, const Shape& shape) {
  if (shape.rank() < 2) return ParameterRole::kVector;
  return name == "token_embd.weight" || name == "output.weight" ? ParameterRole::kEmbedding
                                                                : ParameterRole::kMatrix;
}

Result<void> decode(const NamedTensor& tensor, const Parameter& parameter) {
  auto codec = decoder_for(tensor.view.dtype);
  if (!codec) return std::unexpected(std::move(codec).error().in(tensor.name));
  const auto width = static_cast<std::size_t>(tensor.view.shape.last());
  for (std::int64_t row = 0; row < tensor.view.shape.rows(); ++row)
    (*codec)->decode(tensor.view.row(row),
                     parameter.values().subspan(static_cast<std::size_t>(row) * width, width));
  return {};
}

// A chosen linear layer, or a stack of them, and where its A and B are.
struct Stack {
  std::int64_t experts = 0;  // 0: not a stack
  std::int64_t outputs = 0, inputs = 0;
  const Parameter *a = nullptr, *b = nullptr, *magnitude = nullptr;
};

bool usual_choice(std::string_view name) {
  return !name.starts_with("output.") && !name.starts_with("token_embd.") &&
         name.find("ffn_gate_inp") == std::string_view::npos;
}

std::map<std::string, Stack> chosen_layers(DecoderWeights& weights, const TensorChoice& chosen) {
  std::map<std::string, Stack> stacks;
  for_each_linear(weights, [&](const std::string& name, std::int64_t expert, Linear& layer) {
    if (!(chosen ? chosen(name) : usual_choice(name))) return;
    Stack& stack = stacks[name];
    stack.experts = expert + 1;
    stack.outputs = layer.weight.shape[0];
    stack.inputs = layer.weight.shape[1];
  });
  return stacks;
}

Shape stacked(const Stack& stack, std::int64_t rows, std::int64_t columns) {
  return stack.experts > 0 ? Shape{stack.experts, rows, columns} : Shape{rows, columns};
}

TensorView one_of(const Parameter& parameter, std::int64_t expert) {
  TensorView view = parameter.view();
  if (expert < 0) return view;
  view = view.slice(expert, expert + 1);
  view.shape = Shape{view.shape[1], view.shape[2]};
  return view;
}

// DoRA: adapted layers, and where their gains are. The first lengths are those that the rows have.
struct Gains {
  std::vector<Linear> layers;
  std::vector<std::vector<float>> values;

  template <typename Each>
  void for_each(ThreadPool& pool, const Each& each) {
    for (std::size_t i = 0; i < layers.size(); ++i)
      pool.parallel_for(values[i].size(), 8, [&](std::size_t begin, std::size_t end, std::size_t) {
        for (std::size_t n = begin; n < end; ++n) each(i, n);
      });
  }
  void refresh(ThreadPool& pool) {
    for_each(pool, [this](std::size_t i, std::size_t n) {
      values[i][n] = dora_gain(layers[i], static_cast<std::int64_t>(n));
    });
  }
};

TensorView vector_of(const float* values, std::int64_t size) {
  return {DType::kF32, Shape{size}, reinterpret_cast<const std::byte*>(values)};
}

void add_magnitudes(DecoderWeights& weights, const std::map<std::string, Stack>& stacks,
                    Parameters& parameters) {
  auto gains = std::make_shared<Gains>();
  std::vector<float*> lengths;
  for_each_linear(weights, [&](const std::string& name, std::int64_t expert, Linear& layer) {
    const auto found = stacks.find(name);
    if (found == stacks.end()) return;
    const std::int64_t outputs = layer.outputs();
    float* const magnitude =
        found->second.magnitude->value + std::max<std::int64_t>(0, expert) * outputs;
    layer.low_rank.magnitude = vector_of(magnitude, outputs);
    const auto& values = gains->values.emplace_back(static_cast<std::size_t>(outputs), 1.0F);
    layer.low_rank.gain = vector_of(values.data(), outputs);
    gains->layers.push_back(layer);
    lengths.push_back(magnitude);
  });
  ThreadPool alone(1);
  gains->for_each(alone, [&](std::size_t i, std::size_t n) {
    lengths[i][n] = adapted_length(gains->layers[i], static_cast<std::int64_t>(n));
  });
  parameters.on_refresh([gains](ThreadPool& pool) { gains->refresh(pool); });
  parameters.refresh(alone);
}

}  // namespace

bool is_trained_type(DType type) { return file_type(type) != nullptr; }

Result<TrainableModel> train_tensors(std::shared_ptr<const WeightFile> base,
                                     const TensorChoice& chosen, DType type) {
  CHECK(is_trained_type(type));
  std::vector<Parameter> outlines;
  for (const NamedTensor& tensor : base->tensors()) {
    if (tensor.name == kDivisors || (chosen && !chosen(tensor.name))) continue;
    TRY(decoder_for(tensor.view.dtype));
    const Shape& shape = tensor.view.shape;
    const bool fits =
        shape.rank() >= 2 && row_bytes(type, static_cast<std::uint64_t>(shape.last())).has_value();
    outlines.push_back(
        {.name = tensor.name,
         .shape = shape,
         .role = role_of(tensor.name, shape),
         .tied = tensor.name == "token_embd.weight" && base->find("output.weight") == nullptr,
         .type = fits ? type : DType::kF32});
  }
  if (outlines.empty()) return nothing_to_train();
  TrainableModel model{.parameters = TRY(Parameters::create(std::move(outlines)))};
  auto file = std::make_shared<WeightFile>();
  file->metadata = base->metadata;
  file->description = base->description;
  if (!chosen) say_type(file->metadata, type);
  for (const NamedTensor& tensor : base->tensors()) {
    const Parameter* parameter = model.parameters->find(tensor.name);
    if (parameter != nullptr) TRY(decode(tensor, *parameter));
    file->add_tensor(tensor.name, parameter != nullptr ? parameter->view() : tensor.view);
  }
  ThreadPool alone(1);
  model.parameters->refresh(alone);
  file->own(std::move(base));
  model.decoder = TRY(load_decoder(file));
  model.file = std::move(file);
  return model;
}

Result<TrainableModel> train_adapter(std::shared_ptr<const WeightFile> base,
                                     const AdapterOptions& options) {
  const std::shared_ptr<const Decoder> plain = TRY(load_decoder(base));
  DecoderWeights weights = plain->weights();
  std::map<std::string, Stack> stacks = chosen_layers(weights, options.chosen);
  if (stacks.empty()) return nothing_to_train();
  std::vector<Parameter> outlines;
  for (const auto& [name, stack] : stacks) {
    outlines.push_back(
        {.name = name + ".lora_a", .shape = stacked(stack, options.rank, stack.inputs)});
    outlines.push_back({.name = name + ".lora_b",
                        .shape = stacked(stack, stack.outputs, options.rank),
                        .rate = static_cast<float>(options.b_rate)});
    if (options.magnitude)
      outlines.push_back(
          {.name = name + ".lora_magnitude",
           .shape = stack.experts > 0 ? Shape{stack.experts, stack.outputs} : Shape{stack.outputs},
           .role = ParameterRole::kVector});
  }
  TrainableModel model{.parameters = TRY(Parameters::create(std::move(outlines))), .file = base};
  std::uint64_t stream = 0;
  for (auto& [name, stack] : stacks) {
    stack.a = model.parameters->find(name + ".lora_a");
    stack.b = model.parameters->find(name + ".lora_b");
    stack.magnitude = model.parameters->find(name + ".lora_magnitude");
    Random random(options.seed, stream++);
    const double bound = 1 / std::sqrt(static_cast<double>(stack.inputs));
    for (float& value : stack.a->values())
      value = static_cast<float>(bound * (2 * random.next_double() - 1));
  }
  const auto rank = static_cast<double>(options.rank);
  const double scale = options.alpha / (options.rank_stabilized ? std::sqrt(rank) : rank);
  for_each_linear(weights, [&](const std::string& name, std::int64_t expert, Linear& layer) {
    const auto found = stacks.find(name);
    if (found == stacks.end()) return;
    layer.low_rank = {.a = one_of(*found->second.a, expert),
                      .b = one_of(*found->second.b, expert),
                      .gain = {},
                      .scale = static_cast<float>(scale)};
  });
  if (options.magnitude) add_magnitudes(weights, stacks, *model.parameters);
  model.decoder =
      std::make_shared<const Decoder>(std::move(base), plain->spec(), std::move(weights));
  return model;
}

}  // namespace bantam
