#include "server/openai.h"

namespace bantam {
namespace {

using enum FieldTreatment;

// In the order of docs/openai.md; openai_fields_test.cpp holds the two together.
constexpr OpenAiField kFields[] = {
    {"model", true, true, kHonoured, "a name from /v1/models; may be left out if one is served"},
    {"messages", true, false, kHonoured,
     "roles system, developer (taken as system), user, assistant, tool; content is text or an "
     "array of text parts, which are joined by line breaks"},
    {"prompt", false, true, kHonoured,
     "a string, an array of up to 64 strings, an array of token ids or an array of those"},
    {"max_tokens", true, true, kHonoured,
     "default: until the context is full (chat), 16 (completions); 0 with echo only"},
    {"max_completion_tokens", true, false, kHonoured, "the same as max_tokens"},
    {"n", true, true, kHonoured, "1 to 16, one after the other; choice i has seed + i"},
    {"best_of", false, true, kHonoured, "must be equal to n"},
    {"stream", true, true, kHonoured, "server-sent events, ended by [DONE]"},
    {"stream_options", true, true, kHonoured,
     "with stream only; include_usage is honoured, include_obfuscation may only be false"},
    {"stop", true, true, kHonoured, "a string or up to 16 of at most 256 bytes; never shown"},
    {"stop_token_ids", true, true, kHonoured, "up to 16 token ids that end the text"},
    {"ignore_eos", true, true, kHonoured, "go on after the model's end token (benchmarks)"},
    {"seed", true, true, kHonoured, "0 to 2^63 - 1; the same seed gives the same text"},
    {"temperature", true, true, kHonoured, "0 to 2, default 1; 0 takes the most likely token"},
    {"top_p", true, true, kHonoured, "0 to 1, default 1; 0 leaves the most likely token only"},
    {"top_k", true, true, kHonoured, "default 0: all; -1 means all too"},
    {"min_p", true, true, kHonoured, "0 to 1, default 0"},
    {"typical_p", true, true, kHonoured, "above 0 to 1, default 1"},
    {"repetition_penalty", true, true, kHonoured, "above 0 to 10, default 1"},
    {"repeat_penalty", true, true, kHonoured, "another name of repetition_penalty"},
    {"repeat_last_n", true, true, kHonoured,
     "tokens that the penalties look at; default -1: all; 0: none"},
    {"frequency_penalty", true, true, kHonoured, "-2 to 2, default 0"},
    {"presence_penalty", true, true, kHonoured, "-2 to 2, default 0"},
    {"dry_multiplier", true, true, kHonoured, "0 to 100, default 0: off"},
    {"dry_base", true, true, kHonoured, "1 to 10, default 1.75"},
    {"dry_allowed_length", true, true, kHonoured, "default 2"},
    {"dry_sequence_breakers", true, true, kHonoured, "up to 16 strings of at most 256 bytes"},
    {"xtc_probability", true, true, kHonoured, "0 to 1, default 0: off"},
    {"xtc_threshold", true, true, kHonoured, "0 to 0.5, default 0.1"},
    {"logit_bias", true, true, kHonoured, "up to 1024 token ids with -100 to 100 each"},
    {"logprobs", true, true, kHonoured,
     "chat: true or false; completions: alternatives a token, 0 to 20"},
    {"top_logprobs", true, false, kHonoured, "0 to 20, with logprobs only"},
    {"echo", false, true, kHonoured, "the prompt first, with its log-probabilities if asked for"},
    {"tools", true, false, kHonoured,
     "up to 128 functions, given to the template; strict only as false"},
    {"tool_choice", true, false, kHonoured,
     "\"auto\", or \"none\", which hides the tools from the template; others are refused"},
    {"parallel_tool_calls", true, false, kHonoured, "only true, which is the default"},
    {"response_format", true, true, kHonoured,
     "only {\"type\":\"text\"}; a schema is refused with schema_unsupported"},
    {"chat_template_kwargs", true, false, kHonoured,
     "variables of the template; it says which in the error"},
    {"modalities", true, false, kHonoured, "only [\"text\"]"},
    {"suffix", false, true, kHonoured, "only empty: filling in between is not supported"},
    {"user", true, true, kHarmless, "not stored"},
    {"safety_identifier", true, true, kHarmless, "not stored"},
    {"metadata", true, true, kHarmless, "not stored"},
    {"store", true, true, kHarmless, "nothing is stored"},
    {"service_tier", true, true, kHarmless, "there is one tier"},
    {"prompt_cache_key", true, true, kHarmless, "caching needs no key"},
    {"prompt_cache_retention", true, true, kHarmless, "caching needs no hint"},
    {"audio", true, false, kRefused, "text only"},
    {"function_call", true, false, kRefused, "use tool_choice"},
    {"functions", true, false, kRefused, "use tools"},
    {"prediction", true, false, kRefused, "not supported"},
    {"reasoning_effort", true, false, kRefused, "not supported; see chat_template_kwargs"},
    {"verbosity", true, false, kRefused, "not supported"},
    {"web_search_options", true, false, kRefused, "not supported"},
    {"grammar", true, true, kRefused, "structured output comes in a later version"},
    {"guided_json", true, true, kRefused, "structured output comes in a later version"},
    {"json_schema", true, true, kRefused, "structured output comes in a later version"},
    {"structured_outputs", true, true, kRefused, "structured output comes in a later version"},
};

}  // namespace

std::span<const OpenAiField> openai_fields() { return kFields; }

}  // namespace bantam
