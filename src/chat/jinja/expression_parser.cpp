#include "chat/jinja/expression_parser.h"

#include <algorithm>
#include <array>

#include "chat/jinja/functions.h"
#include "chat/jinja/literals.h"

namespace bantam::jinja {
namespace {

// "a if b if c …" without an else wraps from the left, so nothing else limits how deep it gets.
constexpr int kMaxTrailingConditions = 8;

std::string describe(const Token& token) {
  switch (token.type) {
    case TokenType::kEnd:
      return "the end of the template";
    case TokenType::kVariableEnd:
      return "the end of the print statement";
    case TokenType::kBlockEnd:
      return "the end of the statement";
    default:
      return quoted(token.text);
  }
}

std::string_view describe(TokenType type) {
  switch (type) {
    case TokenType::kVariableEnd:
      return "the end of the print statement";
    case TokenType::kBlockEnd:
      return "the end of the statement";
    case TokenType::kName:
      return "a name";
    case TokenType::kLeftParen:
      return "'('";
    case TokenType::kRightParen:
      return "')'";
    case TokenType::kRightBracket:
      return "']'";
    case TokenType::kRightBrace:
      return "'}'";
    case TokenType::kComma:
      return "','";
    case TokenType::kColon:
      return "':'";
    case TokenType::kAssign:
      return "'='";
    default:
      return "another token";
  }
}

std::optional<CompareOp> compare_op(TokenType type) {
  switch (type) {
    case TokenType::kEq:
      return CompareOp::kEq;
    case TokenType::kNe:
      return CompareOp::kNe;
    case TokenType::kLt:
      return CompareOp::kLt;
    case TokenType::kLe:
      return CompareOp::kLe;
    case TokenType::kGt:
      return CompareOp::kGt;
    case TokenType::kGe:
      return CompareOp::kGe;
    default:
      return std::nullopt;
  }
}

// Binary operators of a level: 0 is + and -, below the concatenation; 1 is * / // %; 2 is **.
std::optional<BinaryOp> binary_op(TokenType type, int level) {
  switch (type) {
    case TokenType::kAdd:
      return level == 0 ? std::optional(BinaryOp::kAdd) : std::nullopt;
    case TokenType::kSub:
      return level == 0 ? std::optional(BinaryOp::kSub) : std::nullopt;
    case TokenType::kMul:
      return level == 1 ? std::optional(BinaryOp::kMul) : std::nullopt;
    case TokenType::kDiv:
      return level == 1 ? std::optional(BinaryOp::kDiv) : std::nullopt;
    case TokenType::kFloorDiv:
      return level == 1 ? std::optional(BinaryOp::kFloorDiv) : std::nullopt;
    case TokenType::kMod:
      return level == 1 ? std::optional(BinaryOp::kMod) : std::nullopt;
    case TokenType::kPow:
      return level == 2 ? std::optional(BinaryOp::kPow) : std::nullopt;
    default:
      return std::nullopt;
  }
}

constexpr std::array<std::string_view, 6> kConstants = {"true",  "True", "false",
                                                        "False", "none", "None"};

bool is_constant(std::string_view name) {
  return std::find(kConstants.begin(), kConstants.end(), name) != kConstants.end();
}

}  // namespace

const Token& ExpressionParser::next() {
  const Token& token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool ExpressionParser::skip_if(TokenType type) {
  if (!at(type)) return false;
  next();
  return true;
}

bool ExpressionParser::skip_if_name(std::string_view name) {
  if (!at_name(name)) return false;
  next();
  return true;
}

Eval<Token> ExpressionParser::expect(TokenType type) {
  if (!at(type)) return unexpected(describe(type));
  return next();
}

Eval<void> ExpressionParser::expect_name(std::string_view name) {
  if (!skip_if_name(name)) return unexpected(fmt::format("'{}'", name));
  return {};
}

std::unexpected<std::unique_ptr<Error>> ExpressionParser::unexpected(
    std::string_view expected) const {
  return syntax_error(current().line,
                      fmt::format("expected {}, found {}", expected, describe(current())));
}

Eval<void> ExpressionParser::check_nesting() const {
  if (nesting_ <= kMaxNesting) return {};
  return syntax_error(current().line,
                      fmt::format("blocks and brackets nested deeper than {}", kMaxNesting),
                      "template_depth");
}

NameId ExpressionParser::intern(std::string_view name) {
  const auto [entry, is_new] = ids_.emplace(std::string(name), static_cast<NameId>(names_.size()));
  if (is_new) {
    names_.emplace_back(name);
    free_.push_back(false);
  }
  return entry->second;
}

void ExpressionParser::open_frame() {
  const std::size_t parent = open_.empty() ? 0 : open_.back();
  open_.push_back(frames_.size());
  frames_.push_back({.parent = parent});
}

std::size_t ExpressionParser::close_frame() {
  const std::size_t index = open_.back();
  open_.pop_back();
  return index;
}

void ExpressionParser::load(NameId name) {
  const std::string& text = names_[name];
  for (const std::size_t index : open_) {
    Macro* macro = frames_[index].macro;
    if (macro == nullptr) continue;
    macro->uses_caller |= text == "caller";
    macro->uses_varargs |= text == "varargs";
    macro->uses_kwargs |= text == "kwargs";
  }
  for (const std::size_t index : open_) {
    if (frames_[index].known.contains(name)) return;
  }
  declare(name);
  free_[name] = true;
}

void ExpressionParser::store(NameId name) {
  const bool is_new = frame().known.emplace(name, true).second;
  if (is_new && frame().branches == 0) frame().stored_first.push_back(name);
}

std::vector<std::vector<NameId>> ExpressionParser::predeclared() const {
  std::vector<std::vector<NameId>> names(frames_.size());
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    for (const NameId name : frames_[i].stored_first) {
      bool outside = false;
      for (std::size_t at = i; at != frames_[at].parent && !outside;) {
        at = frames_[at].parent;
        outside = frames_[at].known.contains(name);
      }
      if (!outside) names[i].push_back(name);
    }
  }
  return names;
}

void ExpressionParser::store_target(const Target& target) {
  if (!target.tuple) {
    if (target.attribute.empty()) {
      store(target.name);
    } else {
      load(target.name);
    }
  }
  for (const Target& part : target.targets) store_target(part);
}

Eval<ExprPtr> ExpressionParser::parse_tuple(const TupleRules& rules) {
  const std::size_t line = current().line;
  std::vector<ExprPtr> items;
  bool tuple = false;
  for (;;) {
    if (!items.empty()) TRY(expect(TokenType::kComma));
    if (at(TokenType::kVariableEnd) || at(TokenType::kBlockEnd) || at(TokenType::kRightParen) ||
        (!rules.end_name.empty() && at_name(rules.end_name)))
      break;
    items.push_back(TRY(parse_expression(rules.conditional)));
    if (!at(TokenType::kComma)) break;
    tuple = true;
  }
  if (!tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!rules.explicit_brackets) return unexpected("an expression");
  }
  return make(line, Sequence{std::move(items), true});
}

