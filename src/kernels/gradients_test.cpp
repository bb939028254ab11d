// Derivatives against central differences of the same functions in double precision.
#include "kernels/gradients.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "kernels/kernel_test_data.h"
#include "kernels/reference.h"

namespace bantam {
namespace {

using Doubles = std::vector<double>;
using Loss = std::function<double(const Doubles&)>;

constexpr std::size_t kLengths[] = {1, 7, 16, 33, 100};

Doubles doubles(std::span<const float> x) { return Doubles(x.begin(), x.end()); }

// d loss / d x by central differences: error about 1e-10 of the loss's size.
Doubles differences(const Loss& loss, Doubles x) {
  constexpr double kStep = 1e-5;
  Doubles gradient(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double at = x[i];
    x[i] = at + kStep;
    const double above = loss(x);
    x[i] = at - kStep;
    const double below = loss(x);
    x[i] = at;
    gradient[i] = (above - below) / (2 * kStep);
  }
  return gradient;
}

// Sums of n floats near one: 1e-6, and n of them in sixteen lanes.
double tolerance(std::size_t n, double size) {
  return (1e-6 + static_cast<double>(n) * 1e-8) * (1 + size);
}

void expect_gradient(std::span<const float> got, const Doubles& want, const std::string& what) {
  double size = 0;
  for (const double w : want) size = std::max(size, std::abs(w));
  expect_close(got, want, [&](std::size_t) { return tolerance(want.size(), size); }, what);
}

template <typename Body>
void expect_every_isa_alike(const Body& body, const std::string& what) {
  const std::vector<float> want = body(*all_tables()[0]);
  for (const KernelTable* kernels : all_tables())
    expect_same_bits(body(*kernels), want, fmt::format("{} on {}", what, kernels->name));
}

// The function's own inputs, some derivatives that come from above, and what is already there.
struct Rows {
  std::vector<float> x, y, dy, before;
  Rows(std::size_t n, std::uint64_t seed) {
    Random random(seed);
    x = random_floats(random, n, 1.5), y = random_floats(random, n);
    dy = random_floats(random, n), before = random_floats(random, n);
  }
  std::int64_t size() const { return static_cast<std::int64_t>(x.size()); }
  Doubles plus(const Doubles& gradient) const {
    Doubles sum = doubles(before);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += gradient[i];
    return sum;
  }
};

double weighted_sum(const Doubles& y, std::span<const float> weights) {
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * static_cast<double>(weights[i]);
  return sum;
}

Doubles rms_normed(const Doubles& x, std::span<const float> weight, double epsilon) {
  double squares = 0;
  for (const double v : x) squares += v * v;
  const double r = 1 / std::sqrt(squares / static_cast<double>(x.size()) + epsilon);
  Doubles y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    y[i] = x[i] * r * (weight.empty() ? 1.0 : static_cast<double>(weight[i]));
  return y;
}

TEST(RmsNormBackward, IsTheDerivative) {
  for (const std::size_t n : kLengths) {
    for (const bool weighted : {true, false}) {
      const Rows rows(n, n);
      const std::span<const float> weight = weighted ? std::span(rows.y) : std::span<float>();
      const auto run = [&](const KernelTable& kernels) {
        std::vector<float> dx = rows.before;
        dx.push_back(kernels.rms_norm_backward(rows.x.data(), weighted ? weight.data() : nullptr,
                                               1e-5F, rows.dy.data(), dx.data(), rows.size()));
        return dx;
      };
      std::vector<float> got = run(*all_tables()[0]);
      const float r = got.back();
      got.pop_back();
      const Loss loss = [&](const Doubles& x) {
        return weighted_sum(rms_normed(x, weight, 1e-5), rows.dy);
      };
      expect_gradient(got, rows.plus(differences(loss, doubles(rows.x))), fmt::format("n {}", n));
      const Doubles normed = rms_normed(doubles(rows.x), {}, 1e-5);
      EXPECT_NEAR(static_cast<double>(r), normed[0] / static_cast<double>(rows.x[0]), 1e-5);
      expect_every_isa_alike(run, "rms_norm_backward");
    }
  }
}

TEST(ActivationBackward, IsTheDerivative) {
  for (std::size_t a = 0; a < kActivations; ++a) {
    const auto which = static_cast<Activation>(a);
    const Rows rows(333, 5);
    const auto run = [&](const KernelTable& kernels) {
      std::vector<float> dx = rows.before;
      kernels.activate_backward[a](rows.x.data(), rows.dy.data(), dx.data(), rows.size());
      return dx;
    };
    const Loss loss = [&](const Doubles& x) {
      Doubles y;
      for (const double v : x) y.push_back(reference::activate(which, v));
      return weighted_sum(y, rows.dy);
    };
    expect_gradient(run(*all_tables()[0]), rows.plus(differences(loss, doubles(rows.x))),
                    fmt::format("activation {}", a));
    expect_every_isa_alike(run, fmt::format("activation {}", a));
  }
}

TEST(GatedBackward, IsTheDerivativeOfBothSides) {
  for (std::size_t a = 0; a < kActivations; ++a) {
    const auto which = static_cast<Activation>(a);
    const Rows rows(97, 6);
    const auto run = [&](const KernelTable& kernels) {
      std::vector<float> both = rows.before;
      both.insert(both.end(), rows.before.begin(), rows.before.end());
      kernels.gated_backward[a](rows.x.data(), rows.y.data(), rows.dy.data(), both.data(),
                                both.data() + rows.size(), rows.size());
      return both;
    };
    const auto loss_of = [&](const Doubles& gate, const Doubles& up) {
      Doubles y;
      for (std::size_t i = 0; i < gate.size(); ++i)
        y.push_back(reference::activate(which, gate[i]) * up[i]);
      return weighted_sum(y, rows.dy);
    };
    Doubles want = rows.plus(differences(
        [&](const Doubles& gate) { return loss_of(gate, doubles(rows.y)); }, doubles(rows.x)));
    const Doubles up = rows.plus(differences(
        [&](const Doubles& values) { return loss_of(doubles(rows.x), values); }, doubles(rows.y)));
    want.insert(want.end(), up.begin(), up.end());
    expect_gradient(run(*all_tables()[0]), want, fmt::format("gated {}", a));
    expect_every_isa_alike(run, fmt::format("gated {}", a));
  }
}

Doubles softmaxed(const Doubles& x) {
  double sum = 0;
  Doubles p(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) sum += p[i] = std::exp(x[i]);
  for (double& v : p) v /= sum;
  return p;
}

TEST(SoftmaxBackward, IsTheDerivative) {
  for (const std::size_t n : kLengths) {
    const Rows rows(n, 40 + n);
    const auto run = [&](const KernelTable& kernels) {
      std::vector<float> p = rows.x, ds = rows.dy;
      kernels.softmax(p.data(), rows.size());
      kernels.softmax_backward(p.data(), 0.5F, ds.data(), rows.size());
      return ds;
    };
    const Loss loss = [&](const Doubles& x) { return 0.5 * weighted_sum(softmaxed(x), rows.dy); };
    expect_gradient(run(*all_tables()[0]), differences(loss, doubles(rows.x)),
                    fmt::format("n {}", n));
    expect_every_isa_alike(run, "softmax_backward");
  }
}

TEST(ExponentialShifted, GivesTheDerivativeOfACrossEntropy) {
  const Rows rows(300, 8);
  const auto run = [&](const KernelTable& kernels) {
    std::vector<float> z = rows.x;
    const double total = kernels.log_sum_exp(z.data(), rows.size());
    kernels.exponential_shifted(z.data(), static_cast<float>(total), 0.25F, rows.size());
    z[17] -= 0.25F;
    return z;
  };
  const Loss loss = [](const Doubles& z) { return -0.25 * std::log(softmaxed(z)[17]); };
  expect_gradient(run(*all_tables()[0]), differences(loss, doubles(rows.x)), "cross-entropy");
  expect_every_isa_alike(run, "cross-entropy");
}

TEST(AddProduct, AddsAndDotSums) {
  for (const std::size_t n : kLengths) {
    const Rows rows(n, 90 + n);
    const auto run = [&](const KernelTable& kernels) {
      std::vector<float> sum = rows.before;
      kernels.add_product(rows.x.data(), rows.y.data(), 0.75F, sum.data(), rows.size());
      sum.push_back(kernels.dot(rows.x.data(), rows.y.data(), rows.size()));
      return sum;
    };
    Doubles want = doubles(rows.before);
    double dot = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double product = static_cast<double>(rows.x[i]) * static_cast<double>(rows.y[i]);
      want[i] += 0.75 * product, dot += product;
    }
    want.push_back(dot);
    expect_gradient(run(*all_tables()[0]), want, fmt::format("n {}", n));
    expect_every_isa_alike(run, "add_product");
  }
}

TEST(Adamw, TakesTheStepOfItsPaper) {
  const Rows rows(77, 9);
  std::vector<float> second = rows.y;
  for (float& v : second) v *= v;
  const AdamwStep step{.rate = 0.01F,
                       .beta1 = 0.9F,
                       .beta2 = 0.99F,
                       .epsilon = 1e-6F,
                       .decay = 0.1F,
                       .bias1 = 0.19F,
                       .bias2 = 0.0199F,
                       .scale = 0.5F};
  const auto run = [&](const KernelTable& kernels) {
    std::vector<float> all = rows.before, m = rows.y, v = second;
    kernels.adamw(step, rows.dy.data(), m.data(), v.data(), all.data(), rows.size());
    all.insert(all.end(), m.begin(), m.end());
    all.insert(all.end(), v.begin(), v.end());
    return all;
  };
  const auto d = [](float x) { return static_cast<double>(x); };
  const std::size_t n = rows.x.size();
  Doubles want(3 * n);
  for (std::size_t i = 0; i < n; ++i) {
    const double g = d(rows.dy[i]) * d(step.scale);
    const double m = d(step.beta1) * d(rows.y[i]) + (1 - d(step.beta1)) * g;
    const double v = d(step.beta2) * d(second[i]) + (1 - d(step.beta2)) * g * g;
    const double size = std::sqrt(v / d(step.bias2)) + d(step.epsilon);
    const double move = m / d(step.bias1) / size + d(step.decay) * d(rows.before[i]);
    want[i] = d(rows.before[i]) - d(step.rate) * move;
    want[n + i] = m, want[2 * n + i] = v;
  }
  expect_gradient(run(*all_tables()[0]), want, "adamw");
  expect_every_isa_alike(run, "adamw");
}

}  // namespace
}  // namespace bantam
