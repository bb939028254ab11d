#include "data/row_json.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace bantam {
namespace {

constexpr std::size_t kMaxUnused = 32;
constexpr std::initializer_list<std::string_view> kAnswers = {"completion", "response", "output",
                                                              "answer"};

// The members of a row, and which of them somebody asked for. JSON null counts as absent.
class Members {
 public:
  explicit Members(const JsonObject& object) : object_(object) {}

  struct Found {
    const Json* value = nullptr;
    std::string pointer;
    explicit operator bool() const { return value != nullptr; }
  };
  // The first of some spellings that is there.
  Found find(std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
      const Json* value = object_.if_contains(name);
      if (value == nullptr) continue;
      asked_.insert(std::string(name));
      if (!value->is_null()) return {value, fmt::format("/{}", name)};
    }
    return {};
  }

  // Whether one of them is there; asks for none.
  bool has(std::initializer_list<std::string_view> names) const {
    return std::ranges::any_of(names, [this](std::string_view name) {
      const Json* value = object_.if_contains(name);
      return value != nullptr && !value->is_null();
    });
  }

  void add_unused(std::set<std::string>& unused) const {
    for (const auto& member : object_) {
      const std::string name(std::string_view(member.key()).substr(0, 64));
      if (unused.size() < kMaxUnused && !asked_.contains(name)) unused.insert(name);
    }
  }
  std::string names() const {
    std::string out;
    for (const auto& member : object_) {
      if (out.size() > 200) return out + ", …";
      out += (out.empty() ? "" : ", ") + quoted(std::string_view(member.key()), 32);
    }
    return out.empty() ? "none" : out;
  }

 private:
  const JsonObject& object_;
  std::set<std::string> asked_;
};

Result<std::string> text_of(const Members::Found& member) {
  if (const auto* text = member.value->if_string()) return std::string(*text);
  return bad_row(member.pointer, "expected a string, found {}", json_type_name(*member.value));
}

bool same(const ToolCall& a, const ToolCall& b) {
  return a.name == b.name && a.arguments == b.arguments;
}

bool same(const Message& a, const Message& b) {
  return a.role == b.role && a.content == b.content && a.reasoning == b.reasoning &&
         std::ranges::equal(a.tool_calls, b.tool_calls,
                            [](const ToolCall& x, const ToolCall& y) { return same(x, y); });
}

// An answer, and what was said before it where the member holds a whole conversation.
struct Answer {
  std::vector<Message> before;
  Message message;
};

Result<Answer> read_answer(const Members::Found& member) {
  if (member.value->is_string())
    return Answer{{}, {.role = "assistant", .content = TRY(text_of(member))}};
  std::vector<float> weights;
  std::vector<Message> said =
      member.value->is_object()
          ? TRY(parse_messages(JsonArray{*member.value}, member.pointer, weights))
          : TRY(parse_messages(*member.value, member.pointer, weights));
  if (said.back().role != "assistant")
    return bad_row(member.pointer, "expected an answer of the assistant, found one of {}",
                   said.back().role);
  Answer answer{{}, std::move(said.back())};
  said.pop_back();
  answer.before = std::move(said);
  return answer;
}

// The prompt: messages, or text, or an instruction with its input below.
Result<void> read_prompt(Members& members, Row& row) {
  std::vector<float> weights;
  if (const auto messages = members.find({"messages", "conversations"})) {
    row.messages = TRY(parse_messages(*messages.value, messages.pointer, weights));
  } else if (const auto prompt = members.find({"prompt", "instruction"})) {
    if (prompt.value->is_array()) {
      row.messages = TRY(parse_messages(*prompt.value, prompt.pointer, weights));
    } else {
      row.text = TRY(text_of(prompt));
    }
    if (const auto input = members.find({"input"})) {
      const std::string text = TRY(text_of(input));
      if (!text.empty() && !row.messages.empty())
        return bad_row(input.pointer, "goes with an instruction as text, not with messages");
      if (!text.empty()) row.text += (row.text.empty() ? "" : "\n\n") + text;
    }
  }
  return {};
}

// A whole conversation in the answer stands for the prompt, which some files say once more.
void take_prompt(std::vector<Message> before, Row& row) {
  if (before.empty()) return;
  row.messages = std::move(before);
  row.text.clear();
}

Result<void> read_preference(Members& members, Row& row) {
  row.shape = RowShape::kPreference;
  TRY(read_prompt(members, row));
  const auto chosen = members.find({"chosen"}), rejected = members.find({"rejected"});
  Answer good = TRY(read_answer(chosen)), bad = TRY(read_answer(rejected));
  if (!std::ranges::equal(good.before, bad.before,
                          [](const Message& a, const Message& b) { return same(a, b); }))
    return bad_row(rejected.pointer, "another conversation than the chosen one before the answer");
  if (same(good.message, bad.message))
    return bad_row(rejected.pointer, "the same answer as the chosen one");
  take_prompt(std::move(good.before), row);
  row.answer = std::move(good.message);
  row.rejected = std::move(bad.message);
  return {};
}

