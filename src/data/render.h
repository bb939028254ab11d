// From a row to ids and weights, by the model's own template.
//
// A conversation is rendered whole, once, exactly as the server renders it. What the assistant said
// is found by the renderer's own map of which bytes came from which message (RenderedPrompt::said),
// so any template works and nothing is guessed from its text. A turn is learned from where the
// server would have asked for it (the end of the prompt that the template makes of the messages
// before) to the token that would have ended it, which is included; all other weights are zero.
//
//   <|im_start|>user⏎What is up?<|im_end|>⏎<|im_start|>assistant⏎Nothing much.<|im_end|>⏎
//                                                              ─────────────────────── learned
//
// The ids are cut where a learned turn begins, as they are when the server has encoded the prompt
// and the model begins to answer: no token straddles the two.
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "chat/chat_template.h"
#include "data/example.h"
#include "data/rows.h"
#include "tokenizer/tokenizer.h"

namespace bantam {

enum class TooLong : std::uint8_t { kRefuse, kDrop, kCutFront };

struct RenderOptions {
  // Most tokens an example; 0: no bound. A document that is longer becomes several examples
  // (cut_document); what happens to other rows says too_long. kCutFront keeps the last tokens, and
  // the BOS.
  std::int64_t context = 0;
  TooLong too_long = TooLong::kRefuse;
  bool last_answer_only = false;  // of a conversation; where templates show earlier ones otherwise
  bool learn_prompts = false;     // weights of one everywhere
  std::string label_prompt = "{text}";  // of labelled texts; "{text}" stands for the text
  std::string label_system;             // what the system says before it; empty: nothing
  // What strftime_now() answers in templates. Fixed, so that the same rows give the same ids on
  // every day: the first of January 2025, noon, unless said.
  std::optional<std::tm> now;
};

// What became of the rows, summed over all calls. Nothing of this happens silently: data/report.h
// says it.
struct RenderCounts {
  std::int64_t examples = 0;
  std::int64_t too_long = 0;       // examples dropped or cut (TooLong)
  std::int64_t empty_targets = 0;  // rows without an answer, left out
  // Turns after which the template writes no token that ends a generation. The last of a
  // conversation is given the model's EOS; a model learns from the others not to stop.
  std::int64_t unended = 0;
  // Turns that the server would have asked for with another text than the whole conversation shows
  // before them: the template adds thinking marks, or rewrites what was said. Learned from the
  // first byte that the assistant said.
  std::int64_t other_prompts = 0;
  // Turns of which the template shows nothing, or not in order: not learned.
  std::int64_t unseen = 0;
};

class RowRenderer {
 public:
  // Keeps references. Without a template text prompts are continued as they are (what `generate
  // --prompt` encodes), and rows of messages are refused; with one a text prompt is what a user
  // says. Errors: kUnsupported "template_no_spans" if the template shows nothing of what an
  // assistant says; kUsage "label_prompt_invalid" without "{text}", or with something for the
  // system to say and no template to say it in.
  static Result<RowRenderer> create(const Tokenizer& tokenizer, const ChatTemplate* chat_template,
                                    RenderOptions options);

  // The examples of a row: one; two of a preference, the chosen one first; several of a long
  // document; none of a row that is too long to keep or has nothing to learn. Example::source is
  // the row's line. Errors name the line: those of the template, "row_too_long" (kTooLarge),
  // "no_template" (kUsage). Any number of threads, each with its counts.
  Result<std::vector<Example>> render(const Row& row, RenderCounts& counts) const;

  // What a client would send to be answered what is learned last of a row; nothing of documents.
  // Without a template a text prompt is a raw one.
  std::optional<ChatRequest> request_of(const Row& row) const;
  // What templates are told of the time.
  const std::tm& now() const { return *options_.now; }

 private:
  RowRenderer() = default;
  Result<std::vector<Example>> render_row(const Row& row, RenderCounts& counts) const;
  std::vector<Example> document(const Row& row, RenderCounts& counts) const;
  Result<Example> conversation(const std::vector<Message>& messages, const Json& tools,
                               const std::vector<float>& weights, RenderCounts& counts) const;
  Result<Example> answered(const Row& row, const Message& answer, RenderCounts& counts) const;
  std::vector<Message> prompt_messages(const Row& row) const;
  std::string prompt_of(const Row& row) const;
  Example continued(const std::string& prompt, const std::string& answer) const;
  Result<bool> fit(Example& example, RenderCounts& counts) const;

  const Tokenizer* tokenizer_ = nullptr;
  const ChatTemplate* template_ = nullptr;
  RenderOptions options_;
};

// The text of an example, to look at: what is learned in green on a terminal, or, without colour,
// between ⟦ and ⟧. Control bytes are escaped.
std::string show_mask(const Tokenizer& tokenizer, const Example& example, bool colour);

}  // namespace bantam
