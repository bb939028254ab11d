#include "kernels/reference.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/result.h"
#include "codec/codec.h"

namespace bantam::reference {

std::vector<float> decode_row(const TensorView& weight, std::int64_t row) {
  std::vector<float> out(static_cast<std::size_t>(weight.shape.last()));
  const Codec* codec = find_codec(weight.dtype);
  CHECK(codec != nullptr);
  codec->decode(weight.row(row), out);
  return out;
}

std::vector<double> matmul(std::span<const float> x, std::int64_t tokens,
                           const TensorView& weight) {
  const std::int64_t rows = weight.shape.rows(), width = weight.shape.last();
  std::vector<double> out(static_cast<std::size_t>(tokens * rows));
  for (std::int64_t n = 0; n < rows; ++n) {
    const std::vector<float> w = decode_row(weight, n);
    for (std::int64_t t = 0; t < tokens; ++t) {
      double total = 0;
      for (std::int64_t k = 0; k < width; ++k)
        total += static_cast<double>(x[static_cast<std::size_t>(t * width + k)]) *
                 static_cast<double>(w[static_cast<std::size_t>(k)]);
      out[static_cast<std::size_t>(t * rows + n)] = total;
    }
  }
  return out;
}

std::vector<double> rms_norm(std::span<const float> x, std::span<const float> weight,
                             double epsilon) {
  double squares = 0;
  for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
  const double factor = 1 / std::sqrt(squares / static_cast<double>(x.size()) + epsilon);
  std::vector<double> out(x.begin(), x.end());
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] *= factor * (weight.empty() ? 1.0 : static_cast<double>(weight[i]));
  return out;
}

std::vector<double> layer_norm(std::span<const float> x, std::span<const float> weight,
                               std::span<const float> bias, double epsilon) {
  double mean = 0, variance = 0;
  for (const float v : x) mean += static_cast<double>(v);
  mean /= static_cast<double>(x.size());
  for (const float v : x) variance += std::pow(static_cast<double>(v) - mean, 2);
  const double factor = 1 / std::sqrt(variance / static_cast<double>(x.size()) + epsilon);
  std::vector<double> out(x.begin(), x.end());
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = (out[i] - mean) * factor * (weight.empty() ? 1.0 : static_cast<double>(weight[i])) +
             (bias.empty() ? 0.0 : static_cast<double>(bias[i]));
  return out;
}

double log_sum_exp(std::span<const float> x) {
  double top = -std::numeric_limits<double>::infinity(), total = 0;
  for (const float v : x) top = std::max(top, static_cast<double>(v));
  if (std::isinf(top)) return top;
  for (const float v : x) total += std::exp(static_cast<double>(v) - top);
  return top + std::log(total);
}

std::vector<double> softmax(std::span<const float> x) {
  const double norm = log_sum_exp(x);
  std::vector<double> out(x.begin(), x.end());
  for (double& v : out) v = std::exp(v - norm);
  return out;
}

double activate(Activation which, double x) {
  switch (which) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGelu:
      return x / 2 * std::erfc(-x / std::sqrt(2.0));
    case Activation::kGeluTanh: {
      const double y = std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
      return x / (1 + std::exp(-2 * y));
    }
    case Activation::kRelu:
      return std::max(x, 0.0);
  }
  return x;
}

std::vector<double> rope(std::span<const float> x, std::span<const float> cos,
                         std::span<const float> sin, bool half) {
  std::vector<double> out(x.begin(), x.end());
  const std::size_t pairs = x.size() / 2;
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::size_t a = half ? i : 2 * i, b = half ? i + pairs : 2 * i + 1;
    const double c = static_cast<double>(cos[i]), s = static_cast<double>(sin[i]);
    out[a] = static_cast<double>(x[a]) * c - static_cast<double>(x[b]) * s;
    out[b] = static_cast<double>(x[b]) * c + static_cast<double>(x[a]) * s;
  }
  return out;
}

std::vector<double> rotate(std::span<const float> x) {
  const std::size_t size = x.size() & (~x.size() + 1);
  std::vector<double> out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < size; ++j) {
      const double term = static_cast<double>(x[i / size * size + j]);
      out[i] += std::popcount(i % size & j) % 2 == 0 ? term : -term;
    }
    out[i] /= std::sqrt(static_cast<double>(size));
  }
  return out;
}

namespace {

double dot(const float* a, const float* b, std::int64_t n) {
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i)
    total += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return total;
}

}  // namespace

std::vector<double> attention(const AttentionConfig& config, std::span<const float> queries,
                              std::int64_t first_position, std::span<const float> keys,
                              std::span<const float> values) {
  const std::int64_t heads = config.query_heads, key_width = config.key_width,
                     value_width = config.value_width;
  const std::int64_t count = static_cast<std::int64_t>(queries.size()) / (heads * key_width);
  std::vector<double> out(static_cast<std::size_t>(count * heads * value_width));
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t h = 0; h < heads; ++h) {
      const std::int64_t g = h / (heads / config.kv_heads), p = first_position + i;
      const std::int64_t from =
          config.window > 0 ? std::max<std::int64_t>(0, p - config.window + 1) : 0;
      std::vector<double> weights;
      for (std::int64_t j = from; j <= p; ++j) {
        double score = static_cast<double>(config.scale) *
                       dot(queries.data() + (i * heads + h) * key_width,
                           keys.data() + (j * config.kv_heads + g) * key_width, key_width);
        const auto cap = static_cast<double>(config.soft_cap);
        if (cap > 0) score = cap * std::tanh(score / cap);
        weights.push_back(score);
      }
      const double top = std::ranges::max(weights);
      double total = 0;
      for (double& w : weights) total += w = std::exp(w - top);
      double* to = out.data() + (i * heads + h) * value_width;
      for (std::int64_t j = from; j <= p; ++j)
        for (std::int64_t d = 0; d < value_width; ++d)
          to[d] +=
              weights[static_cast<std::size_t>(j - from)] / total *
              static_cast<double>(
                  values[static_cast<std::size_t>((j * config.kv_heads + g) * value_width + d)]);
    }
  }
  return out;
}

}  // namespace bantam::reference
