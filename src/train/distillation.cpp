#include <cmath>
#include <limits>
#include <vector>

#include "train/losses.h"

namespace bantam {
namespace {

// log p and p. Teacher and student go through the same lines, so that equal logits give equal bits
// and a difference of nothing.
struct Distribution {
  std::vector<double> log, probability;

  Distribution(std::span<const double> logits, double temperature)
      : log(logits.size()), probability(logits.size()) {
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (const double logit : logits) largest = std::max(largest, logit);
    for (std::size_t i = 0; i < log.size(); ++i) {
      log[i] = (logits[i] - largest) / temperature;
      sum += std::exp(log[i]);
    }
    const double total = std::log(sum);
    for (std::size_t i = 0; i < log.size(); ++i) {
      log[i] -= total;
      probability[i] = std::exp(log[i]);
    }
  }
};

// p log(p / m); nothing where p is 0.
double part(double p, double m) { return p > 0 ? p * std::log(p / m) : 0; }

// Each takes p and q and gives the divergence; `g` gets its derivatives by the student's logits
// over the temperature. All are written so that equal distributions give zeros, and those whose
// derivative is q (x - Σ q x) say what x is.
double centred(const std::vector<double>& q, std::span<double> x) {
  double mean = 0;
  for (std::size_t i = 0; i < x.size(); ++i) mean += q[i] * x[i];
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = q[i] * (x[i] - mean);
  return mean;
}

double forward_kl(const Distribution& p, const Distribution& q, std::span<double> g) {
  double sum = 0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    if (p.probability[i] > 0) sum += p.probability[i] * (p.log[i] - q.log[i]);
    g[i] = q.probability[i] - p.probability[i];
  }
  return sum;
}

double reverse_kl(const Distribution& p, const Distribution& q, std::span<double> g) {
  for (std::size_t i = 0; i < g.size(); ++i) g[i] = q.probability[i] > 0 ? q.log[i] - p.log[i] : 0;
  return centred(q.probability, g);
}

double jensen_shannon(const Distribution& p, const Distribution& q, double beta,
                      std::span<double> g) {
  double sum = 0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double a = p.probability[i], b = q.probability[i], m = b + beta * (a - b);
    sum += beta * part(a, m) + (1 - beta) * part(b, m);
    g[i] = b > 0 ? (1 - beta) * std::log(b / m) : 0;
  }
  centred(q.probability, g);
  return sum;
}

double skew_kl(const Distribution& p, const Distribution& q, double alpha, std::span<double> g) {
  double sum = 0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double a = p.probability[i], b = q.probability[i], m = b + alpha * (a - b);
    sum += part(a, m);
    g[i] = m > 0 ? (1 - alpha) * (1 - a / m) : 0;  // the 1 changes nothing, as Σ q is 1
  }
  centred(q.probability, g);
  return sum;
}

double total_variation(const Distribution& p, const Distribution& q, std::span<double> g) {
  double sum = 0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double away = q.probability[i] - p.probability[i];
    sum += std::abs(away) / 2;
    g[i] = away > 0 ? 0.5 : away < 0 ? -0.5 : 0;
  }
  centred(q.probability, g);
  return sum;
}

double compare(const DistillationOptions& options, const Distribution& p, const Distribution& q,
               std::span<double> g) {
  switch (options.kind) {
    case Divergence::kForward:
      return forward_kl(p, q, g);
    case Divergence::kReverse:
      return reverse_kl(p, q, g);
    case Divergence::kJensenShannon:
      return jensen_shannon(p, q, options.mix, g);
    case Divergence::kSkew:
      return skew_kl(p, q, options.mix, g);
    case Divergence::kTotalVariation:
      return total_variation(p, q, g);
  }
  CHECK(false);
}

class DistillationObjective final : public Objective {
 public:
  DistillationObjective(const DistillationOptions& options, std::shared_ptr<TeacherRows> teacher)
      : options_(options), teacher_(std::move(teacher)) {}

  Result<void> begin(std::span<const Example> examples,
                     std::span<const RowTarget> targets) override {
    return teacher_->begin(examples, targets);
  }
  void begin_rows(std::span<const RowTarget> targets) override { teacher_->begin_rows(targets); }

  double row(const KernelTable&, const RowTarget& target, double total,
             std::span<float> logits) override {
    std::vector<float> of_teacher(logits.size());
    teacher_->logits(target, of_teacher);
    const std::vector<double> teacher(of_teacher.begin(), of_teacher.end());
    const std::vector<double> student(logits.begin(), logits.end());
    std::vector<double> g(logits.size());
    const double divergence = divergence_of(options_, teacher, student, g);

    const double data = target.weight * options_.data_share, rest = target.weight - data;
    const auto id = static_cast<std::size_t>(target.id);
    const double logprob = student[id] - total;
    for (std::size_t i = 0; i < g.size(); ++i) {
      double derivative = rest * g[i];
      if (data != 0) derivative += data * std::exp(student[i] - total);
      logits[i] = static_cast<float>(i == id ? derivative - data : derivative);
    }
    return rest * divergence - (data != 0 ? data * logprob : 0);
  }

 private:
  DistillationOptions options_;
  std::shared_ptr<TeacherRows> teacher_;
};

}  // namespace

double divergence_of(const DistillationOptions& options, std::span<const double> teacher,
                     std::span<const double> student, std::span<double> derivative) {
  CHECK(teacher.size() == student.size() && teacher.size() == derivative.size());
  const double temperature = options.temperature;
  const Distribution p(teacher, temperature), q(student, temperature);
  const double divergence = compare(options, p, q, derivative);
  for (double& g : derivative) g *= temperature;
  return temperature * temperature * divergence;
}

Result<void> TeacherRows::begin(std::span<const Example>, std::span<const RowTarget>) { return {}; }

void TeacherRows::begin_rows(std::span<const RowTarget>) {}

std::unique_ptr<Objective> make_distillation(const DistillationOptions& options,
                                             std::shared_ptr<TeacherRows> teacher) {
  CHECK(teacher != nullptr && options.mix > 0 && options.mix < 1 && options.temperature > 0 &&
        options.data_share >= 0 && options.data_share <= 1);
  return std::make_unique<DistillationObjective>(options, std::move(teacher));
}

}  // namespace bantam
