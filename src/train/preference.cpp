#include <algorithm>
#include <cmath>

#include "train/losses.h"

namespace bantam {
namespace {

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}
// -log σ(x)
double softplus_of_minus(double x) {
  return std::max(0.0, -x) + std::log1p(std::exp(-std::abs(x)));
}

// Of one answer.
struct Answer {
  double sum = 0;        // Σ weight · log p
  double length = 0;     // Σ weight
  double reference = 0;  // of `sum`
  double mean() const { return length > 0 ? sum / length : 0; }
};

Answer measure(const Example& example, std::span<const double> logprobs) {
  Answer answer{.reference = example.reference};
  for (std::size_t i = 1; i < example.ids.size(); ++i) {
    const double weight{example.weights[i]};
    answer.sum += weight * logprobs[i - 1];
    answer.length += weight;
  }
  return answer;
}

// A loss of a pair and its derivatives by both sums.
struct PairLoss {
  double value = 0, chosen = 0, rejected = 0;
  // A loss of some z, its derivative by that, and those of z by both sums (-l by the rejected one).
  void add(double loss, double by_z, double w, double l) {
    value += loss;
    chosen += by_z * w;
    rejected -= by_z * l;
  }
};

// d loss / d sum becomes the weights of the rows, whose loss is weight · -log p.
void set_weights(const Example& example, double derivative, std::vector<float>& weights) {
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] = static_cast<float>(-derivative * double{example.weights[i]});
}

// Log odds of an answer by the mean of its log p, and their derivative by that.
struct LogOdds {
  double value, slope;
};
LogOdds log_odds(double mean) {
  constexpr double kNearestToCertain = -1e-12;  // odds of a certain answer are infinite
  const double m = std::min(mean, kNearestToCertain);
  return {m - std::log(-std::expm1(m)), -1 / std::expm1(m)};
}

class PreferenceObjective final : public Objective {
 public:
  explicit PreferenceObjective(const PreferenceOptions& options) : options_(options) {}

  std::int64_t group() const override { return 2; }
  bool needs_logprobs() const override { return true; }

  std::optional<double> weigh(std::span<const Example> group,
                              std::span<const std::vector<double>> logprobs,
                              std::span<std::vector<float>> weights) override {
    const Answer chosen = measure(group[0], logprobs[0]), rejected = measure(group[1], logprobs[1]);
    const PairLoss loss = pair_loss(chosen, rejected);
    set_weights(group[0], loss.chosen, weights[0]);
    set_weights(group[1], loss.rejected, weights[1]);
    return loss.value;
  }

 private:
  PairLoss pair_loss(const Answer& w, const Answer& l) const {
    PairLoss loss;
    const double by_mean_w = w.length > 0 ? 1 / w.length : 0;
    const double by_mean_l = l.length > 0 ? 1 / l.length : 0;
    const double beta = options_.beta;
    const double difference = (w.sum - w.reference) - (l.sum - l.reference);
    const double z = beta * difference;
    switch (options_.kind) {
      case Preference::kDpo: {
        const double flipped = options_.smoothing, straight = 1 - flipped;
        loss.add(straight * softplus_of_minus(z) + flipped * softplus_of_minus(-z),
                 flipped * sigmoid(z) - straight * sigmoid(-z), beta, beta);
        break;
      }
      case Preference::kIpo: {
        const double away = difference - 1 / (2 * beta);
        loss.add(away * away, 2 * away, 1, 1);
        break;
      }
      case Preference::kHinge:
        loss.add(std::max(0.0, 1 - z), z < 1 ? -1 : 0, beta, beta);
        break;
      case Preference::kSimpo: {
        const double apart = beta * (w.mean() - l.mean()) - options_.margin;
        loss.add(softplus_of_minus(apart), -sigmoid(-apart), beta * by_mean_w, beta * by_mean_l);
        break;
      }
      case Preference::kOrpo: {
        const LogOdds of_w = log_odds(w.mean()), of_l = log_odds(l.mean());
        const double apart = of_w.value - of_l.value;
        loss.add(beta * softplus_of_minus(apart), -beta * sigmoid(-apart), of_w.slope * by_mean_w,
                 of_l.slope * by_mean_l);
        break;
      }
    }
    const double nll_share = options_.chosen_nll + (options_.kind == Preference::kOrpo ? 1 : 0);
    loss.value -= nll_share * w.mean();
    loss.chosen -= nll_share * by_mean_w;
    return loss;
  }

  PreferenceOptions options_;
};

class KtoObjective final : public Kto {
 public:
  explicit KtoObjective(const KtoOptions& options) : options_(options) {}

  bool needs_logprobs() const override { return true; }

  void set_reference_point(double z0) override {
    CHECK(z0 >= 0);
    options_.reference_point = z0;
  }

  std::optional<double> weigh(std::span<const Example> group,
                              std::span<const std::vector<double>> logprobs,
                              std::span<std::vector<float>> weights) override {
    const Answer answer = measure(group[0], logprobs[0]);
    const bool good = group[0].label > 0;
    const double sign = good ? options_.beta : -options_.beta;
    const double share = good ? options_.good_weight : options_.bad_weight;
    const double u = sign * (answer.sum - answer.reference - options_.reference_point);
    set_weights(group[0], -share * sigmoid(u) * sigmoid(-u) * sign, weights[0]);
    return share * sigmoid(-u);
  }

 private:
  KtoOptions options_;
};

}  // namespace

std::unique_ptr<Objective> make_preference(const PreferenceOptions& options) {
  CHECK(options.beta > 0 && options.smoothing >= 0 && options.smoothing < 0.5 &&
        options.chosen_nll >= 0);
  return std::make_unique<PreferenceObjective>(options);
}

std::unique_ptr<Kto> make_kto(const KtoOptions& options) {
  CHECK(options.beta > 0 && options.good_weight >= 0 && options.bad_weight >= 0 &&
        options.reference_point >= 0);
  return std::make_unique<KtoObjective>(options);
}

}  // namespace bantam
