#include "tune/byte_distillation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "kernels/rowwise.h"
#include "tune/teacher.h"

namespace bantam {
namespace {

constexpr std::int64_t kLogitsAtOnce = 1 << 20;
using Masses = std::array<double, kOutcomes>;  // they need not sum to one

std::vector<double> probabilities(std::span<const float> logits) {
  const float largest = *std::ranges::max_element(logits);
  std::vector<double> p;
  p.reserve(logits.size());
  double sum = 0;
  for (const float logit : logits) {
    p.push_back(std::exp(double{logit} - double{largest}));
    sum += p.back();
  }
  for (double& value : p) value /= sum;
  return p;
}

Masses masses_after(const ByteVocabulary& vocabulary, std::span<const double> p,
                    std::string_view prefix) {
  Masses masses{};
  vocabulary.for_each(prefix, [&](TokenId id, std::size_t outcome) {
    masses[outcome] += p[static_cast<std::size_t>(id)];
  });
  return masses;
}

// Number of an outcome among those that are compared; the last is everything else.
struct Comparison {
  std::array<std::int16_t, kOutcomes> index{};
  std::vector<double> teacher, student;  // logarithms
};

Comparison compare(const Masses& teacher, const Masses& student) {
  Comparison out;
  out.index.fill(-1);
  double rest_of_teacher = 0, rest_of_student = 0;
  for (std::size_t o = 0; o < kOutcomes; ++o) {
    if (o != kStopOutcome && teacher[o] > 0 && student[o] > 0) {
      out.index[o] = static_cast<std::int16_t>(out.teacher.size());
      out.teacher.push_back(std::log(teacher[o]));
      out.student.push_back(std::log(student[o]));
    } else {
      rest_of_teacher += teacher[o];
      rest_of_student += student[o];
    }
  }
  if (rest_of_teacher > 0 && rest_of_student > 0) {
    const auto rest = static_cast<std::int16_t>(out.teacher.size());
    for (std::size_t o = 0; o < kOutcomes; ++o)
      if (out.index[o] < 0) out.index[o] = rest;
    out.teacher.push_back(std::log(rest_of_teacher));
    out.student.push_back(std::log(rest_of_student));
  }
  return out;
}

class ByteDistillation final : public Objective {
 public:
  ByteDistillation(const DistillationOptions& options,
                   std::shared_ptr<const ByteVocabulary> student, ByteTeacher teacher,
                   ThreadPool& pool)
      : options_(options), student_(std::move(student)), teacher_(std::move(teacher)), pool_(pool) {
    for (const Example& example : teacher_.examples)
      answers_.push_back(byte_answer(example, *teacher_.vocabulary));
  }

  Result<void> begin(std::span<const Example> examples,
                     std::span<const RowTarget> targets) override;
  double row(const KernelTable&, const RowTarget& target, double total,
             std::span<float> logits) override;

 private:
  // A token of the student's: the teacher's masses at each of its bytes, or at its end.
  struct Place {
    std::size_t first = 0, count = 0;  // of masses_
    std::string_view bytes;
  };
  void place(std::span<const Example> examples, std::span<const RowTarget> targets);
  Result<void> ask(std::span<const Example> examples);
  // Adds the derivative by the student's logits.
  double at_byte(const Masses& teacher, std::string_view prefix, std::span<const double> p,
                 std::span<double> derivative) const;