Result<void> read_completion(Members& members, Row& row) {
  row.shape = RowShape::kCompletion;
  TRY(read_prompt(members, row));
  Answer answer = TRY(read_answer(members.find(kAnswers)));
  take_prompt(std::move(answer.before), row);
  row.answer = std::move(answer.message);
  return {};
}

Result<void> read_conversation(Members& members, Row& row) {
  row.shape = RowShape::kMessages;
  const auto messages = members.find({"messages", "conversations"});
  row.messages = TRY(parse_messages(*messages.value, messages.pointer, row.weights));
  if (std::ranges::find(row.messages, "assistant", &Message::role) == row.messages.end())
    return bad_row(messages.pointer, "no turn of the assistant: nothing to learn");
  return {};
}

// A row that says whether its answer was liked.
Result<void> read_liked(Members& members, Row& row) {
  row.shape = RowShape::kLiked;
  row.liked = members.find({"label"}).value->get_bool();
  if (!row.messages.empty()) {  // of a conversation the last turn
    if (row.messages.back().role != "assistant")
      return bad_row("/messages", "the last turn is not the assistant's, which the label is about");
    row.answer = std::move(row.messages.back());
    row.messages.pop_back();
    row.weights.clear();
  }
  return {};
}

Result<void> read_labelled(const Members::Found& text, const Members::Found& label, Row& row) {
  row.shape = RowShape::kLabelled;
  row.text = TRY(text_of(text));
  if (label.value->is_object() || label.value->is_array())
    return bad_row(label.pointer, "expected a label, found {}", json_type_name(*label.value));
  row.label = label.value->is_string() ? TRY(text_of(label)) : write_json(*label.value);
  return {};
}

Result<void> read_tools(Members& members, Row& row) {
  const auto tools = members.find({"tools"});
  if (!tools) return {};
  row.tools = *tools.value;
  if (row.tools.is_string()) {
    const std::string text = TRY(text_of(tools));
    if (text.empty()) {
      row.tools = nullptr;
      return {};
    }
    Result<Json> parsed = parse_json(text);
    if (!parsed)
      return bad_row(tools.pointer, "tools that are no JSON: {}", parsed.error().message);
    row.tools = std::move(*parsed);
  }
  if (!row.tools.is_array())
    return bad_row(tools.pointer, "expected an array of tools, found {}",
                   json_type_name(row.tools));
  return {};
}

// A system prompt beside the rest; a prompt that came as text is then what the user says.
Result<void> read_system(Members& members, Row& row) {
  const auto system = members.find({"system"});
  if (!system) return {};
  const std::string text = TRY(text_of(system));
  if (text.empty()) return {};
  if (row.messages.empty())
    row.messages.push_back({.role = "user", .content = std::exchange(row.text, {})});
  if (row.messages.front().role == "system")
    return bad_row(system.pointer, "the conversation has a system message already");
  row.messages.insert(row.messages.begin(), {.role = "system", .content = text});
  if (!row.weights.empty()) row.weights.insert(row.weights.begin(), 0.0f);
  return {};
}

Result<void> read_shape(Members& members, const JsonObject& object, const RowOptions& options,
                        Row& row) {
  const Json* label = object.if_contains("label");
  const bool liked = label != nullptr && label->is_bool();
  if (members.has({"chosen"}) && members.has({"rejected"})) {
    TRY(read_preference(members, row));
  } else if (members.has({"messages", "conversations"})) {
    TRY(read_conversation(members, row));
    if (liked) TRY(read_liked(members, row));
  } else if (members.has({"prompt", "instruction"}) && members.has(kAnswers)) {
    TRY(read_completion(members, row));
    if (liked) TRY(read_liked(members, row));
  } else {
    const auto text = members.find({options.text_column});
    const auto column = members.find({options.label_column});
    if (text && column) return read_labelled(text, column, row);
    if (!text) return bad_row("", "no shape of a row has the members {}", members.names());
    row.shape = RowShape::kText;
    row.text = TRY(text_of(text));
    return {};
  }
  TRY(read_tools(members, row));
  return read_system(members, row);
}

}  // namespace

Result<Row> parse_json_row(std::string_view text, const RowOptions& options,
                           std::set<std::string>& unused) {
  const Result<Json> json = parse_json(text, {.max_bytes = kMaxRowBytes, .max_depth = 64});
  if (!json) return fail(ErrorKind::kMalformed, "row_invalid", "{}", json.error().to_string());
  const auto* object = json->if_object();
  if (object == nullptr) return bad_row("", "expected an object, found {}", json_type_name(*json));
  Members members(*object);
  Row row;
  TRY(read_shape(members, *object, options, row));
  members.add_unused(unused);
  return row;
}

}  // namespace bantam
