#include "tune/score_report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

namespace bantam {
namespace {

constexpr double kNormal95 = 1.959963984540054;

// A mean over tokens is a ratio of two sums over rows: its error follows from how far each row is
// from it.
Interval loss_interval(std::span<const RowAnswer> answers, double mean, double weight) {
  double squares = 0;
  for (const RowAnswer& answer : answers) {
    const double off = answer.logprob - mean * answer.weight;
    squares += off * off;
  }
  const auto rows = static_cast<double>(answers.size());
  const double error =
      rows < 2 || weight == 0 ? 0 : std::sqrt(squares * rows / (rows - 1)) / weight;
  return {mean - kNormal95 * error, mean + kNormal95 * error};
}

}  // namespace

Interval wilson_interval(std::int64_t right, std::int64_t all) {
  if (all == 0) return {};
  const auto n = static_cast<double>(all);
  const double share = static_cast<double>(right) / n, z2 = kNormal95 * kNormal95;
  const double middle = share + z2 / (2 * n);
  const double width = kNormal95 * std::sqrt(share * (1 - share) / n + z2 / (4 * n * n));
  return {std::max(0.0, (middle - width) / (1 + z2 / n)),
          std::min(1.0, (middle + width) / (1 + z2 / n))};
}

ScoreReport report_answers(Metric metric, std::span<const RowAnswer> answers) {
  ScoreReport report{.metric = metric, .rows = static_cast<std::int64_t>(answers.size())};
  report.score = score_of(metric, answers);
  if (metric == Metric::kLoss) {
    for (const RowAnswer& answer : answers) report.weight += answer.weight;
    report.interval = loss_interval(answers, report.score, report.weight);
    return report;
  }
  report.right = std::ranges::count(answers, true, &RowAnswer::right);
  report.interval = wilson_interval(report.right, report.rows);
  if (metric != Metric::kLabel) return report;

  std::map<std::string, ScoreReport::Label> labels;
  std::map<std::pair<std::string, std::string>, std::int64_t> pairs;
  for (const RowAnswer& answer : answers) {
    ++labels[answer.wanted].rows;
    labels[answer.wanted].right += answer.right;
    ++labels[answer.found].given;
    if (!answer.right) ++pairs[{answer.wanted, answer.found}];
  }
  for (auto& [name, label] : labels) {
    label.label = name;
    report.labels.push_back(label);
  }
  std::ranges::sort(report.labels, {}, [](const auto& label) {
    return std::tuple(label.right - label.rows, label.right - label.given,
                      std::string_view(label.label));
  });
  for (const auto& [pair, rows] : pairs)
    report.confusions.push_back({.wanted = pair.first, .found = pair.second, .rows = rows});
  std::ranges::sort(report.confusions, {}, [](const auto& pair) {
    return std::tuple(-pair.rows, std::string_view(pair.wanted), std::string_view(pair.found));
  });
  return report;
}

std::string ScoreReport::to_text(std::size_t most) const {
  if (metric == Metric::kLoss)
    return fmt::format(
        "loss {:.6f} nats a token ({:.4f} to {:.4f}), perplexity {:.4f}, over {} rows, {:g} "
        "tokens\n",
        -score, -interval.high, -interval.low, std::exp(-score), rows, weight);
  std::string text =
      fmt::format("{} {:.2f} % ({:.2f} to {:.2f}): {} of {} rows\n", metric_name(metric),
                  100 * score, 100 * interval.low, 100 * interval.high, right, rows);
  if (confusions.empty()) return text;
  text += "\n    errors  of rows  wrongly given  label\n";
  for (const Label& label : std::span(labels).first(std::min(most, labels.size())))
    if (label.rows > label.right || label.given > label.right)
      text += fmt::format("{:10}{:9}{:15}  {}\n", label.rows - label.right, label.rows,
                          label.given - label.right, quoted(label.label));
  text += "\n      rows  wanted → found\n";
  for (const Confusion& pair : std::span(confusions).first(std::min(most, confusions.size())))
    text += fmt::format("{:10}  {} → {}\n", pair.rows, quoted(pair.wanted), quoted(pair.found));
  return text;
}

JsonObject ScoreReport::to_json() const {
  JsonObject document{{"metric", metric_name(metric)},
                      {"rows", rows},
                      {"score", score},
                      {"low", interval.low},
                      {"high", interval.high}};
  if (metric == Metric::kLoss) {
    document["tokens"] = weight;
    document["loss"] = -score;
    document["perplexity"] = std::exp(-score);
    return document;
  }
  document["right"] = right;
  if (metric != Metric::kLabel) return document;
  JsonArray label_list, confusion_list;
  for (const Label& label : labels)
    label_list.push_back(JsonObject{{"label", label.label},
                                    {"rows", label.rows},
                                    {"right", label.right},
                                    {"given", label.given}});
  for (const Confusion& pair : confusions)
    confusion_list.push_back(
        JsonObject{{"wanted", pair.wanted}, {"found", pair.found}, {"rows", pair.rows}});
  document["labels"] = std::move(label_list);
  document["confusions"] = std::move(confusion_list);
  return document;
}

Json answer_to_json(Metric metric, const RowAnswer& answer) {
  if (metric == Metric::kLoss)
    return JsonObject{
        {"line", answer.line}, {"logprob", answer.logprob}, {"tokens", answer.weight}};
  JsonObject row{{"line", answer.line},
                 {"right", answer.right},
                 {"wanted", answer.wanted},
                 {"found", answer.found}};
  if (metric == Metric::kLabel) row["logprob"] = answer.logprob;
  return row;
}

}  // namespace bantam
