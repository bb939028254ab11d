#include "train/residual.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/random.h"
#include "codec/codec.h"
#include "kernels/product.h"

namespace bantam {
namespace {

constexpr std::int64_t kSpare = 8;
constexpr int kRounds = 4, kSweeps = 30;

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

// (rows, columns), row by row.
struct Matrix {
  std::int64_t rows = 0, columns = 0;
  Floats values;

  Matrix(std::int64_t r, std::int64_t c)
      : rows(r), columns(c), values(static_cast<std::size_t>(r * c)) {}
  FloatMatrix view() const { return {values.data(), columns, 1}; }
};

class Algebra {
 public:
  Algebra(const KernelTable& kernels, ThreadPool& pool) : kernels_(kernels), pool_(pool) {}

  // a b, of which a has `depth` columns.
  Matrix multiply(const FloatMatrix& a, std::int64_t rows, std::int64_t depth, const FloatMatrix& b,
                  std::int64_t columns) {
    Matrix c(rows, columns);
    product(kernels_, pool_, scratch_,
            {.a = a,
             .b = b,
             .c = c.values.data(),
             .c_stride = columns,
             .rows = rows,
             .depth = depth,
             .columns = columns});
    return c;
  }

 private:
  const KernelTable& kernels_;
  ThreadPool& pool_;
  Arena scratch_;
};

// Makes the columns orthonormal, twice over so that they are; one that the others span becomes
// zero.
void orthonormalize(Matrix& m) {
  const auto at = [&](std::int64_t row, std::int64_t column) -> float& {
    return m.values[static_cast<std::size_t>(row * m.columns + column)];
  };
  for (std::int64_t c = 0; c < m.columns; ++c) {
    double before = 0, squares = 0;
    for (std::int64_t r = 0; r < m.rows; ++r) before += double{at(r, c)} * double{at(r, c)};
    for (int pass = 0; pass < 2; ++pass) {
      for (std::int64_t other = 0; other < c; ++other) {
        double dot = 0;
        for (std::int64_t r = 0; r < m.rows; ++r) dot += double{at(r, c)} * double{at(r, other)};
        for (std::int64_t r = 0; r < m.rows; ++r)
          at(r, c) -= static_cast<float>(dot * double{at(r, other)});
      }
      squares = 0;
      for (std::int64_t r = 0; r < m.rows; ++r) squares += double{at(r, c)} * double{at(r, c)};
    }
    const double factor = squares > 1e-12 * before && squares > 0 ? 1 / std::sqrt(squares) : 0;
    for (std::int64_t r = 0; r < m.rows; ++r)
      at(r, c) = static_cast<float>(factor * double{at(r, c)});
  }
}

// Eigenvalues of a symmetric g (n, n), and their vectors as columns, by Jacobi's rotations.
struct Eigen {
  std::size_t size = 0;
  Doubles values, vectors;
  double vector(std::size_t row, std::size_t column) const { return vectors[row * size + column]; }
};
Eigen eigen_of(Doubles g, std::size_t n) {
  Eigen out{.size = n, .values = Doubles(n), .vectors = Doubles(n * n)};
  for (std::size_t i = 0; i < n; ++i) out.vectors[i * n + i] = 1;
  const auto rotate = [n](Doubles& m, std::size_t i, std::size_t j, double c, double s, bool rows) {
    for (std::size_t k = 0; k < n; ++k) {
      double& x = rows ? m[i * n + k] : m[k * n + i];
      double& y = rows ? m[j * n + k] : m[k * n + j];
      const double turned = c * x - s * y;
      y = s * x + c * y;
      x = turned;
    }
  };
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    double away = 0, all = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) (i == j ? all : away) += g[i * n + j] * g[i * n + j];
    if (away <= 1e-28 * all) break;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = i + 1; j < n; ++j) {
        if (g[i * n + j] == 0) continue;
        const double theta = (g[j * n + j] - g[i * n + i]) / (2 * g[i * n + j]);
        const double t =
            (theta >= 0 ? 1.0 : -1.0) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        rotate(g, i, j, c, s, false);
        rotate(g, i, j, c, s, true);
        rotate(out.vectors, i, j, c, s, false);
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i) out.values[i] = g[i * n + i];
  return out;
}

Result<Floats> decoded(const TensorView& view) {
  const Codec* codec = TRY(decoder_for(view.dtype));
  const auto width = static_cast<std::size_t>(view.shape.last());
  Floats values(static_cast<std::size_t>(view.shape.elements()));
  for (std::int64_t row = 0; row < view.shape.rows(); ++row)
    codec->decode(view.row(row),
                  std::span(values).subspan(static_cast<std::size_t>(row) * width, width));
  return values;
}

