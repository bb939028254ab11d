#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/product.h"
#include "train/optimizer.h"

namespace bantam {
namespace {

constexpr std::size_t kGrain = 1 << 14;

// x becomes (a + b A + c A²) x with A = x xᵀ, so that a singular value s becomes
// a s + b s³ + c s⁵. These five take [0.001, 1] close to one.
struct Polynomial {
  float a, b, c;
};
constexpr Polynomial kPolynomials[] = {{8.1566F, -22.4833F, 15.8788F},
                                       {4.0429F, -2.8089F, 0.5000F},
                                       {3.8917F, -2.7725F, 0.5061F},
                                       {3.2858F, -2.3681F, 0.4645F},
                                       {2.3465F, -1.7098F, 0.4232F}};
// The Frobenius norm is at least the largest singular value; that is to stay under one.
constexpr double kNormMargin = 1.01;

class Muon final : public Optimizer {
 public:
  static Result<std::unique_ptr<Optimizer>> create(Parameters& parameters,
                                                   const KernelTable& kernels, ThreadPool& pool,
                                                   const MuonOptions& options) {
    auto made = std::unique_ptr<Muon>(new Muon(kernels, pool, options));
    std::vector<const Parameter*> others;
    std::size_t floats = 0, most = 0;
    for (const Parameter& parameter : parameters.all()) {
      if (parameter.role != ParameterRole::kMatrix || parameter.shape.rank() < 2) {
        others.push_back(&parameter);
        continue;
      }
      Stack stack{.parameter = &parameter,
                  .at = floats,
                  .rows = static_cast<std::size_t>(parameter.shape[parameter.shape.rank() - 2]),
                  .columns = static_cast<std::size_t>(parameter.shape.last())};
      const std::size_t smaller = std::min(stack.rows, stack.columns);
      most = std::max(most, 2 * stack.size() + 2 * smaller * smaller);
      floats += static_cast<std::size_t>(parameter.size());
      made->stacks_.push_back(stack);
    }
    made->others_ = TRY(make_adamw(others, kernels, pool, options.others));
    TRY(made->arena_.reserve(floats * sizeof(float) + Arena::kAlignment));
    made->momentum_ = made->arena_.alloc_span<float>(floats);
    std::ranges::fill(made->momentum_, 0.0F);
    TRY(made->scratch_.reserve(
        (most + static_cast<std::size_t>(kProductScratchFloats) * pool.size()) * sizeof(float) +
        5 * Arena::kAlignment));
    return made;
  }

  void step(std::int64_t step, float rate, float scale) override {
    const auto steps = static_cast<double>(std::max<std::int64_t>(1, options_.momentum_steps));
    const double share = std::min(1.0, static_cast<double>(step) / steps);
    const float momentum =
        options_.first_momentum +
        static_cast<float>(share) * (options_.momentum - options_.first_momentum);
    for (const Stack& stack : stacks_) {
      const auto size = static_cast<std::size_t>(stack.parameter->size());
      for (std::size_t first = 0; first < size; first += stack.size())
        step_matrix(stack, first, momentum, rate * stack.parameter->rate, scale);
    }
    others_->step(step, rate * options_.others_rate, scale);
  }

  std::vector<State> state() override {
    std::vector<State> states = others_->state();
    if (!momentum_.empty()) states.push_back({"muon.momentum", std::as_writable_bytes(momentum_)});
    return states;
  }

 private:
  // A matrix, or some of the same shape.
  struct Stack {
    const Parameter* parameter;
    std::size_t at;  // in the momentum
    std::size_t rows, columns;
    std::size_t size() const { return rows * columns; }
  };

  Muon(const KernelTable& kernels, ThreadPool& pool, const MuonOptions& options)
      : kernels_(kernels), pool_(pool), options_(options) {}

