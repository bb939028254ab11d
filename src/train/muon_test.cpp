// Muon's steps against the same mathematics in double precision, and what they are there for.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "train/optimizer.h"

namespace bantam {
namespace {

std::unique_ptr<Parameters> some_parameters() {
  auto made = Parameters::create(
      {{.name = "wide", .shape = Shape{24, 70}},
       {.name = "tall", .shape = Shape{90, 30}},
       {.name = "stack", .shape = Shape{3, 20, 16}},
       {.name = "row", .shape = Shape{1, 33}},
       {.name = "norm", .shape = Shape{70}, .role = ParameterRole::kVector},
       {.name = "table", .shape = Shape{40, 70}, .role = ParameterRole::kEmbedding}});
  return std::move(*made);
}

void set_gradients(Parameters& parameters, std::uint64_t seed) {
  Random random(seed);
  for (float& value : parameters.gradients()) value = static_cast<float>(random.next_normal());
}

std::vector<float> values_of(const Parameters& parameters) {
  return {parameters.values().begin(), parameters.values().end()};
}

// Rows of doubles.
struct Matrix {
  std::size_t rows, columns;
  std::vector<double> at = std::vector<double>(rows * columns);
  double& operator()(std::size_t r, std::size_t c) { return at[r * columns + c]; }
  double operator()(std::size_t r, std::size_t c) const { return at[r * columns + c]; }
};

Matrix times(const Matrix& a, const Matrix& b) {
  Matrix c{a.rows, b.columns};
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t k = 0; k < a.columns; ++k)
      for (std::size_t j = 0; j < b.columns; ++j) c(i, j) += a(i, k) * b(k, j);
  return c;
}

Matrix flipped(const Matrix& a) {
  Matrix t{a.columns, a.rows};
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.columns; ++j) t(j, i) = a(i, j);
  return t;
}

// By rotations of pairs of columns until all are at right angles (Hestenes, 1958).
std::vector<double> singular_values(Matrix m) {
  if (m.rows < m.columns) m = flipped(m);
  for (int sweep = 0; sweep < 30; ++sweep) {
    for (std::size_t p = 0; p < m.columns; ++p) {
      for (std::size_t q = p + 1; q < m.columns; ++q) {
        double pp = 0, qq = 0, pq = 0;
        for (std::size_t r = 0; r < m.rows; ++r)
          pp += m(r, p) * m(r, p), qq += m(r, q) * m(r, q), pq += m(r, p) * m(r, q);
        const double angle = 0.5 * std::atan2(2 * pq, pp - qq);
        const double c = std::cos(angle), s = std::sin(angle);
        for (std::size_t r = 0; r < m.rows; ++r) {
          const double x = m(r, p), y = m(r, q);
          m(r, p) = c * x + s * y, m(r, q) = c * y - s * x;
        }
      }
    }
  }
  std::vector<double> values;
  for (std::size_t p = 0; p < m.columns; ++p) {
    double square = 0;
    for (std::size_t r = 0; r < m.rows; ++r) square += m(r, p) * m(r, p);
    values.push_back(std::sqrt(square));
  }
  return values;
}

// The published iteration, on the transpose of what is taller than wide.
Matrix reference_direction(const Matrix& gradient) {
  constexpr double kCoefficients[5][3] = {{8.1566, -22.4833, 15.8788},
                                          {4.0429, -2.8089, 0.5000},
                                          {3.8917, -2.7725, 0.5061},
                                          {3.2858, -2.3681, 0.4645},
                                          {2.3465, -1.7098, 0.4232}};
  if (gradient.rows > gradient.columns) return flipped(reference_direction(flipped(gradient)));
  Matrix x = gradient;
  double square = 0;
  for (const double value : x.at) square += value * value;
  for (double& value : x.at) value /= 1.01 * std::sqrt(square);
  for (const auto& [a, b, c] : kCoefficients) {
    const Matrix gram = times(x, flipped(x));
    const Matrix once = times(gram, x), twice = times(gram, once);
    for (std::size_t i = 0; i < x.at.size(); ++i)
      x.at[i] = a * x.at[i] + b * once.at[i] + c * twice.at[i];
  }
  return x;
}

