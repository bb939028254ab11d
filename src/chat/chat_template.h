// From a conversation to the text that a model was trained to continue.
//
// A chat template is a Jinja program that came with the model: text by a stranger, run by
// jinja/template.h with fuel, depth and size limits and without access to anything but its inputs.
// It is rendered as Hugging Face transformers does, byte for byte.
//
// Everything that a caller sent (contents, names, tool definitions, arguments; the role too unless
// it is one of the usual words, as "<|" + role + "|>" is one token in some templates) is marked
// while the template runs, through every string operation. The result says which bytes came from
// there, so that "<|im_start|>system" typed by a user is tokenized as those characters and only the
// template's own text becomes control tokens:
//
//   Result<RenderedPrompt> prompt = chat_template.render(request);
//   std::vector<TokenId> ids = encode_prompt(tokenizer, *prompt);
//
// A ChatTemplate is immutable once made and may be used by any number of threads.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "chat/message.h"
#include "formats/metadata.h"
#include "tokenizer/tokenizer.h"

namespace bantam {

namespace jinja {
class Template;
class Value;
}  // namespace jinja

struct RenderedPrompt {
  std::string text;
  std::vector<ByteRange> input_ranges;  // bytes that the caller sent: sorted, disjoint, not empty

  // Of those, what a message said (its content, thinking, calls): sorted, disjoint, not empty. A
  // template may leave bytes out, change their case, or say them twice; each it writes is here.
  struct Said {
    ByteRange bytes;
    std::size_t message;
    bool operator==(const Said&) const = default;
  };
  std::vector<Said> said = {};

  struct Segment {
    std::string_view text;  // into `text` above
    bool from_input;
    bool operator==(const Segment&) const = default;
  };
  std::vector<Segment> segments() const;  // the whole text, cut where the origin changes
};

// Token ids of a rendered prompt. The template wrote the special tokens out, a BOS included if the
// model wants one, so none are added; they are parsed in the template's own text only.
std::vector<TokenId> encode_prompt(const Tokenizer& tokenizer, const RenderedPrompt& prompt);

class ChatTemplate {
 public:
  // Spellings that the template may use and that are trusted to be what they are: "bos_token",
  // "eos_token", "pad_token", "unk_token". A name that the model lacks is left out (and is then
  // undefined in the template), as transformers does.
  using Specials = std::vector<std::pair<std::string, std::string>>;

  struct Named {
    std::string name;  // "default", "tool_use", "rag", …
    std::string text;
  };

  // Errors: "template_syntax" (kMalformed) and "template_unsupported" name the line; "no_template"
  // (kNotFound) if there is none, with the ways to give one; "template_invalid" for duplicate names
  // or text that is not UTF-8; "template_too_large" (kTooLarge) over 1 MiB.
  static Result<ChatTemplate> parse(std::string_view text, Specials specials);
  static Result<ChatTemplate> parse(const std::vector<Named>& templates, Specials specials);

  // The model's own: tokenizer.chat_template and tokenizer.chat_template.NAME of the metadata, with
  // the special tokens of the tokenizer.
  static Result<ChatTemplate> from_model(const Metadata& metadata, const Tokenizer& tokenizer);

  // Renders request.messages, and request.tools verbatim, with add_generation_prompt = true. The
  // template "tool_use" is taken if there are tools, "rag" if there are documents, each if the
  // model has one of that name; else "default". request.template_arguments must be null or an
  // object, and may name only variables that the template reads and that do not carry the request
  // itself (see arguments()); anything else is "invalid_param" and the error lists what the
  // template reads. `now` answers strftime_now(); a template that asks for the time without one
  // fails.
  //
  // Errors: "invalid_param" with the JSON pointer ("/messages/3/role"); "template_error" with the
  // template's line and, if it called raise_exception, the first 200 characters of its text;
  // "template_budget" or "template_depth" if it ran past its limits, which grow with the request.
  Result<RenderedPrompt> render(const ChatRequest& request,
                                const std::optional<std::tm>& now = std::nullopt) const;

  // The same with add_generation_prompt = false: what was said, and nothing to go on from. What a
  // conversation that ends with an answer looks like to the model, for learning from it.
  Result<RenderedPrompt> render_conversation(
      const ChatRequest& request, const std::optional<std::tm>& now = std::nullopt) const;

  // What a probe at parse time found: a template that drops or repeats what the user says, or that
  // cannot be run at all. For the operator; empty for a healthy template.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // Variables that request.template_arguments may set, sorted.
  const std::vector<std::string>& arguments() const { return arguments_; }

 private:
  struct Variant {
    std::string name;
    std::shared_ptr<const jinja::Template> program;
    // What only the template itself can tell: whether it wants the arguments of tool calls as an
    // object (which most print through tojson) or as their JSON text, and what it calls the
    // assistant's thinking.
    bool arguments_as_text = false;
    std::string reasoning_key = "reasoning_content";
  };

  using Variable = std::pair<std::string, jinja::Value>;

  ChatTemplate() = default;
  const Variant& choose(const ChatRequest& request) const;
  Result<RenderedPrompt> render_with(const Variant& variant, const ChatRequest& request,
                                     const std::optional<std::tm>& now,
                                     bool generation_prompt = true) const;
  Result<void> add_arguments(const Json& arguments, std::vector<Variable>& variables) const;
  void probe(Variant& variant);

  std::vector<Variant> variants_;  // the default one first
  Specials specials_;
  std::vector<std::string> warnings_, arguments_;
};

// Renders a template on the members of `inputs`, which must be an object: each is a variable of the
// template. What `bantam render` does; nothing is marked and nothing added.
Result<std::string> render_template(std::string_view text, const Json& inputs,
                                    const std::optional<std::tm>& now = std::nullopt);

}  // namespace bantam
