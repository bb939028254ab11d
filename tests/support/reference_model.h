// The Llama family, and Qwen3, in double precision and plain loops: what every faster path is
// compared with.
//
// Written from the formulas of the papers (RMSNorm, Zhang and Sennrich 2019; rotary embedding, Su
// et al. 2021, on adjacent pairs; its linear scaling, Chen et al. 2023, and YaRN, Peng et al. 2023;
// grouped queries, Ainslie et al. 2023; SwiGLU, Shazeer 2020; mixture of experts, Jiang et al.
// 2024; norms of queries and keys, Henry et al. 2020), with nothing from nn/ or models/. Weights
// are decoded by codec/ and then exact. Slow: about a nanosecond a weight and token.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/weight_file.h"

namespace bantam::support {

class ReferenceModel {
 public:
  // CHECKs that tensors and keys are there. Keeps nothing of `file`.
  explicit ReferenceModel(const WeightFile& file);

  std::int64_t vocab() const { return vocab_; }

  // Logits after each token: (T, V). The sequence starts at position 0.
  std::vector<std::vector<double>> logits(std::span<const std::int32_t> ids) const;
  std::vector<double> last_logits(std::span<const std::int32_t> ids) const;

  // The most probable continuation (ties to the lower id), up to `count` tokens; ends after any
  // token of `stop`.
  std::vector<std::int32_t> greedy(std::span<const std::int32_t> ids, std::size_t count,
                                   std::span<const std::int32_t> stop = {}) const;

 private:
  using Vector = std::vector<double>;
  struct Matrix {  // transposed: the weights of one input lie together
    std::int64_t outputs = 0, inputs = 0;
    Vector values, bias;  // (inputs, outputs); bias empty if there is none
  };
  struct Expert {
    Matrix gate, up, down;
  };
  struct Layer {
    Vector attention_norm, ffn_norm;
    Vector query_norm, key_norm;  // empty: none
    Matrix query, key, value, output;
    Matrix router;  // empty where there is one expert, the dense feed-forward
    std::vector<Expert> experts;
  };
  struct Cache {  // of one layer: a row a position
    std::vector<Vector> keys, values;
  };

  Vector step(std::int32_t id, std::vector<Cache>& caches) const;
  Vector attend(const Layer& layer, const Vector& x, Cache& cache) const;
  Vector feed_forward(const Layer& layer, const Vector& x) const;
  Vector head_logits(const Vector& x) const;
  void norm_heads(Vector& x, const Vector& weight) const;
  void rotate(Vector& x, std::int64_t position) const;
  Vector normalized(const Vector& x, const Vector& weight) const;
  void read_rope(const WeightFile& file);

  std::int64_t vocab_, width_, heads_, kv_heads_, key_width_, value_width_, window_, experts_used_;
  double epsilon_;
  bool half_split_ = false;  // the pairs that turn lie half a head apart (Qwen3)
  Vector rope_angle_;        // radians a position, of each pair
  double rope_size_ = 1;     // of the rotated part (YaRN)
  Matrix embedding_, head_;
  Vector output_norm_;
  std::vector<Layer> layers_;
};

// What the largest of `values` is; the first of several.
std::int32_t argmax(std::span<const double> values);
// log softmax(values)[chosen].
double log_probability(std::span<const double> values, std::int32_t chosen);

}  // namespace bantam::support
