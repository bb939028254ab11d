// write_random_adapter MODEL ADAPTER.gguf: a LoRA of rank 6 of all linear layers but the head, for
// tests that compare two programs.
#include <cstdio>
#include <memory>
#include <string>

#include "base/random.h"
#include "models/adapter.h"

namespace {

using bantam::DType;
using bantam::Shape;
using bantam::TensorView;

constexpr std::int64_t kRank = 6;
constexpr float kAlpha = 9;

TensorView random_matrix(bantam::WeightFile& memory, const Shape& shape, bantam::Random& random) {
  auto* data = reinterpret_cast<float*>(
      memory.own_buffer(static_cast<std::size_t>(shape.elements()) * sizeof(float)));
  for (std::int64_t i = 0; i < shape.elements(); ++i)
    data[i] = static_cast<float>(0.05 * random.next_normal());
  return {DType::kF32, shape, reinterpret_cast<const std::byte*>(data)};
}

bantam::Result<void> write(const std::string& model, const std::string& out) {
  const auto base = TRY(bantam::load_decoder(TRY(bantam::open_weights(model))));
  bantam::WeightFile memory;
  bantam::Random random(1);
  bantam::DecoderWeights weights = base->weights();
  bantam::for_each_linear(
      weights, [&](const std::string& name, std::int64_t, bantam::Linear& layer) {
        if (!name.starts_with("blk.") || name.contains("ffn_gate_inp")) return;
        layer.low_rank = {.a = random_matrix(memory, {kRank, layer.weight.shape[1]}, random),
                          .b = random_matrix(memory, {layer.outputs(), kRank}, random),
                          .gain = {},
                          .scale = kAlpha / static_cast<float>(kRank)};
      });
  const bantam::Decoder adapted(base->file(), base->spec(), std::move(weights));
  return bantam::save_adapter(out, adapted, bantam::AdapterFormat::kGguf, DType::kF32);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: write_random_adapter MODEL ADAPTER.gguf\n");
    return 64;
  }
  if (const auto written = write(argv[1], argv[2]); !written) {
    std::fprintf(stderr, "%s\n", written.error().to_string().c_str());
    return 73;
  }
  return 0;
}
