#include "chat/local_chat.h"

#include <ctime>
#include <limits>
#include <utility>

#include "base/log.h"
#include "base/unicode.h"
#include "tokenizer/stream_decoder.h"

namespace bantam {
namespace {

FinishReason reason_of(GenerationEnd end, bool matched_stop, bool receiver_left) {
  if (matched_stop) return FinishReason::kStop;
  if (receiver_left) return FinishReason::kCancelled;
  switch (end) {
    case GenerationEnd::kEndToken:
      return FinishReason::kStop;
    case GenerationEnd::kLength:
      return FinishReason::kLength;
    case GenerationEnd::kSink:
    case GenerationEnd::kCancelled:
      return FinishReason::kCancelled;
  }
  return FinishReason::kCancelled;
}

std::tm local_time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return local;
}

// The token sequences that hold a breaker: every token with its text inside, and its own tokens.
std::vector<std::vector<std::int32_t>> breaker_tokens(const Tokenizer& tokenizer,
                                                      const std::vector<std::string>& breakers) {
  std::vector<std::vector<std::int32_t>> sequences;
  for (const std::string& breaker : breakers) {
    if (breaker.empty()) continue;
    sequences.push_back(tokenizer.encode(breaker, {}));
    for (std::size_t i = 0; i < tokenizer.vocab_size(); ++i) {
      const auto id = static_cast<std::int32_t>(i);
      if (tokenizer.piece_bytes(id, false).find(breaker) != std::string::npos) {
        sequences.push_back({id});
      }
    }
  }
  return sequences;
}

// Turns the engine's tokens into events that may be shown. Tokens whose text is still held back (a
// character is incomplete, a stop string may be beginning) go out with the text that follows.
class EventWriter {
 public:
  EventWriter(const Tokenizer* tokenizer, const ChatRequest& request, const EventSink& sink)
      : tokenizer_(tokenizer), request_(request), sink_(sink) {
    if (tokenizer == nullptr) return;
    prompt_.emplace(*tokenizer, std::vector<std::string>{}, true);
    answer_.emplace(*tokenizer, request.stop.strings);
    // A raw prompt is continued; after a template a new text begins.
    if (request.messages.empty()) answer_->continue_text();
  }

  // False when the generation should end. Stop strings are looked for in the answer only.
  bool token(const TokenEvent& token) {
    pending_.ids.push_back(token.id);
    if (request_.top_logprobs >= 0) pending_.logprobs.push_back(logprob_entry(token));
    if (!answer_) return flush();
    pending_.text += (token.from_prompt ? *prompt_ : *answer_).push(token.id);
    if (answer_->stopped()) {
      flush();
      return false;
    }
    return pending_.text.empty() || flush();
  }

  // The prompt's text where its tokens are not asked for.
  bool prompt_text(std::string text) {
    pending_.text = std::move(text);
    return flush();
  }

  // What was held back, when no more tokens come.
  void finish() {
    if (answer_) pending_.text += answer_->finish();
    if (!pending_.text.empty() || !pending_.ids.empty()) flush();
  }

  bool receiver_left() const { return receiver_left_; }
  // The stop string that ended the answer, or null.
  const std::string* stop_string() const {
    const bool stopped = answer_ && answer_->stopped();
    return stopped ? &request_.stop.strings[*answer_->stopped()] : nullptr;
  }

 private:
  TokenLogprob logprob(std::int32_t id, float value) const {
    return {.id = id,
            .bytes = tokenizer_ != nullptr ? tokenizer_->piece_bytes(id, true) : std::string(),
            .logprob = value};
  }

  LogprobEntry logprob_entry(const TokenEvent& token) const {
    // The first token of a prompt has nothing before it, and so no probability.
    constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
    LogprobEntry entry{logprob(token.id, token.choice ? token.choice->logprob : kNone), {}};
    if (token.choice) {
      for (const auto& [id, value] : token.choice->top) entry.top.push_back(logprob(id, value));
    }
    return entry;
  }

  bool flush() {
    if (!receiver_left_ && !sink_(std::exchange(pending_, {}))) receiver_left_ = true;
    return !receiver_left_;
  }

  const Tokenizer* tokenizer_;
  const ChatRequest& request_;
  const EventSink& sink_;
  std::optional<StreamDecoder> prompt_, answer_;  // none without a vocabulary
  TextEvent pending_;
  bool receiver_left_ = false;
};

}  // namespace