  DistillationOptions options_;
  std::shared_ptr<const ByteVocabulary> student_;
  ByteTeacher teacher_;
  ThreadPool& pool_;
  std::vector<ByteAnswer> answers_;  // the teacher's
  // Of the micro-batch.
  std::span<const RowTarget> targets_;
  std::vector<Place> places_;  // one a target
  std::map<std::int64_t, std::size_t>
      first_mass_;  // by the example's number, of its answer's bytes
  std::vector<Masses>
      masses_;  // of every byte of every answer, and of every end after those of its
};

Result<void> ByteDistillation::begin(std::span<const Example> examples,
                                     std::span<const RowTarget> targets) {
  targets_ = targets;
  std::vector<Example> used;
  std::int64_t last = -1;
  for (const RowTarget& target : targets) {
    if (target.example == last) continue;
    last = target.example;
    used.push_back(examples[static_cast<std::size_t>(last)]);
  }
  TRY(ask(used));
  place(examples, targets);
  return {};
}

// The masses of an answer of n bytes with m ends: n, then m.
Result<void> ByteDistillation::ask(std::span<const Example> examples) {
  std::vector<std::span<const std::int32_t>> inputs;
  std::vector<ForwardPass::Row> rows;
  struct Row {
    std::size_t mass = 0;
    std::string_view bytes;  // none: an end
  };
  std::vector<Row> of_rows;
  std::size_t masses = 0;
  first_mass_.clear();
  for (const Example& example : examples) {
    const auto number = static_cast<std::size_t>(example.number);
    CHECK(number < answers_.size());
    if (!first_mass_.emplace(example.number, masses).second) continue;
    const ByteAnswer& answer = answers_[number];
    const auto& ids = teacher_.examples[number].ids;
    inputs.push_back(std::span(ids).first(ids.size() - 1));
    std::size_t ends = 0;
    for (const ByteAnswer::Token& token : answer.tokens) {
      const std::string& bytes =
          teacher_.vocabulary->bytes(ids[static_cast<std::size_t>(token.position)]);
      if (bytes.empty() && !token.ends) continue;
      rows.push_back({.input = inputs.size() - 1, .row = token.position - 1});
      of_rows.push_back(
          {token.ends ? masses + answer.bytes.size() + ends++ : masses + token.begin, bytes});
    }
    masses += answer.bytes.size() + ends;
  }
  masses_.assign(masses, {});
  if (rows.empty()) return {};
  TRY(teacher_.pass->run(inputs, rows));
  const std::int64_t at_once =
      std::max<std::int64_t>(1, kLogitsAtOnce / teacher_.pass->vocabulary());
  const auto total = static_cast<std::int64_t>(rows.size());
  for (std::int64_t first = 0; first < total; first += at_once) {
    const FloatTensor logits = teacher_.pass->logits(first, std::min(at_once, total - first));
    for_each_row(pool_, logits.shape[0], logits.shape.last(), [&](std::int64_t r) {
      const std::vector<double> p =
          probabilities({logits.row(r), static_cast<std::size_t>(logits.shape.last())});
      const Row& row = of_rows[static_cast<std::size_t>(first + r)];
      for (std::size_t i = 0; i < std::max<std::size_t>(1, row.bytes.size()); ++i)
        masses_[row.mass + i] = masses_after(*teacher_.vocabulary, p, row.bytes.substr(0, i));
    });
  }
  return {};
}

void ByteDistillation::place(std::span<const Example> examples,
                             std::span<const RowTarget> targets) {
  places_.clear();
  std::int64_t last = -1;
  std::size_t byte = 0, end = 0;
  for (const RowTarget& target : targets) {
    const auto number = examples[static_cast<std::size_t>(target.example)].number;
    const std::size_t first = first_mass_.at(number);
    if (target.example != last) byte = end = 0;
    last = target.example;
    const std::string_view bytes = student_->bytes(target.id);
    if (student_->ends(target.id)) {
      const std::size_t after = answers_[static_cast<std::size_t>(number)].bytes.size();
      places_.push_back({first + after + end++, 1, {}});
    } else {
      places_.push_back({first + byte, bytes.size(), bytes});
      byte += bytes.size();
    }
  }
}

double ByteDistillation::at_byte(const Masses& teacher, std::string_view prefix,
                                 std::span<const double> p, std::span<double> derivative) const {
  const Masses student = masses_after(*student_, p, prefix);
  const Comparison both = compare(teacher, student);
  if (both.teacher.size() < 2) return 0;  // nothing to tell apart
  std::vector<double> g(both.teacher.size());
  const double loss = divergence_of(options_, both.teacher, both.student, g);
  student_->for_each(prefix, [&](TokenId id, std::size_t outcome) {
    const std::int16_t index = both.index[outcome];
    if (index < 0) return;
    const auto at = static_cast<std::size_t>(index);
    const double part = p[static_cast<std::size_t>(id)] / std::exp(both.student[at]);
    derivative[static_cast<std::size_t>(id)] += g[at] * part;
  });
  return loss;
}

double ByteDistillation::row(const KernelTable&, const RowTarget& target, double total,
                             std::span<float> logits) {
  const Place& place = places_[index_of(targets_, target)];
  const std::vector<double> p = probabilities(logits);
  std::vector<double> derivative(logits.size(), 0.0);
  double loss = 0;
  for (std::size_t i = 0; i < place.count; ++i)
    loss += at_byte(masses_[place.first + i], place.bytes.substr(0, i), p, derivative);
  const double data = target.weight * options_.data_share, rest = target.weight - data;
  const auto id = static_cast<std::size_t>(target.id);
  const double logprob = double{logits[id]} - total;
  for (std::size_t i = 0; i < derivative.size(); ++i)
    logits[i] = static_cast<float>(rest * derivative[i] + data * (p[i] - (i == id ? 1.0 : 0.0)));
  return rest * loss - (data != 0 ? data * logprob : 0);
}

}  // namespace

ByteAnswer byte_answer(const Example& example, const ByteVocabulary& vocabulary) {
  ByteAnswer answer;
  for (std::size_t i = 1; i < example.ids.size(); ++i) {
    if (example.weights[i] == 0) continue;
    const bool ends = vocabulary.ends(example.ids[i]);
    answer.tokens.push_back(
        {.position = static_cast<std::int64_t>(i), .begin = answer.bytes.size(), .ends = ends});
    answer.bytes += vocabulary.bytes(example.ids[i]);
  }
  return answer;
}

bool same_answers(const ByteAnswer& one, const ByteAnswer& other) {
  const auto ends_of = [](const ByteAnswer& answer) {
    std::vector<std::size_t> ends;
    for (const ByteAnswer::Token& token : answer.tokens)
      if (token.ends) ends.push_back(token.begin);
    return ends;
  };
  return one.bytes == other.bytes && ends_of(one) == ends_of(other);
}

std::unique_ptr<Objective> make_byte_distillation(const DistillationOptions& options,
                                                  std::shared_ptr<const ByteVocabulary> student,
                                                  ByteTeacher teacher, ThreadPool& pool) {
  return std::make_unique<ByteDistillation>(options, std::move(student), std::move(teacher), pool);
}

}  // namespace bantam