Eval<ExprPtr> ExpressionParser::parse_expression(bool conditional) {
  const Nesting nesting(nesting_);
  TRY(check_nesting());
  return conditional ? parse_conditional() : parse_logic(false);
}

Eval<ExprPtr> ExpressionParser::parse_conditional() {
  const std::size_t line = current().line, unknown = unknown_.size();
  ExprPtr value = TRY(parse_logic(false));
  for (int wraps = 0; skip_if_name("if"); ++wraps) {
    if (wraps == kMaxTrailingConditions)
      return syntax_error(line, "too many conditions in a row", "template_depth");
    ExprPtr condition = TRY(parse_logic(false));
    ExprPtr otherwise = skip_if_name("else") ? TRY(parse_expression()) : nullptr;
    value = make(line, Conditional{std::move(condition), std::move(value), std::move(otherwise)});
    unknown_.resize(unknown);  // reached under a condition only, so an error when it is
  }
  return value;
}

Eval<ExprPtr> ExpressionParser::parse_logic(bool conjunction) {
  const std::size_t line = current().line;
  const auto operand = [&] { return conjunction ? parse_not() : parse_logic(true); };
  ExprPtr first = TRY(operand());
  const std::string_view word = conjunction ? "and" : "or";
  if (!at_name(word)) return first;
  Logic logic{.operands = {}, .conjunction = conjunction};
  logic.operands.push_back(std::move(first));
  while (skip_if_name(word)) logic.operands.push_back(TRY(operand()));
  return make(line, std::move(logic));
}

Eval<ExprPtr> ExpressionParser::parse_not() {
  const std::size_t line = current().line;
  std::size_t count = 0;
  while (skip_if_name("not")) ++count;
  ExprPtr value = TRY(parse_compare());
  if (count == 0) return value;
  value = make(line, Not{std::move(value)});
  return count % 2 == 1 ? std::move(value) : make(line, Not{std::move(value)});
}

