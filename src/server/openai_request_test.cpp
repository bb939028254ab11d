#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "base/file.h"
#include "server/openai.h"

namespace bantam {
namespace {

constexpr auto kChat = OpenAiEndpoint::kChat;
constexpr auto kCompletions = OpenAiEndpoint::kCompletions;

// A request with the least it needs, and `more` members.
std::string request_text(OpenAiEndpoint endpoint, std::string_view more) {
  const std::string_view rest = more.empty() ? "" : ",";
  if (endpoint == kChat)
    return fmt::format(R"({{"messages":[{{"role":"user","content":"hi"}}]{}{}}})", rest, more);
  return fmt::format(R"({{"prompt":"hi"{}{}}})", rest, more);
}

Result<OpenAiRequest> decode(OpenAiEndpoint endpoint, std::string_view more) {
  return decode_openai(endpoint, request_text(endpoint, more));
}

OpenAiRequest good(OpenAiEndpoint endpoint, std::string_view more) {
  Result<OpenAiRequest> request = decode(endpoint, more);
  EXPECT_TRUE(request.has_value()) << more << ": " << request.error().to_string();
  return request ? *std::move(request) : OpenAiRequest{};
}

std::string outcome(const Result<OpenAiRequest>& request) {
  return request ? "ok" : request.error().code + " " + request.error().where;
}

const ChatRequest& first(const OpenAiRequest& request) { return request.prompts.front(); }

// What an honoured member does: a value for it, what must come with it, and where it shows.
struct Effect {
  std::string_view members;
  std::function<bool(const OpenAiRequest&)> shows;
};

std::map<std::string_view, Effect> common_effects() {
  return {
      {"model",
       {R"("model":"m")", [](auto& r) { return r.model == "m" && first(r).model == "m"; }}},
      {"n", {R"("n":3)", [](auto& r) { return r.choices() == 3; }}},
      {"stream", {R"("stream":true)", [](auto& r) { return r.stream; }}},
      {"stream_options",
       {R"("stream":true,"stream_options":{"include_usage":true})",
        [](auto& r) { return r.include_usage; }}},
      {"stop", {R"("stop":"x")", [](auto& r) { return first(r).stop.strings.at(0) == "x"; }}},
      {"stop_token_ids",
       {R"("stop_token_ids":[5])", [](auto& r) { return first(r).stop.tokens.at(0) == 5; }}},
      {"ignore_eos",
       {R"("ignore_eos":true)", [](auto& r) { return first(r).stop.ignore_end_tokens; }}},
      {"seed", {R"("seed":7)", [](auto& r) { return first(r).sampling.seed == 7u; }}},
      {"temperature",
       {R"("temperature":0.5)", [](auto& r) { return first(r).sampling.temperature == 0.5; }}},
      {"top_p", {R"("top_p":0.5)", [](auto& r) { return first(r).sampling.top_p == 0.5; }}},
      {"top_k", {R"("top_k":5)", [](auto& r) { return first(r).sampling.top_k == 5; }}},
      {"min_p", {R"("min_p":0.5)", [](auto& r) { return first(r).sampling.min_p == 0.5; }}},
      {"typical_p",
       {R"("typical_p":0.5)", [](auto& r) { return first(r).sampling.typical_p == 0.5; }}},
      {"repetition_penalty",
       {R"("repetition_penalty":1.5)",
        [](auto& r) { return first(r).sampling.repetition_penalty == 1.5; }}},
      {"repeat_penalty",
       {R"("repeat_penalty":1.5)",
        [](auto& r) { return first(r).sampling.repetition_penalty == 1.5; }}},
      {"repeat_last_n",
       {R"("repeat_last_n":9)", [](auto& r) { return first(r).sampling.penalty_window == 9; }}},
      {"frequency_penalty",
       {R"("frequency_penalty":-2)",
        [](auto& r) { return first(r).sampling.frequency_penalty == -2; }}},
      {"presence_penalty",
       {R"("presence_penalty":2)",
        [](auto& r) { return first(r).sampling.presence_penalty == 2; }}},
      {"dry_multiplier",
       {R"("dry_multiplier":0.8)",
        [](auto& r) { return first(r).sampling.dry_multiplier == 0.8; }}},
      {"dry_base", {R"("dry_base":2)", [](auto& r) { return first(r).sampling.dry_base == 2; }}},
      {"dry_allowed_length",
       {R"("dry_allowed_length":4)",
        [](auto& r) { return first(r).sampling.dry_allowed_length == 4; }}},
      {"dry_sequence_breakers",
       {R"("dry_sequence_breakers":["q"])",
        [](auto& r) { return first(r).sampling.dry_breakers == std::vector<std::string>{"q"}; }}},
      {"xtc_probability",
       {R"("xtc_probability":1)", [](auto& r) { return first(r).sampling.xtc_probability == 1; }}},
      {"xtc_threshold",
       {R"("xtc_threshold":0.2)", [](auto& r) { return first(r).sampling.xtc_threshold == 0.2; }}},
      {"logit_bias",
       {R"("logit_bias":{"5":-100})",
        [](auto& r) {
          return first(r).sampling.logit_bias.at(0) == std::pair<std::int32_t, double>(5, -100);
        }}},
      {"max_tokens", {R"("max_tokens":9)", [](auto& r) { return first(r).stop.max_tokens == 9; }}},
      {"response_format", {R"("response_format":{"type":"text"})", [](auto&) { return true; }}},
  };
}

std::map<std::string_view, Effect> chat_effects() {
  auto effects = common_effects();
  effects.merge(std::map<std::string_view, Effect>{
      {"messages",
       {"", [](auto& r) { return first(r).messages.at(0).content == std::string("hi"); }}},
      {"max_completion_tokens",
       {R"("max_completion_tokens":9)", [](auto& r) { return first(r).stop.max_tokens == 9; }}},
      {"logprobs", {R"("logprobs":true)", [](auto& r) { return first(r).top_logprobs == 0; }}},
      {"top_logprobs",
       {R"("logprobs":true,"top_logprobs":3)", [](auto& r) { return first(r).top_logprobs == 3; }}},
      {"tools",
       {R"("tools":[{"type":"function","function":{"name":"f"}}])",
        [](auto& r) { return first(r).tools.as_array().size() == 1; }}},
      {"tool_choice",
       {R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none")",
        [](auto& r) { return first(r).tools.is_null(); }}},
      {"parallel_tool_calls", {R"("parallel_tool_calls":true)", [](auto&) { return true; }}},
      {"chat_template_kwargs",
       {R"("chat_template_kwargs":{"enable_thinking":false})",
        [](auto& r) {
          return first(r).template_arguments.as_object().contains("enable_thinking");
        }}},
      {"modalities", {R"("modalities":["text"])", [](auto&) { return true; }}},
  });
  return effects;
}

std::map<std::string_view, Effect> completions_effects() {
  auto effects = common_effects();
  effects.merge(std::map<std::string_view, Effect>{
      {"prompt", {"", [](auto& r) { return first(r).prompt == "hi"; }}},
      {"best_of", {R"("n":2,"best_of":2)", [](auto& r) { return r.n == 2; }}},
      {"logprobs", {R"("logprobs":3)", [](auto& r) { return first(r).top_logprobs == 3; }}},
      {"echo", {R"("echo":true)", [](auto& r) { return first(r).echo; }}},
      {"suffix", {R"("suffix":"")", [](auto&) { return true; }}},
  });
  return effects;
}

TEST(OpenAiFields, EveryMemberIsHonouredHarmlessOrRefusedByName) {
  for (const OpenAiEndpoint endpoint : {kChat, kCompletions}) {
    auto effects = endpoint == kChat ? chat_effects() : completions_effects();
    const OpenAiRequest plain = good(endpoint, "");
    for (const OpenAiField& field : openai_fields()) {
      if (!(endpoint == kChat ? field.chat : field.completions)) continue;
      SCOPED_TRACE(field.name);
      const std::string some = fmt::format(R"("{}":{{"x":1}})", field.name);
      const std::string null = fmt::format(R"("{}":null)", field.name);
      switch (field.treatment) {
        case FieldTreatment::kHonoured: {
          ASSERT_TRUE(effects.contains(field.name)) << "no test says what it does";
          const Effect& effect = effects.at(field.name);
          EXPECT_TRUE(effect.shows(good(endpoint, effect.members)));
          if (effect.members.find("\":") != std::string_view::npos && field.name != "model") {
            EXPECT_NE(outcome(decode(endpoint, fmt::format(R"("{}":["?",{{}}])", field.name))),
                      "ok")
                << "takes anything";
          }
          effects.erase(field.name);
          break;
        }
        case FieldTreatment::kHarmless:
          EXPECT_EQ(outcome(decode(endpoint, some)), "ok");
          break;
        case FieldTreatment::kRefused:
          EXPECT_EQ(outcome(decode(endpoint, some)),
                    fmt::format("unsupported_param /{}", field.name));
          break;
      }
      if (field.name != "messages" && field.name != "prompt") {
        EXPECT_EQ(outcome(decode(endpoint, null)), "ok");
      }
    }
    EXPECT_TRUE(effects.empty()) << effects.begin()->first << " is in no table";
  }
}

TEST(OpenAiFields, AreTheTableOfTheManual) {
  const Result<std::string> manual =
      read_file(std::string(BANTAM_SOURCE_DIR) + "/docs/openai.md", 1 << 20);
  ASSERT_TRUE(manual.has_value());
  std::set<std::string> rows;
  for (const OpenAiField& field : openai_fields()) {
    constexpr std::string_view kWords[] = {"honoured", "harmless", "refused"};
    const auto mark = [](bool has) { return has ? "yes" : "–"; };
    const std::string row =
        fmt::format("| `{}` | {} | {} | {} | {} |\n", field.name, mark(field.chat),
                    mark(field.completions), kWords[static_cast<int>(field.treatment)], field.note);
    EXPECT_NE(manual->find(row), std::string::npos) << "docs/openai.md lacks:\n" << row;
    EXPECT_TRUE(rows.insert(std::string(field.name)).second) << field.name << " twice";
  }
  std::size_t count = 0;
  for (const std::string_view cell : {"` | yes | ", "` | – | "})
    for (std::size_t at = 0; (at = manual->find(cell, at)) != std::string::npos; ++at) ++count;
  EXPECT_EQ(count, rows.size()) << "docs/openai.md has rows that the program lacks";
}

TEST(DecodeOpenAi, NamesUnknownMembersAndTheNearest) {
  const Result<OpenAiRequest> typed = decode(kChat, R"("temprature":1)");
  EXPECT_EQ(outcome(typed), "unknown_param /temprature");
  EXPECT_NE(typed.error().message.find("temperature"), std::string::npos);
  EXPECT_EQ(outcome(decode(kChat, R"("Stream":true)")), "unknown_param /Stream");
  EXPECT_EQ(outcome(decode(kChat, R"("prompt":"x")")), "unknown_param /prompt");
  EXPECT_EQ(outcome(decode(kCompletions, R"("messages":[])")), "unknown_param /messages");
  EXPECT_EQ(outcome(decode(kChat, R"("a/b~":1)")), "unknown_param /a~1b~0");
  EXPECT_EQ(outcome(decode(kChat, R"("prompt_embeds":"AAAA")")), "unknown_param /prompt_embeds");
}

TEST(DecodeOpenAi, RefusesBrokenJson) {
  const auto code = [](std::string_view text) {
    const Result<OpenAiRequest> request = decode_openai(kChat, text);
    return request
               ? "ok"
               : fmt::format("{} {}", to_http_error(request.error()).status, request.error().code);
  };
  for (const char* bad : {"", "{", "[1,]", "NaN", "{} {}", "{\"a\":1e400}", "{\"a\":\"\\ud800\"}",
                          "{\"a\":\"\xff\"}", "{'a':1}", "\xef\xbb\xbf{}"})
    EXPECT_EQ(code(bad), "400 invalid_json") << bad;
  EXPECT_EQ(code(R"({"stream":true,"stream":false})"), "400 duplicate_key");
  EXPECT_EQ(code(std::string(65, '[')), "400 json_depth");
  EXPECT_EQ(code(std::string(1'000'000, '[')), "400 json_depth");
  std::string many = "{\"prompt\":[1";
  for (std::size_t i = 0; i < kMaxValues; ++i) many += ",1";
  EXPECT_EQ(code(many + "]}"), "413 json_too_large");
  EXPECT_EQ(code("[]"), "400 invalid_param");
  EXPECT_EQ(code("3"), "400 invalid_param");
}

TEST(DecodeOpenAi, RefusesValuesOutOfRangeByPointer) {
  for (const char* bad : {R"("temperature":2.1)",
                          R"("temperature":-1)",
                          R"("temperature":"1")",
                          R"("top_p":1.5)",
                          R"("top_k":-2)",
                          R"("top_k":2147483648)",
                          R"("top_k":1.5)",
                          R"("min_p":1.1)",
                          R"("typical_p":0)",
                          R"("repetition_penalty":0)",
                          R"("repetition_penalty":1e308)",
                          R"("frequency_penalty":-2.5)",
                          R"("presence_penalty":3)",
                          R"("seed":-1)",
                          R"("seed":1.5)",
                          R"("seed":9223372036854775808)",
                          R"("n":0)",
                          R"("n":17)",
                          R"("n":1000000000)",
                          R"("max_tokens":0)",
                          R"("max_tokens":-1)",
                          R"("max_tokens":1.5)",
                          R"("max_tokens":"10")",
                          R"("max_tokens":2147483648)",
                          R"("stop":"")",
                          R"("stop":[""])",
                          R"("stop":[1])",
                          R"("stop":5)",
                          R"("stop_token_ids":[-1])",
                          R"("stop_token_ids":[1.5])",
                          R"("stream":"yes")",
                          R"("stream_options":{})",
                          R"("stream":true,"stream_options":{"include_usage":1})",
                          R"("logit_bias":{"x":1})",
                          R"("logit_bias":{"-1":1})",
                          R"("logit_bias":{"1":101})",
                          R"("logit_bias":{"2147483648":1})",
                          R"("logit_bias":{"":1})",
                          R"("logit_bias":[])",
                          R"("repetition_penalty":1,"repeat_penalty":1)",
                          R"("dry_base":0)",
                          R"("xtc_threshold":0.6)"}) {
    for (const OpenAiEndpoint endpoint : {kChat, kCompletions}) {
      const Result<OpenAiRequest> request = decode(endpoint, bad);
      ASSERT_FALSE(request.has_value()) << bad;
      EXPECT_EQ(request.error().code, "invalid_param") << bad;
      EXPECT_TRUE(request.error().where.starts_with("/")) << bad;
      EXPECT_EQ(to_http_error(request.error()).status, 400) << bad;
      EXPECT_LT(error_body(to_http_error(request.error())).size(), 1024u) << bad;
    }
  }
}

TEST(DecodeOpenAi, BoundsListsAndTheirElements) {
  const auto list = [](std::size_t count, std::string_view element) {
    std::string out = "[";
    for (std::size_t i = 0; i < count; ++i) out += (i ? "," : "") + std::string(element);
    return out + "]";
  };
  const std::string long_one = fmt::format("\"{}\"", std::string(kMaxStopBytes + 1, 'x'));
  const std::string just = fmt::format("\"{}\"", std::string(kMaxStopBytes, 'x'));
  EXPECT_EQ(outcome(decode(kChat, "\"stop\":" + list(kMaxStops, "\"a\""))), "ok");
  EXPECT_EQ(outcome(decode(kChat, "\"stop\":" + list(kMaxStops + 1, "\"a\""))),
            "invalid_param /stop");
  EXPECT_EQ(outcome(decode(kChat, "\"stop\":" + just)), "ok");
  EXPECT_EQ(outcome(decode(kChat, "\"stop\":[" + just + "," + long_one + "]")),
            "invalid_param /stop/1");
  EXPECT_EQ(outcome(decode(kChat, "\"stop\":" + list(100'000, "\"a\""))), "invalid_param /stop");
  std::string biases = "\"logit_bias\":{\"0\":1";
  for (std::size_t i = 1; i <= kMaxLogitBias; ++i) biases += fmt::format(",\"{}\":1", i);
  EXPECT_EQ(outcome(decode(kChat, biases + "}")), "invalid_param /logit_bias");
  EXPECT_EQ(
      outcome(decode_openai(kCompletions, "{\"prompt\":" + list(kMaxPrompts + 1, "\"a\"") + "}")),
      "invalid_param /prompt");
}

TEST(DecodeOpenAi, ReadsEveryKindOfMessage) {
  const Result<OpenAiRequest> request = decode_openai(kChat, R"({"messages":[
    {"role":"developer","content":"be brief","name":"dev"},
    {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
    {"role":"assistant","content":null,"refusal":null,"annotations":[],"tool_calls":[
      {"id":"c1","type":"function","index":0,"function":{"name":"f","arguments":"{\"x\":1}"}}]},
    {"role":"tool","tool_call_id":"c1","content":"42"},
    {"role":"assistant","content":"done","reasoning_content":"hm"}]})");
  ASSERT_TRUE(request.has_value()) << request.error().to_string();
  const std::vector<Message>& messages = first(*request).messages;
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[0].name, "dev");
  EXPECT_EQ(messages[1].content, "a\nb");
  EXPECT_FALSE(messages[2].content.has_value());
  EXPECT_EQ(messages[2].tool_calls.at(0).id, "c1");
  EXPECT_EQ(messages[2].tool_calls.at(0).name, "f");
  EXPECT_EQ(messages[2].tool_calls.at(0).arguments, "{\"x\":1}");
  EXPECT_EQ(messages[3].tool_call_id, "c1");
  EXPECT_EQ(messages[4].reasoning, "hm");
}

TEST(DecodeOpenAi, RefusesMessagesByPointer) {
  const auto check = [](std::string_view messages) {
    return outcome(decode_openai(kChat, fmt::format(R"({{"messages":{}}})", messages)));
  };
  EXPECT_EQ(outcome(decode_openai(kChat, "{}")), "invalid_param /messages");
  EXPECT_EQ(check("[]"), "prompt_empty /messages");
  EXPECT_EQ(check("{}"), "invalid_param /messages");
  EXPECT_EQ(check("[3]"), "invalid_param /messages/0");
  EXPECT_EQ(check("[{}]"), "invalid_param /messages/0/role");
  EXPECT_EQ(check(R"([{"role":"root","content":"x"}])"), "invalid_param /messages/0/role");
  EXPECT_EQ(check(R"([{"role":"user"}])"), "invalid_param /messages/0/content");
  EXPECT_EQ(check(R"([{"role":"assistant"}])"), "invalid_param /messages/0/content");
  EXPECT_EQ(check(R"([{"role":"user","content":3}])"), "invalid_param /messages/0/content");
  EXPECT_EQ(check(R"([{"role":"user","content":[]}])"), "invalid_param /messages/0/content");
  EXPECT_EQ(check(R"([{"role":"user","content":"x","tool_calls":[]}])"),
            "unknown_param /messages/0/tool_calls");
  EXPECT_EQ(check(R"([{"role":"tool","content":"x"}])"), "invalid_param /messages/0/tool_call_id");
  EXPECT_EQ(check(R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}])"),
            "unsupported_param /messages/0/content/0/type");
  EXPECT_EQ(check(R"([{"role":"user","content":[{"type":"text","text":"a","x":1}]}])"),
            "unknown_param /messages/0/content/0/x");
  EXPECT_EQ(check(R"([{"role":"assistant","tool_calls":[{"id":"a","function":{}}]}])"),
            "invalid_param /messages/0/tool_calls/0/function/name");
}

TEST(DecodeOpenAi, ToolsAndSchemasFailClosed) {
  const std::string tools = R"("tools":[{"type":"function","function":{"name":"f"}}])";
  EXPECT_EQ(outcome(decode(kChat, tools + R"(,"tool_choice":"auto")")), "ok");
  EXPECT_EQ(outcome(decode(kChat, tools + R"(,"tool_choice":"required")")),
            "unsupported_param /tool_choice");
  EXPECT_EQ(outcome(decode(kChat, tools + R"(,"tool_choice":"maybe")")),
            "invalid_param /tool_choice");
  EXPECT_EQ(outcome(decode(
                kChat, tools + R"(,"tool_choice":{"type":"function","function":{"name":"f"}})")),
            "unsupported_param /tool_choice");
  EXPECT_EQ(outcome(decode(
                kChat, tools + R"(,"tool_choice":{"type":"function","function":{"name":"g"}})")),
            "invalid_param /tool_choice/function/name");
  EXPECT_EQ(outcome(decode(kChat, R"("tool_choice":"auto")")), "invalid_param /tool_choice");
  EXPECT_EQ(outcome(decode(kChat, R"("tool_choice":"none","tools":[])")), "ok");
  EXPECT_EQ(outcome(decode(kChat, R"("tools":[{"type":"function","function":{"name":"a b"}}])")),
            "invalid_param /tools/0/function/name");
  EXPECT_EQ(outcome(decode(kChat, R"("tools":[{"type":"web_search"}])")),
            "unsupported_param /tools/0/type");
  EXPECT_EQ(outcome(decode(
                kChat, R"("tools":[{"type":"function","function":{"name":"f","strict":true}}])")),
            "schema_unsupported /tools/0/function/strict");
  EXPECT_EQ(outcome(decode(kChat, R"("parallel_tool_calls":false)")),
            "unsupported_param /parallel_tool_calls");
  for (const char* type : {"json_object", "json_schema"})
    EXPECT_EQ(outcome(decode(kChat, fmt::format(R"("response_format":{{"type":"{}"}})", type))),
              "schema_unsupported /response_format/type");
  EXPECT_EQ(outcome(decode(kChat, R"("response_format":{"type":"xml"})")),
            "invalid_param /response_format/type");
  EXPECT_EQ(outcome(decode(kChat, R"("response_format":{"type":"text","schema":{}})")),
            "unknown_param /response_format/schema");
}

TEST(DecodeOpenAi, ChatRules) {
  EXPECT_EQ(outcome(decode(kChat, R"("max_tokens":5,"max_completion_tokens":5)")), "ok");
  EXPECT_EQ(outcome(decode(kChat, R"("max_tokens":5,"max_completion_tokens":6)")),
            "invalid_param /max_tokens");
  EXPECT_EQ(outcome(decode(kChat, R"("top_logprobs":3)")), "invalid_param /top_logprobs");
  EXPECT_EQ(outcome(decode(kChat, R"("logprobs":true,"top_logprobs":21)")),
            "invalid_param /top_logprobs");
  EXPECT_EQ(outcome(decode(kChat, R"("modalities":["text","audio"])")),
            "unsupported_param /modalities");
  const OpenAiRequest plain = good(kChat, "");
  EXPECT_EQ(first(plain).stop.max_tokens, -1);
  EXPECT_EQ(first(plain).top_logprobs, -1);
  EXPECT_EQ(first(plain).sampling.penalty_window, -1);
  EXPECT_FALSE(first(plain).sampling.seed.has_value());
  EXPECT_GT(first(good(kChat, R"("top_p":0)")).sampling.top_p, 0.0);
  EXPECT_EQ(first(good(kChat, R"("top_k":-1)")).sampling.top_k, 0);
}

TEST(DecodeOpenAi, CompletionsRules) {
  const auto prompts = [](std::string_view text) {
    return decode_openai(kCompletions, fmt::format(R"({{"prompt":{}}})", text));
  };
  EXPECT_EQ(first(*prompts(R"([1,2,3])")).prompt_ids, (std::vector<std::int32_t>{1, 2, 3}));
  EXPECT_EQ(prompts(R"(["a","b"])")->prompts.at(1).prompt, "b");
  EXPECT_EQ(prompts(R"([[1],[2,3]])")->prompts.at(1).prompt_ids, (std::vector<std::int32_t>{2, 3}));
  EXPECT_EQ(outcome(prompts("\"\"")), "prompt_empty /prompt");
  EXPECT_EQ(outcome(prompts("[]")), "prompt_empty /prompt");
  EXPECT_EQ(outcome(prompts(R"(["a",""])")), "prompt_empty /prompt/1");
  EXPECT_EQ(outcome(prompts(R"([[]])")), "prompt_empty /prompt/0");
  EXPECT_EQ(outcome(prompts("[1,-1]")), "invalid_param /prompt/1");
  EXPECT_EQ(outcome(prompts("[1,2147483648]")), "invalid_param /prompt/1");
  EXPECT_EQ(outcome(prompts("[1.5]")), "invalid_param /prompt/0");
  EXPECT_EQ(outcome(prompts(R"(["a",{}])")), "invalid_param /prompt/1");
  EXPECT_EQ(outcome(prompts("{}")), "invalid_param /prompt");
  EXPECT_EQ(outcome(decode_openai(kCompletions, "{}")), "invalid_param /prompt");
  EXPECT_EQ(first(good(kCompletions, "")).stop.max_tokens, 16);
  EXPECT_EQ(first(good(kCompletions, R"("echo":true,"max_tokens":0)")).stop.max_tokens, 0);
  EXPECT_EQ(outcome(decode(kCompletions, R"("best_of":2)")), "unsupported_param /best_of");
  EXPECT_EQ(outcome(decode(kCompletions, R"("suffix":"x")")), "unsupported_param /suffix");
}

TEST(OpenAiRequest, ChoicesRunThroughPromptsAndSeeds) {
  const Result<OpenAiRequest> request =
      decode_openai(kCompletions, R"({"prompt":["a","b"],"n":2,"seed":10})");
  ASSERT_TRUE(request.has_value());
  ASSERT_EQ(request->choices(), 4u);
  EXPECT_EQ(request->choice(0).prompt, "a");
  EXPECT_EQ(request->choice(1).sampling.seed, 11u);
  EXPECT_EQ(request->choice(2).prompt, "b");
  EXPECT_EQ(request->choice(2).sampling.seed, 10u);
}

}  // namespace
}  // namespace bantam
