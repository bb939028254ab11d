#include "data/render.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "base/unicode.h"
#include "data/batches.h"
#include "data/learned_spans.h"

namespace bantam {
namespace {

constexpr std::string_view kText = "{text}";

std::tm new_year_2025() {
  std::tm time{};
  time.tm_year = 125;
  time.tm_mday = 1;
  time.tm_wday = 3;
  time.tm_hour = 12;
  return time;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

bool says_nothing(const Message& message) {
  return is_blank(message.content.value_or("")) && message.tool_calls.empty();
}

// Ids of bytes [begin, end) of a rendered text.
std::vector<TokenId> encode_range(const Tokenizer& tokenizer, const RenderedPrompt& prompt,
                                  std::size_t begin, std::size_t end) {
  std::vector<ByteRange> plain;
  for (const ByteRange& range : prompt.input_ranges) {
    const std::size_t from = std::max(range.begin, begin), to = std::min(range.end, end);
    if (from < to) plain.push_back({from - begin, to - begin});
  }
  return tokenizer.encode(std::string_view(prompt.text).substr(begin, end - begin),
                          {.add_specials = false, .parse_specials = true, .plain_ranges = plain});
}

// Ids of bytes [middle, end) as they follow those of [begin, middle). A tokenizer that puts a space
// before every text must see that this one goes on; if it would not cut here, the answer is a new
// text, as it is to the decoder when it is generated.
std::vector<TokenId> encode_after(const Tokenizer& tokenizer, const RenderedPrompt& prompt,
                                  std::size_t begin, std::size_t middle, std::size_t end) {
  if (tokenizer.drops_leading_space() && begin < middle) {
    const std::vector<TokenId> left = encode_range(tokenizer, prompt, begin, middle);
    std::vector<TokenId> both = encode_range(tokenizer, prompt, begin, end);
    if (both.size() >= left.size() && std::equal(left.begin(), left.end(), both.begin())) {
      both.erase(both.begin(), both.begin() + static_cast<std::ptrdiff_t>(left.size()));
      return both;
    }
  }
  return encode_range(tokenizer, prompt, middle, end);
}

void append(Example& example, std::span<const TokenId> ids, float weight) {
  example.ids.insert(example.ids.end(), ids.begin(), ids.end());
  example.weights.resize(example.ids.size(), weight);
}

// EOS at the end, unless it is there.
void end_with_eos(const Tokenizer& tokenizer, Example& example) {
  const std::optional<TokenId> eos = tokenizer.specials().eos;
  if (eos && (example.ids.empty() || example.ids.back() != *eos)) append(example, {{*eos}}, 1);
}

// The first id has nothing to be predicted from.
bool learns(const Example& example) {
  return example.weights.size() > 1 &&
         std::any_of(example.weights.begin() + 1, example.weights.end(),
                     [](float weight) { return weight > 0; });
}

}  // namespace

Result<RowRenderer> RowRenderer::create(const Tokenizer& tokenizer,
                                        const ChatTemplate* chat_template, RenderOptions options) {
  if (options.label_prompt.find(kText) == std::string::npos)
    return fail(ErrorKind::kUsage, "label_prompt_invalid",
                "the prompt for labelled texts, {}, lacks {}", quoted(options.label_prompt), kText);
  if (chat_template == nullptr && !options.label_system.empty())
    return fail(ErrorKind::kUsage, "label_prompt_invalid",
                "a system that says {} needs a model with a chat template",
                quoted(options.label_system));
  CHECK(options.context == 0 || options.context >= 2, "a context of {}", options.context);
  if (!options.now) options.now = new_year_2025();
  if (chat_template != nullptr) {
    ChatRequest probe;
    probe.messages = {{.role = "user", .content = "question"},
                      {.role = "assistant", .content = "answer"}};
    const auto shown = chat_template->render_conversation(probe, options.now);
    // A template that wants another conversation than this may still show its own.
    if (shown &&
        std::ranges::find(shown->said, 1u, &RenderedPrompt::Said::message) == shown->said.end())
      return fail(ErrorKind::kUnsupported, "template_no_spans",
                  "the chat template shows nothing of what an assistant says, so there is nothing "
                  "to learn from conversations");
  }
  RowRenderer made;
  made.tokenizer_ = &tokenizer;
  made.template_ = chat_template;
  made.options_ = std::move(options);
  return made;
}

Result<std::vector<Example>> RowRenderer::render(const Row& row, RenderCounts& counts) const {
  Result<std::vector<Example>> examples = render_row(row, counts);
  if (!examples)
    return std::unexpected(std::move(examples).error().in(fmt::format("line {}", row.line)));
  for (Example& example : *examples) {
    example.source = row.line;
    if (row.shape == RowShape::kLiked) example.label = row.liked ? 1 : -1;
    if (options_.learn_prompts) std::ranges::fill(example.weights, 1.0f);
    if (!example.weights.empty()) example.weights[0] = 0;
  }
  counts.examples += static_cast<std::int64_t>(examples->size());
  return examples;
}

Result<std::vector<Example>> RowRenderer::render_row(const Row& row, RenderCounts& counts) const {
  if (row.shape == RowShape::kText) return document(row, counts);
  std::vector<Example> examples;
  if (row.shape == RowShape::kMessages) {
    examples.push_back(TRY(conversation(row.messages, row.tools, row.weights, counts)));
  } else {
    const Message label{.role = "assistant", .content = row.label};
    const Message& answer = row.shape == RowShape::kLabelled ? label : row.answer;
    examples.push_back(TRY(answered(row, answer, counts)));
    if (row.shape == RowShape::kPreference)
      examples.push_back(TRY(answered(row, row.rejected, counts)));
  }
  if (!std::ranges::all_of(examples, learns)) {
    ++counts.empty_targets;
    return std::vector<Example>{};
  }
  for (Example& example : examples)
    if (!TRY(fit(example, counts))) return std::vector<Example>{};
  return examples;
}

std::vector<Example> RowRenderer::document(const Row& row, RenderCounts& counts) const {
  Example whole;
  append(whole, tokenizer_->encode(row.text, {.add_specials = true}), 1);
  end_with_eos(*tokenizer_, whole);
  if (is_blank(row.text) || !learns(whole)) {
    ++counts.empty_targets;
    return {};
  }
  const auto tokens = static_cast<std::int64_t>(whole.ids.size());
  return cut_document(whole.ids,
                      options_.context > 0 ? options_.context : std::max<std::int64_t>(2, tokens),
                      row.line);
}

Result<Example> RowRenderer::conversation(const std::vector<Message>& messages, const Json& tools,
                                          const std::vector<float>& weights,
                                          RenderCounts& counts) const {
  if (template_ == nullptr)
    return fail(ErrorKind::kUsage, "no_template",
                "a conversation, and the model has no chat template");
  ChatRequest request;
  request.messages = messages;
  request.tools = tools;
  const RenderedPrompt whole = TRY(template_->render_conversation(request, options_.now));
  Example example;
  std::size_t piece = 0, done = 0;  // where the last piece begins, and where it ends
  const auto take = [&](std::size_t end, float weight) {
    if (end == done) return;
    append(example, encode_after(*tokenizer_, whole, piece, done, end), weight);
    piece = std::exchange(done, end);
  };
  std::size_t last = messages.size();
  while (last > 0 && weights[last - 1] == 0) --last;
  bool open = false;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (weights[i] == 0 || says_nothing(messages[i])) continue;
    if (options_.last_answer_only && i + 1 != last) continue;
    const auto turn = find_turn(*template_, *tokenizer_, request, whole, i, done, *options_.now);
    if (!turn) {
      ++counts.unseen;
      continue;
    }
    counts.unended += !turn->ended;
    counts.other_prompts += !turn->prompt_shown;
    open = !turn->ended && i + 1 == messages.size();
    take(turn->begin, 0);
    take(turn->end, weights[i]);
  }
  if (open) {
    end_with_eos(*tokenizer_, example);
    return example;
  }
  take(whole.text.size(), 0);
  return example;
}

Result<Example> RowRenderer::answered(const Row& row, const Message& answer,
                                      RenderCounts& counts) const {
  if (says_nothing(answer)) return Example{};
  if (template_ == nullptr && row.messages.empty())
    return continued(prompt_of(row), answer.content.value_or(""));
  std::vector<Message> messages = prompt_messages(row);
  messages.push_back(answer);
  std::vector<float> weights(messages.size(), 0.0f);
  weights.back() = 1;
  return conversation(messages, row.tools, weights, counts);
}

std::optional<ChatRequest> RowRenderer::request_of(const Row& row) const {
  ChatRequest request;
  request.tools = row.tools;
  if (row.shape == RowShape::kText) return std::nullopt;
  if (row.shape == RowShape::kMessages) {
    std::size_t last = row.messages.size();
    while (last > 0 && (row.weights[last - 1] == 0 || says_nothing(row.messages[last - 1]))) --last;
    if (last < 2) return std::nullopt;
    request.messages.assign(row.messages.begin(),
                            row.messages.begin() + static_cast<std::ptrdiff_t>(last - 1));
  } else if (template_ == nullptr && row.messages.empty()) {
    request.prompt = prompt_of(row);
  } else {
    request.messages = prompt_messages(row);
  }
  return request;
}

// What is said before the one answer of a row that is no conversation.
std::vector<Message> RowRenderer::prompt_messages(const Row& row) const {
  if (!row.messages.empty()) return row.messages;
  std::vector<Message> messages;
  if (row.shape == RowShape::kLabelled && !options_.label_system.empty())
    messages.push_back({.role = "system", .content = options_.label_system});
  messages.push_back({.role = "user", .content = prompt_of(row)});
  return messages;
}

std::string RowRenderer::prompt_of(const Row& row) const {
  if (row.shape != RowShape::kLabelled) return row.text;
  std::string prompt = options_.label_prompt;
  return prompt.replace(prompt.find(kText), kText.size(), row.text);
}

Example RowRenderer::continued(const std::string& prompt, const std::string& answer) const {
  Example example;
  append(example, tokenizer_->encode(prompt, {.add_specials = true, .parse_specials = true}), 0);
  const RenderedPrompt both{.text = prompt + answer,
                            .input_ranges = {{prompt.size(), prompt.size() + answer.size()}}};
  append(example, encode_after(*tokenizer_, both, 0, prompt.size(), both.text.size()), 1);
  end_with_eos(*tokenizer_, example);
  return example;
}

// False: the row is left out.
Result<bool> RowRenderer::fit(Example& example, RenderCounts& counts) const {
  const auto tokens = static_cast<std::int64_t>(example.ids.size());
  if (options_.context == 0 || tokens <= options_.context) return true;
  if (options_.too_long == TooLong::kRefuse)
    return std::unexpected(Error{
        .kind = ErrorKind::kTooLarge,
        .code = "row_too_long",
        .message = fmt::format("{} tokens, the context is {}", tokens, options_.context),
        .where = {},
        .hint = "raise --context, or let --too-long drop such rows or cut them at the front"});
  ++counts.too_long;
  if (options_.too_long == TooLong::kDrop) return false;
  const bool bos = example.ids[0] == tokenizer_->specials().bos;
  const auto first = static_cast<std::ptrdiff_t>(bos);
  const std::ptrdiff_t cut = static_cast<std::ptrdiff_t>(tokens - options_.context);
  example.ids.erase(example.ids.begin() + first, example.ids.begin() + first + cut);
  example.weights.erase(example.weights.begin() + first, example.weights.begin() + first + cut);
  return true;
}

std::string show_mask(const Tokenizer& tokenizer, const Example& example, bool colour) {
  const std::string_view on = colour ? "\x1b[32m" : "⟦", off = colour ? "\x1b[0m" : "⟧";
  std::string out, bytes;
  const auto flush = [&] {
    for (const char c : repair_utf8(bytes)) {
      const auto code = static_cast<unsigned char>(c);
      if ((code < 0x20 && c != '\n') || code == 0x7F) {
        out += fmt::format("\\x{:02X}", code);
      } else {
        out += c;
      }
    }
    bytes.clear();
  };
  bool learned = false;
  for (std::size_t i = 0; i < example.ids.size(); ++i) {
    const bool now = example.weights[i] > 0;
    if (now != learned) {
      flush();
      out += now ? on : off;
      learned = now;
    }
    bytes += tokenizer.piece_bytes(example.ids[i], true);
  }
  flush();
  if (learned) out += off;
  return out;
}

}  // namespace bantam
