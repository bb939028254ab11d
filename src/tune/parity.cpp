#include "tune/parity.h"

#include <algorithm>
#include <cmath>
#include <variant>
#include <vector>

#include "runtime/logits.h"
#include "tune/validation_questions.h"

namespace bantam {
namespace {

constexpr int kTop = 20;  // likeliest tokens after a prompt that are compared

using Ids = std::vector<std::int32_t>;

std::string token_text(const Tokenizer& tokenizer, std::span<const std::int32_t> ids,
                       std::size_t at) {
  if (at >= ids.size()) return "the end";
  return fmt::format("{} {}", ids[at], quoted(tokenizer.piece_bytes(ids[at], true), 24));
}

// All entries of an answer, in order.
Result<std::vector<LogprobEntry>> entries_of(ChatModel& server, const ChatRequest& request,
                                             std::int64_t& prompt_tokens) {
  std::vector<LogprobEntry> entries;
  TRY(server.answer(request, {}, [&](const ChatEvent& event) {
    if (const auto* text = std::get_if<TextEvent>(&event))
      entries.insert(entries.end(), text->logprobs.begin(), text->logprobs.end());
    else
      prompt_tokens = std::get<FinishEvent>(event).usage.prompt_tokens;
    return true;
  }));
  return entries;
}

class Comparison {
 public:
  Comparison(const ParityTrainer& trainer, const ParityExport& exported,
             const RowRenderer& renderer, const ParityOptions& options)
      : trainer_(trainer), exported_(exported), renderer_(renderer), options_(options) {}

  Result<void> compare(const Row& row) {
    RenderCounts counts, others;
    const std::vector<Example> examples = TRY(trainer_.renderer.render(row, counts));
    const auto found = renderer_.render(row, others);
    line_ = row.line;
    same_ = true;
    if (examples.empty() || counts.too_long > 0) {
      ++report_.left_out;
      return {};
    }
    ++report_.rows;
    TRY(compare_row(row, examples, found, counts));
    report_.different += !same_;
    return {};
  }

  ParityReport finish() && {
    if (report_.tokens > 0) report_.mean = sum_ / static_cast<double>(report_.tokens);
    return std::move(report_);
  }

 private:
  void differ(std::string_view what, std::size_t position, std::string expected,
              std::string found) {
    same_ = false;
    if (report_.first) return;
    report_.first = {.line = line_,
                     .what = what,
                     .position = static_cast<std::int64_t>(position),
                     .expected = std::move(expected),
                     .found = std::move(found)};
  }

  Result<void> compare_row(const Row& row, const std::vector<Example>& examples,
                           const Result<std::vector<Example>>& found, const RenderCounts& counts) {
    if (!found) {
      differ("template", 0, "a text", found.error().message);
      return {};
    }
    if (found->size() != examples.size()) {
      differ("examples", 0, std::to_string(examples.size()), std::to_string(found->size()));
      return {};
    }
    for (std::size_t e = 0; e < examples.size(); ++e) compare_example(examples[e], (*found)[e]);
    if (!same_) return {};
    const std::optional<ChatRequest> request = trainer_.renderer.request_of(row);
    std::optional<std::size_t> prompt;
    if (request) prompt = TRY(compare_prompt(*request, examples[0], counts));
    if (!same_) return {};
    const auto logprobs = TRY(trainer_.learner.logprobs(examples));
    for (std::size_t e = 0; e < examples.size() && same_; ++e)
      TRY(compare_logprobs(examples[e].ids, logprobs[e], e == 0 && prompt ? &*request : nullptr,
                           prompt.value_or(0)));
    return {};
  }

  void compare_ids(std::string_view what, std::span<const std::int32_t> expected,
                   std::span<const std::int32_t> found) {
    const auto at =
        static_cast<std::size_t>(std::ranges::mismatch(expected, found).in1 - expected.begin());
    if (at < expected.size() || at < found.size())
      differ(what, at, token_text(trainer_.tokenizer, expected, at),
             token_text(*exported_.file.model().tokenizer, found, at));
  }

  void compare_example(const Example& expected, const Example& found) {
    compare_ids("ids", expected.ids, found.ids);
    const auto at = std::ranges::mismatch(expected.weights, found.weights);
    if (same_ && at.in1 != expected.weights.end())
      differ("learned", static_cast<std::size_t>(at.in1 - expected.weights.begin()),
             std::to_string(*at.in1), std::to_string(*at.in2));
  }

  // How many ids the prompt has, if it is the one that was learned from.
  Result<std::optional<std::size_t>> compare_prompt(const ChatRequest& request,
                                                    const Example& example,
                                                    const RenderCounts& counts) {
    const auto learned = std::span(example.ids).first(last_turn(example).begin);
    const auto sent = exported_.file.prompt_ids(request);
    if (sent && std::ranges::equal(*sent, learned)) {
      ++report_.prompts;
      return learned.size();
    }
    if (counts.other_prompts > 0 || counts.unseen > 0) {
      ++report_.other_prompts;
    } else if (!sent) {
      differ("prompt", 0, "a prompt", sent.error().message);
    } else {
      compare_ids("prompt", learned, *sent);
    }
    return std::nullopt;
  }

  void compare_number(std::string_view what, std::size_t position, double expected, double found,
                      bool count) {
    const double size = std::abs(expected - found);
    if (count) {
      ++report_.tokens;
      sum_ += size;
      report_.largest = std::max(report_.largest, size);
    }
    if (!(size <= options_.tolerance))
      differ(what, position, fmt::format("{:.17g}", expected), fmt::format("{:.17g}", found));
  }

