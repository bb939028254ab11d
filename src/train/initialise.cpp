#include "train/initialise.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "tensor/arena.h"

namespace bantam {
namespace {

Result<void> check_deviation(std::string_view what, double deviation) {
  if (std::isfinite(deviation) && deviation >= 0) return {};
  return fail(ErrorKind::kUsage, "deviation_invalid",
              "the deviation of the {}: expected a number of at least 0, found {}", what,
              deviation);
}

Result<void> add_tokenizer(Metadata& metadata, const Metadata& tokenizer, const ModelShape& shape) {
  const std::vector<std::string>* pieces = TRY(tokenizer.strings("tokenizer.ggml.tokens"));
  if (pieces != nullptr && pieces->size() > static_cast<std::size_t>(shape.vocab))
    return std::unexpected(fail(ErrorKind::kConfiguration, "tokenizer_too_large",
                                "the tokenizer has {} tokens, the shape's vocabulary {}",
                                pieces->size(), shape.vocab)
                               .error()
                               .with_hint("make the vocabulary as large as the tokenizer"));
  for (const auto& [key, value] : tokenizer.entries())
    if (key.starts_with("tokenizer.") || key.starts_with("bantam.tokenizer."))
      metadata.set(key, value);
  return {};
}

// Zero for what starts at zero.
double deviation_of(const NamedTensor& tensor, const InitOptions& options) {
  if (tensor.name == "token_embd.weight") return options.embedding_deviation;
  if (tensor.name == "output.weight") return options.head_deviation;
  const bool adds_to_stream = tensor.name.find(".attn_output.") != std::string::npos ||
                              tensor.name.find(".ffn_down") != std::string::npos;
  if (options.zero_outputs && adds_to_stream) return 0;
  return 1 / std::sqrt(static_cast<double>(tensor.view.shape.last()));
}

void fill(const NamedTensor& tensor, const InitOptions& options, std::span<float> values) {
  // The only vectors that a model cannot do without are its norms.
  const bool norm = tensor.view.shape.rank() < 2;
  const double deviation = norm ? 0 : deviation_of(tensor, options);
  if (deviation == 0) {
    std::ranges::fill(values, norm ? 1.0F : 0.0F);
    return;
  }
  Hash64 name;
  name.add(tensor.name);
  Random random(options.seed, name.value());
  for (float& value : values) value = static_cast<float>(deviation * random.next_normal());
}

}  // namespace

Result<std::shared_ptr<WeightFile>> initial_weights(const ModelShape& shape,
                                                    const Metadata& tokenizer, ThreadPool& pool,
                                                    const InitOptions& options) {
  TRY(check_deviation("embedding", options.embedding_deviation));
  TRY(check_deviation("head", options.head_deviation));
  const std::shared_ptr<const WeightFile> outline = TRY(shape_outline(shape));
  auto file = std::make_shared<WeightFile>();
  file->metadata = outline->metadata;
  file->description = "initial weights";
  TRY(add_tokenizer(file->metadata, tokenizer, shape));

  struct Part {
    const NamedTensor* tensor;
    std::span<float> values;
  };
  std::vector<Part> parts;
  std::size_t bytes = 0;
  for (const NamedTensor& tensor : outline->tensors())
    bytes += tensor.view.bytes() + Arena::kAlignment;
  const auto memory = std::make_shared<Arena>();
  TRY(memory->reserve(bytes));
  for (const NamedTensor& tensor : outline->tensors()) {
    TensorView view = tensor.view;
    if (view.data == nullptr) {
      const auto count = static_cast<std::size_t>(view.shape.elements());
      parts.push_back({&tensor, memory->alloc_span<float>(count)});
      view.data = reinterpret_cast<const std::byte*>(parts.back().values.data());
    }
    file->add_tensor(tensor.name, view);
  }
  pool.parallel_for(parts.size(), 1, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i) fill(*parts[i].tensor, options, parts[i].values);
  });
  file->own(memory);
  file->own(outline);  // the rotary divisors
  return file;
}

}  // namespace bantam