LocalChat::LocalChat(std::string name, LoadedModel model, Result<ChatTemplate> chat_template,
                     std::optional<std::tm> now)
    : name_(std::move(name)),
      model_(std::move(model)),
      template_(std::move(chat_template)),
      now_(now) {}

Result<std::shared_ptr<LocalChat>> LocalChat::open(const std::filesystem::path& path,
                                                   const LocalChatOptions& options) {
  LoadedModel model = TRY(open_model(path, options.engine));
  Result<ChatTemplate> chat_template =
      fail(ErrorKind::kNotFound, "no_tokenizer",
           "the model has no vocabulary, so it takes token ids only");
  if (model.tokenizer != nullptr) {
    Metadata metadata = model.file->metadata;
    if (options.template_text) {
      metadata.set_string("tokenizer.chat_template", *options.template_text);
    }
    chat_template = ChatTemplate::from_model(metadata, *model.tokenizer);
    if (chat_template) {
      for (const std::string& warning : chat_template->warnings()) log_warning("{}", warning);
    } else if (options.template_text) {
      return std::unexpected(std::move(chat_template).error());
    }
  }
  std::string name = options.name;
  if (name.empty()) {
    const std::filesystem::path file = path.has_filename() ? path : path.parent_path();
    name = std::filesystem::is_directory(file) ? file.filename().string() : file.stem().string();
    const std::filesystem::path& adapter = options.engine.adapter;
    if (!adapter.empty()) name += ":" + adapter.stem().string();
  }
  return std::shared_ptr<LocalChat>(
      new LocalChat(std::move(name), std::move(model), std::move(chat_template), options.now));
}

Result<std::vector<std::int32_t>> LocalChat::prompt_ids(const ChatRequest& request) const {
  if (request.prompt_ids) return *request.prompt_ids;
  if (model_.tokenizer == nullptr) {
    return fail(ErrorKind::kUsage, "no_tokenizer",
                "the model has no vocabulary; send token ids instead of text");
  }
  if (request.prompt) {
    return model_.tokenizer->encode(*request.prompt,
                                    {.add_specials = true, .parse_specials = true});
  }
  if (!template_) return std::unexpected(template_.error());
  return encode_prompt(*model_.tokenizer,
                       TRY(template_->render(request, now_ ? *now_ : local_time_now())));
}

Result<void> LocalChat::answer(const ChatRequest& request, std::stop_token stop,
                               const EventSink& sink) {
  GenerationRequest generation;
  generation.prompt = TRY(prompt_ids(request));
  generation.sampling = request.sampling;
  generation.stop = request.stop;
  generation.top_logprobs = request.top_logprobs;
  generation.prompt_logprobs = request.echo && request.top_logprobs >= 0;
  if (model_.tokenizer != nullptr) {
    generation.end_tokens = model_.tokenizer->specials().end_of_generation;
    if (request.sampling.dry_multiplier > 0) {
      generation.dry_breakers = breaker_tokens(*model_.tokenizer, request.sampling.dry_breakers);
    }
  }

  EventWriter writer(model_.tokenizer.get(), request, sink);
  if (request.echo && !generation.prompt_logprobs && model_.tokenizer != nullptr) {
    std::string prompt =
        request.prompt ? *request.prompt : model_.tokenizer->decode(generation.prompt, true);
    if (!writer.prompt_text(repair_utf8(prompt))) {
      return fail(ErrorKind::kCancelled, "cancelled", "the receiver left");
    }
  }
  const GenerationResult result = TRY(model_.engine->generate(
      generation, stop, [&](const TokenEvent& token) { return writer.token(token); }));
  writer.finish();
  sink(FinishEvent{
      .reason = reason_of(result.end, writer.stop_string() != nullptr, writer.receiver_left()),
      .stop_string = writer.stop_string() != nullptr ? *writer.stop_string() : std::string(),
      .seed = result.seed,
      .usage = {.prompt_tokens = result.prompt_tokens,
                .cached_tokens = result.cached_tokens,
                .completion_tokens = result.completion_tokens},
      .timings = {.queue_seconds = result.queue_seconds,
                  .prompt_seconds = result.prompt_seconds,
                  .generate_seconds = result.generate_seconds}});
  return {};
}

}  // namespace bantam
