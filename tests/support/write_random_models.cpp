// write_random_models FOLDER: GGUF files of random weights, for tests that compare two programs.
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "formats/gguf_writer.h"
#include "support/random_model.h"

namespace {

using bantam::DType;
using bantam::support::RandomModelSpec;

std::vector<std::pair<std::string, RandomModelSpec>> models() {
  const RandomModelSpec dense;
  RandomModelSpec odd_heads{.width = 96, .layers = 3, .heads = 3, .kv_heads = 1, .ffn_width = 224};
  RandomModelSpec wide_heads{.width = 64, .heads = 4, .kv_heads = 2, .head_width = 32};
  RandomModelSpec experts{.experts = 4, .experts_used = 2};
  RandomModelSpec tied_divisors{.tied = true, .rope_divisors = true};
  RandomModelSpec f16 = dense, q8_0 = dense, q4_0 = dense, q4_k{.width = 256, .ffn_width = 512};
  RandomModelSpec qwen3{.architecture = "qwen3", .head_width = 32, .tied = true, .rope_base = 1e6};
  f16.dtype = DType::kF16;
  q8_0.dtype = DType::kQ8_0;
  q4_0.dtype = DType::kQ4_0;
  q4_k.dtype = DType::kQ4_K;
  RandomModelSpec q6_k = q4_k;
  q6_k.dtype = DType::kQ6_K;
  RandomModelSpec q2_k = q4_k;
  q2_k.dtype = DType::kQ2_K;
  return {{"dense-F32", dense},     {"odd-heads-F32", odd_heads}, {"wide-heads-F32", wide_heads},
          {"experts-F32", experts}, {"tied-F32", tied_divisors},  {"dense-F16", f16},
          {"dense-Q8_0", q8_0},     {"dense-Q4_0", q4_0},         {"dense-Q4_K", q4_k},
          {"dense-Q6_K", q6_k},     {"dense-Q2_K", q2_k},         {"qwen3-F32", qwen3}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_random_models FOLDER\n");
    return 64;
  }
  for (const auto& [name, spec] : models()) {
    const auto model = bantam::support::make_random_model(spec);
    const auto path = std::filesystem::path(argv[1]) / ("random-" + name + ".gguf");
    const auto written = bantam::write_gguf(path, *model);
    if (!written) {
      std::fprintf(stderr, "%s\n", written.error().to_string().c_str());
      return 73;
    }
  }
  return 0;
}