  void step_matrix(const Stack& stack, std::size_t first, float momentum, float rate, float scale) {
    const Arena::Mark mark = scratch_.mark();
    const std::span<float> x = scratch_.alloc_span<float>(stack.size());
    const float* const gradients = stack.parameter->gradient + first;
    float* const mean = momentum_.data() + stack.at + first;
    for_each(stack.size(), [&](std::size_t i) {
      const float fresh = (1 - momentum) * scale * gradients[i];
      mean[i] = momentum * mean[i] + fresh;
      x[i] = momentum * mean[i] + fresh;
    });
    const float* const direction = orthogonal(stack, x);
    float* const values = stack.parameter->value + first;
    const auto tall = static_cast<double>(stack.rows) / static_cast<double>(stack.columns);
    const float length = static_cast<float>(std::sqrt(std::max(1.0, tall)));
    for_each(stack.size(), [&](std::size_t i) {
      const float decay = direction[i] * values[i] > 0 ? options_.decay : 0.0F;
      values[i] -= rate * (length * direction[i] + decay * values[i]);
    });
    scratch_.rewind(mark);
  }

  // x with its singular values brought to about one; in scratch memory, x is used up.
  const float* orthogonal(const Stack& stack, std::span<float> x) {
    const double norm = frobenius_norm(x);
    if (!(norm > 0)) return x.data();
    const auto factor = static_cast<float>(1 / (kNormMargin * norm));
    for_each(x.size(), [&](std::size_t i) { x[i] *= factor; });
    const bool wide = stack.rows <= stack.columns;
    const auto rows = static_cast<std::int64_t>(stack.rows);
    const auto columns = static_cast<std::int64_t>(stack.columns);
    const std::int64_t smaller = std::min(rows, columns), larger = std::max(rows, columns);
    const auto square = static_cast<std::size_t>(smaller * smaller);
    float* const gram = scratch_.alloc<float>(square);
    float* const factors = scratch_.alloc<float>(square);
    float *from = x.data(), *to = scratch_.alloc<float>(x.size());
    for (const Polynomial& p : kPolynomials) {
      const FloatMatrix m{from, columns, 1}, short_rows = wide ? m : transposed(m);
      multiply(short_rows, transposed(short_rows), gram, {smaller, larger, smaller});
      multiply({gram, smaller, 1}, {gram, smaller, 1}, factors, {smaller, smaller, smaller});
      for_each(square, [&](std::size_t i) { factors[i] = p.c * factors[i] + p.b * gram[i]; });
      for (std::int64_t i = 0; i < smaller; ++i) factors[i * smaller + i] += p.a;
      const FloatMatrix f{factors, smaller, 1};
      if (wide)
        multiply(f, m, to, {rows, rows, columns});
      else
        multiply(m, f, to, {rows, columns, columns});
      std::swap(from, to);
    }
    return from;
  }

  struct Sizes {
    std::int64_t rows, depth, columns;
  };
  void multiply(const FloatMatrix& a, const FloatMatrix& b, float* c, const Sizes& sizes) {
    product(kernels_, pool_, scratch_,
            {.a = a,
             .b = b,
             .c = c,
             .c_stride = sizes.columns,
             .rows = sizes.rows,
             .depth = sizes.depth,
             .columns = sizes.columns});
  }

  double frobenius_norm(std::span<const float> x) const {
    constexpr std::size_t kStretch = 1024;
    double total = 0;
    for (std::size_t at = 0; at < x.size(); at += kStretch) {
      const std::size_t count = std::min(kStretch, x.size() - at);
      const float* const part = x.data() + at;
      total += static_cast<double>(kernels_.dot(part, part, static_cast<std::int64_t>(count)));
    }
    return std::sqrt(total);
  }

  template <typename Body>
  void for_each(std::size_t count, const Body& body) {
    pool_.parallel_for(count, kGrain, [&](std::size_t begin, std::size_t end, std::size_t) {
      for (std::size_t i = begin; i < end; ++i) body(i);
    });
  }

  const KernelTable& kernels_;
  ThreadPool& pool_;
  MuonOptions options_;
  std::vector<Stack> stacks_;
  std::unique_ptr<Optimizer> others_;
  Arena arena_;
  std::span<float> momentum_;
  Arena scratch_;
};

}  // namespace

Result<std::unique_ptr<Optimizer>> make_muon(Parameters& parameters, const KernelTable& kernels,
                                             ThreadPool& pool, const MuonOptions& options) {
  return Muon::create(parameters, kernels, pool, options);
}

}  // namespace bantam