  // `request`: the prompt of the first `prompt` ids.
  Result<void> compare_logprobs(const Ids& ids, const std::vector<double>& expected,
                                const ChatRequest* request, std::size_t prompt) {
    Engine& engine = *exported_.file.model().engine;
    std::vector<double> found;
    TokenChoice next;
    TRY(engine.score(ids, false, {}, [&](std::int64_t position, std::span<const float> logits) {
      const auto at = static_cast<std::size_t>(position) + 1;
      if (at < ids.size()) found.push_back(log_probability(engine.kernels(), logits, ids[at]));
      if (at == prompt) {
        const auto best = std::ranges::max_element(logits) - logits.begin();
        next = token_choice(engine.kernels(), logits, static_cast<std::int32_t>(best), kTop);
      }
      return true;
    }));
    CHECK(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i)
      compare_number("logprobs", i + 1, expected[i], found[i], true);
    TRY(compare_served(ids, found));
    return request == nullptr ? Result<void>() : compare_next(*request, prompt, next);
  }

  // What the server says of the same ids: the file's numbers, as floats.
  Result<void> compare_served(const Ids& ids, const std::vector<double>& file) {
    ChatRequest request;
    request.model = exported_.server.name();
    request.prompt_ids = ids;
    request.stop.max_tokens = 0;
    request.echo = true;
    request.top_logprobs = 0;
    std::int64_t tokens = 0;
    const auto entries = TRY(entries_of(exported_.server, request, tokens));
    if (entries.size() != ids.size()) {
      differ("served", 0, fmt::format("{} tokens", ids.size()),
             fmt::format("{} tokens", entries.size()));
      return {};
    }
    for (std::size_t i = 1; i < entries.size(); ++i)
      compare_served_number(i, static_cast<float>(file[i - 1]), entries[i].logprob);
    return {};
  }

  // The distribution after a prompt that came as messages. An answer that ends at once has none.
  Result<void> compare_next(ChatRequest request, std::size_t prompt, const TokenChoice& expected) {
    request.model = exported_.server.name();
    request.stop.max_tokens = 1;
    request.sampling.temperature = 0;
    request.top_logprobs = kTop;
    std::int64_t tokens = 0;
    const auto entries = TRY(entries_of(exported_.server, request, tokens));
    if (tokens != static_cast<std::int64_t>(prompt))
      differ("served prompt", 0, fmt::format("{} tokens", prompt),
             fmt::format("{} tokens", tokens));
    if (entries.empty()) return {};
    compare_served_number(prompt, expected.logprob, entries[0].logprob);
    for (std::size_t i = 0; i < std::min(expected.top.size(), entries[0].top.size()); ++i)
      compare_served_number(prompt, expected.top[i].second, entries[0].top[i].logprob);
    return {};
  }

  void compare_served_number(std::size_t position, float expected, float found) {
    if (expected != found)
      differ("served", position, fmt::format("{:.9g}", expected), fmt::format("{:.9g}", found));
  }

  const ParityTrainer& trainer_;
  const ParityExport& exported_;
  const RowRenderer& renderer_;
  const ParityOptions& options_;
  ParityReport report_;
  double sum_ = 0;
  std::int64_t line_ = 0;
  bool same_ = true;
};

}  // namespace

Result<ParityReport> check_parity(std::span<const Row> rows, const ParityTrainer& trainer,
                                  const ParityExport& exported, const RenderOptions& render,
                                  const ParityOptions& options) {
  const auto& tokenizer = exported.file.model().tokenizer;
  if (tokenizer == nullptr)
    return fail(ErrorKind::kUsage, "no_tokenizer", "the exported model has no vocabulary");
  const RowRenderer renderer =
      TRY(RowRenderer::create(*tokenizer, exported.file.chat_template(), render));
  Comparison comparison(trainer, exported, renderer, options);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    TRY(comparison.compare(rows[i]));
    if (options.progress)
      options.progress(static_cast<std::int64_t>(i + 1), static_cast<std::int64_t>(rows.size()));
  }
  return std::move(comparison).finish();
}

Result<void> require_parity(const ParityReport& report) {
  if (report.same()) return {};
  const ParityDifference& d = *report.first;
  return fail(ErrorKind::kMalformed, "parity_failed",
              "what was trained is not what would be served: {} of {} rows differ, first line {}, "
              "{} at position {}: expected {}, found {}",
              report.different, report.rows, d.line, d.what, d.position, d.expected, d.found);
}

std::string ParityReport::to_text() const {
  std::string text = fmt::format("{} rows compared, {} of them different\n", rows, different);
  if (first)
    text += fmt::format("first: line {}, {} at position {}: expected {}, found {}\n", first->line,
                        first->what, first->position, first->expected, first->found);
  text += fmt::format("log-probabilities of {} tokens: ", tokens);
  text += largest == 0
              ? std::string("the same bits\n")
              : fmt::format("{:.3g} nats apart on average, {:.3g} at most\n", mean, largest);
  text += fmt::format("{} prompts are what the server makes of the messages\n", prompts);
  if (other_prompts > 0)
    text += fmt::format(
        "{} rows: the template shows the learned answer after another text than it asks for one "
        "with, as templates do that add or drop marks of thinking; what the server will send was "
        "not learned from\n",
        other_prompts);
  if (left_out > 0) text += fmt::format("{} rows were left out or cut\n", left_out);
  return text;
}

JsonObject ParityReport::to_json() const {
  JsonObject document{{"same", same()},
                      {"rows", rows},
                      {"different", different},
                      {"left_out", left_out},
                      {"tokens", tokens},
                      {"prompts", prompts},
                      {"other_prompts", other_prompts},
                      {"largest", largest},
                      {"mean", mean}};
  if (first)
    document["first"] = JsonObject{{"line", first->line},
                                   {"what", first->what},
                                   {"position", first->position},
                                   {"expected", first->expected},
                                   {"found", first->found}};
  return document;
}

}  // namespace bantam
