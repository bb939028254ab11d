#include "cli/bench_report.h"

#include <algorithm>

#include "cli/text.h"
#include "models/shapes.h"

namespace bantam {
namespace {

// "2,028 Gop/s" without the comma: three digits and a unit of a thousand million.
std::string operations(double per_second) { return fmt::format("{:.4g} Gop/s", per_second / 1e9); }

std::string bytes_a_second(double rate) {
  return human_bytes(static_cast<std::uint64_t>(rate)) + "/s";
}

std::string_view arithmetic(const BenchmarkReport& report) {
  return report.float_weights ? "F32" : "int8";
}

std::string figure_text(const BenchmarkReport& report, const BenchmarkFigure& figure) {
  std::string text = fmt::format("{:10.1f} tokens/s  ", figure.tokens_per_second);
  text += fmt::format("{:3.0f} % of the read rate, {:3.0f} % of the {} peak; ",
                      100 * figure.share_of_read_bandwidth, 100 * figure.share_of_arithmetic,
                      arithmetic(report));
  text += fmt::format("limit {:.1f}, {:.2f} x this", figure.limit_tokens_per_second,
                      1 / figure.share_of_limit);
  // Beyond the memory's rate by more than noise.
  const bool cached = figure.share_of_read_bandwidth > 1.2;
  return text + (cached ? " (the weights stay in the caches)\n" : "\n");
}

JsonObject figure_document(const BenchmarkReport& report, const BenchmarkFigure& figure) {
  return {{"tokens_per_s", figure.tokens_per_second},
          {"weight_bytes_per_s", figure.weight_bytes_per_second},
          {"ops_per_s", figure.operations_per_second},
          {"share_of_read_bandwidth", figure.share_of_read_bandwidth},
          {report.float_weights ? "share_of_f32_peak" : "share_of_int8_peak",
           figure.share_of_arithmetic},
          {"limit_tokens_per_s", figure.limit_tokens_per_second},
          {"share_of_limit", figure.share_of_limit}};
}

}  // namespace

std::string peaks_text(std::string_view isa, std::span<const Peaks> peaks) {
  std::string text =
      fmt::format("peaks with the kernels {}\n{:>7}  {:>12}  {:>14}  {:>14}  {:>14}\n", isa,
                  "threads", "memory reads", "int8", "BF16", "F32");
  for (const Peaks& each : peaks) {
    text +=
        fmt::format("{:>7}  {:>12}  {:>14}  {:>14}  {:>14}\n", each.threads,
                    bytes_a_second(each.read_bytes_per_second), operations(each.int8_per_second),
                    operations(each.bf16_per_second), operations(each.f32_per_second));
  }
  return text;
}

std::string report_text(const BenchmarkReport& report, const BenchmarkOptions& options) {
  std::string out = fmt::format(
      "kernels {}, {} threads; memory reads {}, peaks int8 {}, F32 {}\n", report.isa,
      report.threads, bytes_a_second(report.peaks.read_bytes_per_second),
      operations(report.peaks.int8_per_second), operations(report.peaks.f32_per_second));
  if (report.prompt)
    out += fmt::format("prompt of {:>5}  ", options.prompt) + figure_text(report, *report.prompt);
  for (const BenchmarkFigure& figure : report.generate)
    out += fmt::format("generate, {:>3} at once", figure.sequences).substr(0, 23) +
           figure_text(report, figure);
  return out + fmt::format("memory: weights {}, keys and values {}, resident {}\n",
                           human_bytes(report.weight_bytes), human_bytes(report.kv_bytes),
                           human_bytes(report.resident_bytes));
}

JsonObject peaks_document(const Peaks& peaks) {
  return {{"threads", peaks.threads},
          {"read_bytes_per_s", peaks.read_bytes_per_second},
          {"int8_ops_per_s", peaks.int8_per_second},
          {"bf16_ops_per_s", peaks.bf16_per_second},
          {"f32_ops_per_s", peaks.f32_per_second}};
}

JsonObject report_document(const BenchmarkReport& report, const BenchmarkOptions& options) {
  JsonObject document{{"isa", report.isa},
                      {"threads", report.threads},
                      {"peaks", peaks_document(report.peaks)},
                      {"memory", JsonObject{{"weight_bytes", report.weight_bytes},
                                            {"kv_bytes", report.kv_bytes},
                                            {"resident_bytes", report.resident_bytes}}}};
  if (report.prompt) {
    JsonObject prompt = figure_document(report, *report.prompt);
    prompt["tokens"] = options.prompt;
    document["prompt"] = std::move(prompt);
  }
  JsonArray batch;
  for (const BenchmarkFigure& figure : report.generate) {
    JsonObject one = figure_document(report, figure);
    one["n"] = figure.sequences;
    batch.push_back(std::move(one));
  }
  if (!batch.empty()) document["gen"] = batch.front();
  document["batch"] = std::move(batch);
  return document;
}

std::string training_text(const TrainBenchmarkReport& report) {
  const LearnerOptions& cut = report.plan.learner;
  std::string out = fmt::format("kernels {}, {} threads; peaks int8 {}, F32 {}\n", report.isa,
                                report.threads, operations(report.peaks.int8_per_second),
                                operations(report.peaks.f32_per_second));
  out += fmt::format(
      "{} parameters; a step is {} examples of {} tokens, {} at once, {} layers computed twice\n",
      human_count(static_cast<std::uint64_t>(report.parameters)), report.examples, report.length,
      std::min(cut.micro_tokens, report.tokens()), cut.forgotten_layers);
  const auto part = [&](std::string_view name, double seconds) {
    return fmt::format("  {:<10} {:8.3f} s {:5.1f} %\n", name, seconds,
                       100 * seconds / report.seconds());
  };
  out += fmt::format(
      "step       {:10.1f} tokens/s  {}, {:.0f} % of the F32 peak; limit {:.1f}, "
      "{:.2f} x this\n",
      report.tokens_per_second(), operations(report.operations_per_second()),
      100 * report.operations_per_second() / report.peaks.f32_per_second,
      static_cast<double>(report.tokens()) / report.work.seconds_at(report.peaks),
      report.seconds() / report.work.seconds_at(report.peaks));
  out += part("forward", report.forward_seconds) + part("backward", report.backward_seconds) +
         part("optimizer", report.optimizer_seconds);
  return out + fmt::format("memory: planned {}, resident {} at most\n",
                           human_bytes(report.plan.total()), human_bytes(report.resident_bytes));
}

JsonObject training_document(const TrainBenchmarkReport& report) {
  const double least = report.work.seconds_at(report.peaks);
  return {{"isa", report.isa},
          {"threads", report.threads},
          {"peaks", peaks_document(report.peaks)},
          {"memory", JsonObject{{"planned_bytes", report.plan.total()},
                                {"resident_bytes", report.resident_bytes}}},
          {"train", JsonObject{{"tokens_per_s", report.tokens_per_second()},
                               {"ops_per_s", report.operations_per_second()},
                               {"share_of_f32_peak",
                                report.operations_per_second() / report.peaks.f32_per_second},
                               {"limit_tokens_per_s", static_cast<double>(report.tokens()) / least},
                               {"share_of_limit", least / report.seconds()},
                               {"forward_s", report.forward_seconds},
                               {"backward_s", report.backward_seconds},
                               {"optimizer_s", report.optimizer_seconds},
                               {"tokens", report.tokens()},
                               {"length", report.length},
                               {"micro_tokens", report.plan.learner.micro_tokens},
                               {"layers_computed_twice", report.plan.learner.forgotten_layers},
                               {"parameters", report.parameters},
                               {"loss", report.loss}}}};
}

std::string shapes_text() {
  std::string can = "shapes that can be measured\n", cannot = "those that cannot yet\n";
  for (const ModelShape& shape : model_shapes()) {
    const std::string why = why_not(shape);
    if (why.empty()) {
      can += fmt::format("  {:<18} {:>7} parameters\n", shape.name,
                         human_count(static_cast<std::uint64_t>(shape.parameters)));
    } else {
      cannot += fmt::format("  {:<18} {}\n", shape.name, why);
    }
  }
  for (const OtherShape& other : other_shapes())
    cannot += fmt::format("  {:<18} {}\n", other.name, other.why);
  return can + cannot;
}

JsonObject shapes_document() {
  JsonArray shapes;
  const auto add = [&](std::string_view name, std::string_view why) -> JsonObject& {
    shapes.push_back(JsonObject{{"name", name}, {"can_run", why.empty()}, {"why_not", why}});
    return shapes.back().as_object();
  };
  for (const ModelShape& shape : model_shapes()) {
    JsonObject& one = add(shape.name, why_not(shape));
    one["family"] = shape.family;
    one["parameters"] = shape.parameters;
  }
  for (const OtherShape& other : other_shapes()) add(other.name, other.why);
  return {{"shapes", std::move(shapes)}};
}

}  // namespace bantam