std::span<float> values_of(const TensorView& view, const Parameters& parameters) {
  const auto* first = reinterpret_cast<const float*>(view.data);
  const auto at = static_cast<std::size_t>(first - parameters.values().data());
  return parameters.values().subspan(at, static_cast<std::size_t>(view.shape.elements()));
}

Result<void> begin_layer(const std::string& name, std::int64_t expert, const Linear& layer,
                         const WeightFile& original, std::uint64_t seed, Parameters& parameters,
                         const KernelTable& kernels, ThreadPool& pool) {
  const TensorView* found = original.find(name);
  TensorView wanted = layer.weight;
  if (found != nullptr && expert >= 0 && found->shape.rank() == 3 && expert < found->shape[0]) {
    wanted = found->slice(expert, expert + 1);
    wanted.shape = Shape{wanted.shape[1], wanted.shape[2]};
  } else if (found != nullptr) {
    wanted = *found;
  }
  if (found == nullptr || wanted.shape != layer.weight.shape)
    return fail(ErrorKind::kUnsupported, "original_differs",
                "{} is {} in the base, and {} in the original", quoted(name),
                layer.weight.shape.to_string(),
                found == nullptr ? std::string("absent") : found->shape.to_string());
  Floats lost = TRY(decoded(wanted));
  const Floats packed = TRY(decoded(layer.weight));
  for (std::size_t i = 0; i < lost.size(); ++i) lost[i] -= packed[i];
  const LowRank& low = layer.low_rank;
  approximate(lost, layer.weight.shape[0], layer.weight.shape[1], low.a.shape[0], double{low.scale},
              seed, kernels, pool, values_of(low.a, parameters), values_of(low.b, parameters));
  return {};
}

}  // namespace

void approximate(std::span<const float> m, std::int64_t out, std::int64_t in, std::int64_t rank,
                 double scale, std::uint64_t seed, const KernelTable& kernels, ThreadPool& pool,
                 std::span<float> a, std::span<float> b) {
  std::ranges::fill(b, 0.0F);
  Algebra algebra(kernels, pool);
  const FloatMatrix whole{m.data(), in, 1};
  const std::int64_t width = std::min({rank + kSpare, out, in});
  Matrix start(in, width);
  Random random(seed);
  for (float& value : start.values) value = static_cast<float>(random.next_normal());
  Matrix range = algebra.multiply(whole, out, in, start.view(), width);
  orthonormalize(range);
  for (int round = 0; round < kRounds; ++round) {
    Matrix back = algebra.multiply(transposed(whole), in, out, range.view(), width);
    orthonormalize(back);
    range = algebra.multiply(whole, out, in, back.view(), width);
    orthonormalize(range);
  }
  // m is about range · core, and core's left singular vectors are the eigenvectors of core coreᵀ.
  const Matrix core = algebra.multiply(transposed(range.view()), width, out, whole, in);
  const auto n = static_cast<std::size_t>(width), columns = static_cast<std::size_t>(in);
  Doubles gram(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t k = 0; k < columns; ++k)
        gram[i * n + j] +=
            double{core.values[i * columns + k]} * double{core.values[j * columns + k]};
  const Eigen eigen = eigen_of(std::move(gram), n);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, std::ranges::greater(), [&](std::size_t i) { return eigen.values[i]; });
  const double largest = eigen.values[order[0]];
  const auto kept = static_cast<std::size_t>(rank);
  for (std::size_t r = 0; r < std::min(kept, n); ++r) {
    const double square = eigen.values[order[r]];
    if (!(square > 1e-12 * largest)) break;
    const double root = std::sqrt(std::sqrt(square)), share = 1 / std::sqrt(scale);
    for (std::size_t k = 0; k < columns; ++k) {
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i)
        sum += eigen.vector(i, order[r]) * double{core.values[i * columns + k]};
      a[r * columns + k] = static_cast<float>(share * sum / root);
    }
    for (std::size_t row = 0; row < static_cast<std::size_t>(out); ++row) {
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i)
        sum += double{range.values[row * n + i]} * eigen.vector(i, order[r]);
      b[row * kept + r] = static_cast<float>(share * sum * root);
    }
  }
}

Result<void> begin_with_residual(TrainableModel& model, const WeightFile& original,
                                 std::uint64_t seed, const KernelTable& kernels, ThreadPool& pool) {
  DecoderWeights weights = model.decoder->weights();
  Result<void> outcome;
  std::uint64_t number = 0;
  for_each_linear(weights, [&](const std::string& name, std::int64_t expert, Linear& layer) {
    if (!layer.low_rank.present() || !outcome) return;
    CHECK(layer.low_rank.magnitude.data == nullptr);
    outcome = begin_layer(name, expert, layer, original, seed + number++, *model.parameters,
                          kernels, pool);
  });
  return outcome;
}

}  // namespace bantam
