// write_random_models FOLDER: GGUF files of random weights, for tests that compare two programs.
// write_random_models FOLDER llama-3.2-1b: one F16 file of that model's shape, for benchmarks;
// `bantam quantize` makes the packed ones from it.
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
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
  f16.dtype = DType::kF16;
  q8_0.dtype = DType::kQ8_0;
  q4_0.dtype = DType::kQ4_0;
  q4_k.dtype = DType::kQ4_K;
  RandomModelSpec q6_k = q4_k;
  q6_k.dtype = DType::kQ6_K;
  return {{"dense-F32", dense},     {"odd-heads-F32", odd_heads}, {"wide-heads-F32", wide_heads},
          {"experts-F32", experts}, {"tied-F32", tied_divisors},  {"dense-F16", f16},
          {"dense-Q8_0", q8_0},     {"dense-Q4_0", q4_0},         {"dense-Q4_K", q4_k},
          {"dense-Q6_K", q6_k}};
}

RandomModelSpec llama_3_2_1b() {
  return {.vocab = 128256,
          .width = 2048,
          .layers = 16,
          .heads = 32,
          .kv_heads = 8,
          .ffn_width = 8192,
          .context_length = 8192,
          .tied = true,
          .rope_base = 500000,
          .rope_divisors = true,
          .dtype = DType::kF16};
}

}  // namespace

int main(int argc, char** argv) {
  const bool large = argc == 3 && std::string_view(argv[2]) == "llama-3.2-1b";
  if (argc != 2 && !large) {
    std::fprintf(stderr, "usage: write_random_models FOLDER [llama-3.2-1b]\n");
    return 64;
  }
  const auto wanted =
      large ? std::vector<std::pair<std::string, RandomModelSpec>>{{"llama-3.2-1b-F16",
                                                                    llama_3_2_1b()}}
            : models();
  for (const auto& [name, spec] : wanted) {
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