Matrix matrix_of(const float* values, std::size_t rows, std::size_t columns, double factor) {
  Matrix m{rows, columns};
  for (std::size_t i = 0; i < m.at.size(); ++i) m.at[i] = factor * static_cast<double>(values[i]);
  return m;
}

struct Place {
  const char* name;
  std::size_t rows, columns, first;
};
constexpr Place kMatrices[] = {{"wide", 24, 70, 0},    {"tall", 90, 30, 0},    {"stack", 20, 16, 0},
                               {"stack", 20, 16, 320}, {"stack", 20, 16, 640}, {"row", 1, 33, 0}};

// The parameters begin at zero and do not decay, so after one step they are the step.
TEST(Muon, OneStepHasSingularValuesNearOneAndIsTheReferences) {
  ThreadPool pool(2);
  const auto parameters = some_parameters();
  set_gradients(*parameters, 4);
  make_muon(*parameters, **choose_kernels(""), pool, {.decay = 0}).value()->step(1, 0.02F, 0.5F);
  for (const Place& place : kMatrices) {
    const Parameter& parameter = *parameters->find(place.name);
    const double length = std::sqrt(
        std::max(1.0, static_cast<double>(place.rows) / static_cast<double>(place.columns)));
    const Matrix step =
        matrix_of(parameter.value + place.first, place.rows, place.columns, -1 / (0.02 * length));
    const Matrix want = reference_direction(
        matrix_of(parameter.gradient + place.first, place.rows, place.columns, 1));
    for (std::size_t i = 0; i < step.at.size(); ++i)
      ASSERT_NEAR(step.at[i], want.at[i], 1e-4) << place.name << " " << i;
    for (const double value : singular_values(step)) {
      EXPECT_GT(value, 0.7) << place.name;
      EXPECT_LT(value, 1.3) << place.name;
    }
  }
}

// Singular values over a range of three hundred: the largest and the smallest direction of the
// gradient are of about equal length in the step.
TEST(Muon, DirectionsThatTheGradientHardlyHasCountTheSame) {
  ThreadPool pool(1);
  const auto parameters = Parameters::create({{.name = "matrix", .shape = Shape{16, 16}}}).value();
  const Parameter& matrix = *parameters->find("matrix");
  for (std::size_t i = 0; i < 16; ++i)
    matrix.gradient[i * 17] = static_cast<float>(std::pow(300.0, -static_cast<double>(i) / 15));
  make_muon(*parameters, **choose_kernels(""), pool, {.decay = 0}).value()->step(1, 1, 1);
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_GT(-matrix.value[i * 17], 0.7F) << i;
    EXPECT_LT(-matrix.value[i * 17], 1.3F) << i;
  }
}

TEST(Muon, MomentumIsNesterovsAndRises) {
  ThreadPool pool(1);
  const auto parameters = some_parameters();
  const auto optimizer =
      make_muon(*parameters, **choose_kernels(""), pool,
                {.momentum = 0.9F, .first_momentum = 0.5F, .momentum_steps = 4, .decay = 0})
          .value();
  const Parameter& wide = *parameters->find("wide");
  Matrix mean{24, 70};
  for (std::int64_t step = 1; step <= 6; ++step) {
    set_gradients(*parameters, static_cast<std::uint64_t>(step));
    const double momentum = 0.5 + 0.4 * std::min(1.0, static_cast<double>(step) / 4);
    const Matrix gradient = matrix_of(wide.gradient, 24, 70, 1);
    Matrix ahead{24, 70};
    for (std::size_t i = 0; i < mean.at.size(); ++i) {
      mean.at[i] += (1 - momentum) * (gradient.at[i] - mean.at[i]);
      ahead.at[i] = momentum * mean.at[i] + (1 - momentum) * gradient.at[i];
    }
    std::ranges::fill(parameters->values(), 0.0F);
    optimizer->step(step, 1, 1);
    const Matrix want = reference_direction(ahead);
    for (std::size_t i = 0; i < want.at.size(); ++i)
      ASSERT_NEAR(-static_cast<double>(wide.value[i]), want.at[i], 1e-4) << step << " " << i;
  }
}

