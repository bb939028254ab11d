// THIS CODE SHOULD NEVER BE USED IN PRODUCTION. Plain loops in double precision: what the kernels
// are compared with. Linked into tests only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "kernels/kernels.h"
#include "tensor/tensor.h"

namespace bantam::reference {

// Row `row` of a weight, decoded by its codec.
std::vector<float> decode_row(const TensorView& weight, std::int64_t row);

// (T, N) of x (T, K) and weight (N, K).
std::vector<double> matmul(std::span<const float> x, std::int64_t tokens, const TensorView& weight);

std::vector<double> rms_norm(std::span<const float> x, std::span<const float> weight,
                             double epsilon);
std::vector<double> layer_norm(std::span<const float> x, std::span<const float> weight,
                               std::span<const float> bias, double epsilon);
std::vector<double> softmax(std::span<const float> x);
double log_sum_exp(std::span<const float> x);
double activate(Activation which, double x);

// Pairs (x[i], x[i + n / 2]) if `half`, else (x[2 i], x[2 i + 1]).
std::vector<double> rope(std::span<const float> x, std::span<const float> cos,
                         std::span<const float> sin, bool half);

// Times the normalised Hadamard matrix of the largest power of two that divides the length: element
// (i, j) is minus if i & j has an odd number of bits.
std::vector<double> rotate(std::span<const float> x);

// (query_count, query_heads, value_width). Reads keys and values as (positions, kv_heads, width).
std::vector<double> attention(const AttentionConfig& config, std::span<const float> queries,
                              std::int64_t first_position, std::span<const float> keys,
                              std::span<const float> values);

}  // namespace bantam::reference