Eval<ExprPtr> ExpressionParser::parse_compare() {
  const std::size_t line = current().line;
  ExprPtr first = TRY(parse_binary(0));
  Compare compare;
  for (;;) {
    if (const auto op = compare_op(current().type)) {
      next();
      compare.rest.emplace_back(*op, TRY(parse_binary(0)));
    } else if (skip_if_name("in")) {
      compare.rest.emplace_back(CompareOp::kIn, TRY(parse_binary(0)));
    } else if (at_name("not") && look().type == TokenType::kName && look().text == "in") {
      next();
      next();
      compare.rest.emplace_back(CompareOp::kNotIn, TRY(parse_binary(0)));
    } else {
      break;
    }
  }
  if (compare.rest.empty()) return first;
  compare.first = std::move(first);
  return make(line, std::move(compare));
}

Eval<ExprPtr> ExpressionParser::parse_binary(int level) {
  const std::size_t line = current().line;
  const auto operand = [&] {
    return level == 0 ? parse_concat() : level == 1 ? parse_binary(2) : parse_unary();
  };
  ExprPtr first = TRY(operand());
  Binary binary;
  while (const auto op = binary_op(current().type, level)) {
    next();
    binary.rest.emplace_back(*op, TRY(operand()));
  }
  if (binary.rest.empty()) return first;
  binary.first = std::move(first);
  return make(line, std::move(binary));
}

Eval<ExprPtr> ExpressionParser::parse_concat() {
  const std::size_t line = current().line;
  ExprPtr first = TRY(parse_binary(1));
  if (!at(TokenType::kTilde)) return first;
  Concat concat;
  concat.parts.push_back(std::move(first));
  while (skip_if(TokenType::kTilde)) concat.parts.push_back(TRY(parse_binary(1)));
  return make(line, std::move(concat));
}

Eval<ExprPtr> ExpressionParser::parse_unary() {
  const std::size_t line = current().line;
  bool sign = false, negate = false;
  for (; at(TokenType::kAdd) || at(TokenType::kSub); next()) {
    sign = true;
    negate ^= at(TokenType::kSub);
  }
  ExprPtr base = TRY(parse_primary());
  Postfix postfix;
  TRY(parse_postfix(postfix.ops, false));
  if (!postfix.ops.empty()) {
    postfix.base = std::move(base);
    base = make(line, std::exchange(postfix, {}));
  }
  if (sign) base = make(line, Sign{std::move(base), negate});
  TRY(parse_postfix(postfix.ops, true));
  if (postfix.ops.empty()) return base;
  postfix.base = std::move(base);
  return make(line, std::move(postfix));
}

Eval<ExprPtr> ExpressionParser::parse_primary() {
  const Token token = current();
  switch (token.type) {
    case TokenType::kName: {
      next();
      if (token.text == "true" || token.text == "True")
        return make(token.line, Constant{Value(true)});
      if (token.text == "false" || token.text == "False")
        return make(token.line, Constant{Value(false)});
      if (is_constant(token.text)) return make(token.line, Constant{Value()});
      const NameId id = intern(token.text);
      load(id);
      return make(token.line, Name{id});
    }
    case TokenType::kString:
      return parse_strings();
    case TokenType::kInteger:
      next();
      return make(token.line, Constant{TRY(integer_literal(token))});
    case TokenType::kFloat:
      next();
      return make(token.line, Constant{TRY(float_literal(token))});
    case TokenType::kLeftParen: {
      next();
      ExprPtr tuple = TRY(parse_tuple({.explicit_brackets = true}));
      TRY(expect(TokenType::kRightParen));
      return tuple;
    }
    case TokenType::kLeftBracket:
      return parse_sequence(TokenType::kRightBracket);
    case TokenType::kLeftBrace:
      return parse_dict();
    default:
      return unexpected("an expression");
  }
}

Eval<ExprPtr> ExpressionParser::parse_strings() {
  const std::size_t line = current().line;
  std::string text;
  while (at(TokenType::kString)) text += TRY(string_literal(next()));
  return make(line, Constant{Value(make_text(std::move(text)))});
}

Eval<ExprPtr> ExpressionParser::parse_sequence(TokenType close) {
  const std::size_t line = next().line;
  Sequence sequence;
  while (!at(close)) {
    if (!sequence.items.empty()) TRY(expect(TokenType::kComma));
    if (at(close)) break;
    sequence.items.push_back(TRY(parse_expression()));
  }
  TRY(expect(close));
  return make(line, std::move(sequence));
}

