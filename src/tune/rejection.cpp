#include "tune/rejection.h"

#include <algorithm>
#include <set>

#include "base/json.h"
#include "base/random.h"
#include "tune/answer_sampler.h"
#include "tune/validation_questions.h"

namespace bantam {
namespace {

constexpr std::int64_t kRoom = 32;         // tokens
constexpr std::size_t kRowsAtOnce = 1024;  // answers are judged before the next ones are sampled

JsonObject message_json(const Message& message) {
  JsonObject json{{"role", message.role}};
  json["content"] = message.content ? Json(*message.content) : Json(nullptr);
  if (message.reasoning) json["reasoning_content"] = *message.reasoning;
  if (!message.name.empty()) json["name"] = message.name;
  if (!message.tool_call_id.empty()) json["tool_call_id"] = message.tool_call_id;
  if (!message.tool_calls.empty()) {
    JsonArray calls;
    for (const ToolCall& call : message.tool_calls)
      calls.push_back(
          JsonObject{{"id", call.id},
                     {"type", "function"},
                     {"function", JsonObject{{"name", call.name}, {"arguments", call.arguments}}}});
    json["tool_calls"] = std::move(calls);
  }
  if (message.role == "assistant") json["weight"] = 0;
  return json;
}

// The message that is asked for anew: the last one that is learned, if it is text.
const Message* asked_message(const Row& row) {
  for (std::size_t i = row.messages.size(); i-- > 0;)
    if (row.weights[i] > 0)
      return row.messages[i].content && row.messages[i].tool_calls.empty() ? &row.messages[i]
                                                                           : nullptr;
  return nullptr;
}

bool can_be_asked(const Row& row) {
  return row.shape == RowShape::kLabelled || row.shape == RowShape::kCompletion ||
         (row.shape == RowShape::kMessages && asked_message(row) != nullptr);
}

// What a row asks: text, or messages.
Json prompt_json(const Row& row, std::string_view label_prompt) {
  constexpr std::string_view kText = "{text}";
  if (row.shape == RowShape::kLabelled) {
    std::string prompt(label_prompt);
    if (const std::size_t at = prompt.find(kText); at != prompt.npos)
      prompt.replace(at, kText.size(), row.text);
    return Json(prompt);
  }
  if (row.shape == RowShape::kCompletion && row.messages.empty()) return Json(row.text);
  JsonArray messages;
  for (const Message& message : row.messages) {
    if (row.shape == RowShape::kMessages && &message == asked_message(row)) break;
    messages.push_back(message_json(message));
  }
  return messages;
}

void write_line(const Row& row, std::string_view label_prompt, JsonObject rest,
                std::string& jsonl) {
  JsonObject line{{"prompt", prompt_json(row, label_prompt)}};
  for (auto& [key, value] : rest) line[key] = value;
  if (!row.tools.is_null()) line["tools"] = row.tools;
  jsonl += write_json(line) + "\n";
}

// A row that is asked, and what is wanted.
struct Asked {
  const Row* row = nullptr;
  AnswerWish wish;
  std::string wanted;
};

std::string text_of(std::vector<std::int32_t> ids, const Tokenizer& tokenizer) {
  while (!ids.empty() && tokenizer.specials().ends_generation(ids.back())) ids.pop_back();
  return tokenizer.decode(ids, false);
}

class RowSampler {
 public:
  RowSampler(std::string_view label_prompt, const Tokenizer& tokenizer, Verifier& verifier,
             const RejectionOptions& options, RejectionCounts& counts)
      : label_prompt_(label_prompt),
        tokenizer_(tokenizer),
        verifier_(verifier),
        options_(options),
        counts_(counts) {}

  // Judges the answers of one row, and writes what is kept.
  Result<void> judge(const Asked& asked, std::span<const SampledAnswer> answers,
                     std::string& jsonl) {
    std::set<std::string> seen;
    std::int64_t kept = 0;
    bool solved = false;
    for (const SampledAnswer& answer : answers) {
      const std::string text = text_of(answer.ids, tokenizer_);
      // What was cut off is no answer.
      const bool right = answer.ended && TRY(verifier_.accepts(asked.wanted, text));
      ++counts_.answers;
      counts_.accepted += right;
      solved = solved || right;
      if (right == options_.pairs || !seen.insert(text).second || kept >= options_.keep) continue;
      JsonObject rest = options_.pairs ? JsonObject{{"chosen", asked.wanted}, {"rejected", text}}
                                       : JsonObject{{"completion", text}};
      write_line(*asked.row, label_prompt_, std::move(rest), jsonl);
      ++kept;
    }
    counts_.kept += kept;
    counts_.solved += solved;
    return {};
  }

 private:
  std::string_view label_prompt_;
  const Tokenizer& tokenizer_;
  Verifier& verifier_;
  const RejectionOptions& options_;
  RejectionCounts& counts_;
};

}  // namespace

Result<std::string> sample_rows(std::span<const Row> rows, const RowRenderer& renderer,
                                std::string_view label_prompt, const Decoder& decoder,
                                const Tokenizer& tokenizer, const EngineOptions& engine,
                                Verifier& verifier, const RejectionOptions& options,
                                RejectionCounts& counts) {
  RowSampler sampler(label_prompt, tokenizer, verifier, options, counts);
  const auto times = static_cast<std::size_t>(options.answers);
  std::string jsonl;
  std::vector<Asked> asked;
  std::uint64_t row_number = 0;
  const auto answer_all = [&]() -> Result<void> {
    std::vector<AnswerWish> wishes;
    for (const Asked& one : asked) {
      Random random(options.seed, row_number++);
      for (std::size_t i = 0; i < times; ++i) {
        wishes.push_back(one.wish);
        wishes.back().seed = random.next_u64();
      }
    }
    const auto answers = TRY(
        sample_answers(decoder, engine, tokenizer, {.temperature = options.temperature}, wishes));
    for (std::size_t i = 0; i < asked.size(); ++i)
      TRY(sampler.judge(asked[i], std::span(answers).subspan(i * times, times), jsonl));
    asked.clear();
    return {};
  };
  RenderCounts ignored;
  for (const Row& row : rows) {
    if (!can_be_asked(row)) continue;
    const std::vector<Example> examples = TRY(renderer.render(row, ignored));
    if (examples.size() != 1) continue;
    const std::vector<std::int32_t>& ids = examples[0].ids;
    const Turn turn = last_turn(examples[0]);
    const auto begin = static_cast<std::int64_t>(turn.begin);
    const auto length = static_cast<std::int64_t>(turn.end - turn.begin);
    const std::int64_t most = std::min(2 * length + kRoom, decoder.spec().context_length - begin);
    if (length < 1 || most < 1) continue;
    asked.push_back(
        {.row = &row,
         .wish = {.prompt = {ids.begin(), ids.begin() + begin}, .most = most},
         .wanted = text_of({ids.begin() + begin, ids.begin() + begin + length}, tokenizer)});
    ++counts.rows;
    if (asked.size() * times >= kRowsAtOnce) TRY(answer_all());
  }
  TRY(answer_all());
  return jsonl;
}

}  // namespace bantam