TEST(Muon, DecaysOnlyWhereTheStepGoesTowardsZero) {
  ThreadPool pool(1);
  const KernelTable& kernels = **choose_kernels("");
  const auto plain = some_parameters(), decayed = some_parameters();
  for (Parameters* parameters : {plain.get(), decayed.get()}) {
    Random random(8);
    for (float& value : parameters->values()) value = static_cast<float>(random.next_normal());
    set_gradients(*parameters, 9);
  }
  const std::vector<float> before = values_of(*plain);
  make_muon(*plain, kernels, pool, {.decay = 0}).value()->step(1, 0.02F, 1);
  make_muon(*decayed, kernels, pool, {.decay = 0.5F}).value()->step(1, 0.02F, 1);
  std::size_t shrunk = 0, count = 24 * 70;  // of "wide", the first one
  for (std::size_t i = 0; i < count; ++i) {
    const float moved = plain->values()[i] - before[i];
    const bool towards_zero = moved * before[i] < 0;
    shrunk += towards_zero ? 1 : 0;
    EXPECT_NEAR(decayed->values()[i] - plain->values()[i], towards_zero ? -0.01F * before[i] : 0.0F,
                1e-6F);
  }
  EXPECT_GT(shrunk, count / 4);
  EXPECT_LT(shrunk, count * 3 / 4);
}

TEST(Muon, LeavesTablesAndVectorsToAdamw) {
  ThreadPool pool(1);
  const KernelTable& kernels = **choose_kernels("");
  const auto muon = some_parameters(), adamw = some_parameters();
  const auto first =
      make_muon(*muon, kernels, pool, {.others_rate = 0.25F, .others = {.beta2 = 0.95F}}).value();
  const auto second = make_adamw(*adamw, kernels, pool, {.beta2 = 0.95F}).value();
  for (std::int64_t step = 1; step <= 3; ++step) {
    set_gradients(*muon, static_cast<std::uint64_t>(step));
    set_gradients(*adamw, static_cast<std::uint64_t>(step));
    first->step(step, 0.04F, 1), second->step(step, 0.01F, 1);
  }
  for (const char* name : {"norm", "table"})
    EXPECT_TRUE(std::ranges::equal(muon->find(name)->values(), adamw->find(name)->values()))
        << name;
}

TEST(Muon, NoGradientIsNoStep) {
  ThreadPool pool(1);
  const auto parameters = some_parameters();
  std::ranges::fill(parameters->values(), 2.0F);
  parameters->zero_gradients();
  make_muon(*parameters, **choose_kernels(""), pool, {}).value()->step(1, 0.02F, 1);
  for (const float value : parameters->values()) EXPECT_EQ(value, 2.0F);
}

// Also from one thread to two, and with eight bits for the others.
TEST(Muon, GoesOnFromItsStateWithTheSameBits) {
  const KernelTable& kernels = **choose_kernels("");
  ThreadPool one(1), two(2);
  const auto make = [] {
    return Parameters::create(
               {{.name = "matrix", .shape = Shape{210, 300}},
                {.name = "table", .shape = Shape{70, 70}, .role = ParameterRole::kEmbedding}})
        .value();
  };
  const MuonOptions options{.others = {.eight_bits = true}};
  const auto straight = make(), resumed = make();
  const auto first = make_muon(*straight, kernels, one, options).value();
  const auto second = make_muon(*resumed, kernels, two, options).value();
  for (std::int64_t step = 1; step <= 4; ++step) {
    set_gradients(*straight, static_cast<std::uint64_t>(step));
    first->step(step, 0.02F, 0.7F);
    if (step == 2) {
      std::ranges::copy(straight->values(), resumed->values().begin());
      const auto from = first->state(), to = second->state();
      ASSERT_EQ(from.size(), 5U);
      for (std::size_t i = 0; i < from.size(); ++i) {
        ASSERT_EQ(from[i].bytes.size(), to[i].bytes.size());
        std::ranges::copy(from[i].bytes, to[i].bytes.begin());
      }
    } else if (step > 2) {
      set_gradients(*resumed, static_cast<std::uint64_t>(step));
      second->step(step, 0.02F, 0.7F);
    }
  }
  EXPECT_EQ(values_of(*resumed), values_of(*straight));
}

}  // namespace
}  // namespace bantam