Eval<ExprPtr> ExpressionParser::parse_dict() {
  const std::size_t line = next().line;
  DictDisplay dict;
  while (!at(TokenType::kRightBrace)) {
    if (!dict.entries.empty()) TRY(expect(TokenType::kComma));
    if (at(TokenType::kRightBrace)) break;
    ExprPtr key = TRY(parse_expression());
    TRY(expect(TokenType::kColon));
    dict.entries.emplace_back(std::move(key), TRY(parse_expression()));
  }
  TRY(expect(TokenType::kRightBrace));
  return make(line, std::move(dict));
}

// Attributes, subscripts and calls; with `filters`, filters, tests and calls.
Eval<void> ExpressionParser::parse_postfix(std::vector<PostfixOp>& ops, bool filters) {
  for (;;) {
    if (at(TokenType::kLeftParen)) {
      const std::size_t line = current().line;
      ops.push_back({line, Call{TRY(parse_arguments())}});
    } else if (!filters && (at(TokenType::kDot) || at(TokenType::kLeftBracket))) {
      ops.push_back(TRY(parse_subscript()));
    } else if (filters && skip_if(TokenType::kPipe)) {
      ops.push_back(TRY(parse_filter()));
    } else if (filters && at_name("is")) {
      ops.push_back(TRY(parse_test()));
    } else {
      return {};
    }
  }
}

Eval<PostfixOp> ExpressionParser::parse_subscript() {
  const Token open = next();
  if (open.type == TokenType::kDot) {
    if (at(TokenType::kName)) return PostfixOp{open.line, Attribute{std::string(next().text)}};
    if (!at(TokenType::kInteger)) return unexpected("a name or a number");
    const Token number = next();
    return PostfixOp{open.line,
                     Subscript{make(number.line, Constant{TRY(integer_literal(number))})}};
  }
  std::vector<ExprPtr> items;
  bool tuple = false;
  while (!at(TokenType::kRightBracket)) {
    if (!items.empty()) {
      TRY(expect(TokenType::kComma));
      tuple = true;
      if (at(TokenType::kRightBracket)) break;
    }
    ExprPtr item = at(TokenType::kColon) ? nullptr : TRY(parse_expression());
    if (skip_if(TokenType::kColon)) {
      if (!items.empty()) return unexpected("one slice");
      PostfixOp slice = TRY(parse_slice_rest(open.line, std::move(item)));
      TRY(expect(TokenType::kRightBracket));
      return slice;
    }
    items.push_back(std::move(item));
  }
  TRY(expect(TokenType::kRightBracket));
  if (items.size() == 1 && !tuple) return PostfixOp{open.line, Subscript{std::move(items[0])}};
  return PostfixOp{open.line, Subscript{make(open.line, Sequence{std::move(items), true})}};
}

Eval<PostfixOp> ExpressionParser::parse_slice_rest(std::size_t line, ExprPtr start) {
  Slice slice{.start = std::move(start), .stop = nullptr, .step = nullptr};
  const auto ends = [this] { return at(TokenType::kRightBracket) || at(TokenType::kComma); };
  if (!at(TokenType::kColon) && !ends()) slice.stop = TRY(parse_expression());
  if (skip_if(TokenType::kColon) && !ends()) slice.step = TRY(parse_expression());
  return PostfixOp{line, std::move(slice)};
}

Eval<std::string> ExpressionParser::parse_dotted_name() {
  std::string name(TRY(expect(TokenType::kName)).text);
  while (skip_if(TokenType::kDot)) {
    name += '.';
    name += TRY(expect(TokenType::kName)).text;
  }
  return name;
}

void ExpressionParser::note_unknown(const Apply& apply, std::size_t line) {
  if (apply.function != nullptr || frame().branches > 0) return;
  unknown_.emplace_back(
      line, fmt::format("no {} named {}", apply.test ? "test" : "filter", quoted(apply.name)));
}

Eval<PostfixOp> ExpressionParser::parse_filter() {
  const std::size_t line = current().line;
  Apply apply;
  apply.name = TRY(parse_dotted_name());
  apply.function = find_filter(apply.name);
  note_unknown(apply, line);
  if (at(TokenType::kLeftParen)) apply.arguments = TRY(parse_arguments());
  return PostfixOp{line, std::move(apply)};
}

Eval<PostfixOp> ExpressionParser::parse_test() {
  const std::size_t line = next().line;
  Apply apply{.name = {}, .function = nullptr, .arguments = {}, .test = true, .negated = false};
  apply.negated = skip_if_name("not");
  apply.name = TRY(parse_dotted_name());
  apply.function = find_test(apply.name);
  note_unknown(apply, line);
  switch (current().type) {
    case TokenType::kLeftParen:
      apply.arguments = TRY(parse_arguments());
      break;
    case TokenType::kName:
      if (at_name("else") || at_name("or") || at_name("and")) break;
      if (at_name("is")) return syntax_error(line, "tests cannot follow each other with is");
      [[fallthrough]];
    case TokenType::kString:
    case TokenType::kInteger:
    case TokenType::kFloat:
    case TokenType::kLeftBracket:
    case TokenType::kLeftBrace: {
      // One argument without brackets: "is divisibleby 3".
      const Nesting nesting(nesting_);
      TRY(check_nesting());
      const std::size_t begin = current().line;
      ExprPtr base = TRY(parse_primary());
      Postfix postfix;
      TRY(parse_postfix(postfix.ops, false));
      if (!postfix.ops.empty()) {
        postfix.base = std::move(base);
        base = make(begin, std::move(postfix));
      }
      apply.arguments.positional.push_back(std::move(base));
      break;
    }
    default:
      break;
  }
  return PostfixOp{line, std::move(apply)};
}

Eval<CallArguments> ExpressionParser::parse_arguments() {
  const std::size_t line = TRY(expect(TokenType::kLeftParen)).line;
  const auto misplaced = [line] {
    return syntax_error(line, "arguments of a call in an impossible order");
  };
  CallArguments arguments;
  bool comma = false;
  while (!at(TokenType::kRightParen)) {
    if (comma) {
      TRY(expect(TokenType::kComma));
      if (at(TokenType::kRightParen)) break;
    }
    comma = true;
    if (skip_if(TokenType::kMul)) {
      if (arguments.list || arguments.dict) return misplaced();
      arguments.list = TRY(parse_expression());
    } else if (skip_if(TokenType::kPow)) {
      if (arguments.dict) return misplaced();
      arguments.dict = TRY(parse_expression());
    } else if (at(TokenType::kName) && look().type == TokenType::kAssign) {
      if (arguments.dict) return misplaced();
      std::string name(next().text);
      next();
      arguments.named.emplace_back(std::move(name), TRY(parse_expression()));
    } else {
      if (arguments.list || arguments.dict || !arguments.named.empty()) return misplaced();
      arguments.positional.push_back(TRY(parse_expression()));
    }
  }
  TRY(expect(TokenType::kRightParen));
  return arguments;
}

Eval<ExprPtr> ExpressionParser::parse_filters(ExprPtr base, bool first_named) {
  const std::size_t line = current().line;
  Postfix postfix{.base = std::move(base), .ops = {}};
  if (first_named) postfix.ops.push_back(TRY(parse_filter()));
  while (skip_if(TokenType::kPipe)) postfix.ops.push_back(TRY(parse_filter()));
  if (postfix.ops.empty()) return std::move(postfix.base);
  return make(line, std::move(postfix));
}

Eval<Target> ExpressionParser::parse_name_target() {
  const Token name = TRY(expect(TokenType::kName));
  if (is_constant(name.text))
    return syntax_error(name.line, fmt::format("can't assign to {}", quoted(name.text)));
  return Target{.line = name.line, .name = intern(name.text), .attribute = {}, .targets = {}};
}

Eval<Target> ExpressionParser::parse_target_part(bool attributes) {
  const Nesting nesting(nesting_);
  TRY(check_nesting());
  if (skip_if(TokenType::kLeftParen)) {
    Target target = TRY(parse_target({}, false));
    TRY(expect(TokenType::kRightParen));
    return target;
  }
  if (!at(TokenType::kName)) return unexpected("a name to assign to");
  Target target = TRY(parse_name_target());
  if (attributes && skip_if(TokenType::kDot)) target.attribute = TRY(expect(TokenType::kName)).text;
  return target;
}

Eval<Target> ExpressionParser::parse_target(std::string_view end_name, bool attributes) {
  Target target{.line = current().line, .name = 0, .attribute = {}, .targets = {}};
  for (;;) {
    target.targets.push_back(TRY(parse_target_part(attributes)));
    if (!skip_if(TokenType::kComma)) break;
    target.tuple = true;
    if (at(TokenType::kBlockEnd) || at(TokenType::kRightParen) || at(TokenType::kAssign) ||
        (!end_name.empty() && at_name(end_name)))
      break;
  }
  if (target.tuple) return target;
  return std::move(target.targets[0]);
}

}  // namespace bantam::jinja
