#include "chat/jinja/parser.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "chat/jinja/expression_parser.h"

namespace bantam::jinja {
namespace {

using EndTags = std::initializer_list<std::string_view>;

class Parser : public ExpressionParser {
 public:
  explicit Parser(std::vector<Token> tokens) : ExpressionParser(std::move(tokens)) {}

  Eval<std::unique_ptr<const Program>> run() {
    auto program = std::make_unique<Program>();
    open_frame();
    program->body.statements = TRY(parse_block({}));
    if (!unknown_.empty()) return syntax_error(unknown_[0].first, unknown_[0].second);
    program->body.frame = close_frame();
    program->predeclared = predeclared();
    for (NameId id = 0; id < names_.size(); ++id) {
      if (free_[id]) program->free_names.push_back(names_[id]);
    }
    std::sort(program->free_names.begin(), program->free_names.end());
    program->names = std::move(names_);
    return program;
  }

 private:
  // Statements up to one of the tags, whose name is then the current token; or to the end.
  Eval<Block> parse_block(EndTags ends) {
    const Nesting nesting(nesting_);
    TRY(check_nesting());
    Block block;
    Output output;
    std::size_t line = current().line;
    const auto flush = [&] {
      if (!output.parts.empty()) block.push_back({line, std::exchange(output, {})});
    };
    while (!at(TokenType::kEnd)) {
      const Token token = next();
      if (output.parts.empty()) line = token.line;
      if (token.type == TokenType::kData) {
        output.parts.push_back(
            make(token.line, Constant{Value(make_text(std::string(token.text)))}));
      } else if (token.type == TokenType::kVariableBegin) {
        output.parts.push_back(TRY(parse_tuple({})));
        TRY(expect(TokenType::kVariableEnd));
      } else {
        if (at(TokenType::kName) &&
            std::find(ends.begin(), ends.end(), current().text) != ends.end()) {
          flush();
          return block;
        }
        flush();
        TRY(parse_statement(block));
        TRY(expect(TokenType::kBlockEnd));
      }
    }
    if (ends.size() != 0)
      return syntax_error(current().line, fmt::format("the template ends where '{}' was expected",
                                                      *(ends.end() - 1)));
    flush();
    return block;
  }

  // The rest of a tag, and the block up to one of `ends`.
  Eval<Block> parse_tag_block(EndTags ends) {
    skip_if(TokenType::kColon);
    TRY(expect(TokenType::kBlockEnd));
    return parse_block(ends);
  }

  // A block with variables of its own, its end tag included. The caller has opened a frame.
  Eval<Body> parse_body(std::string_view end) {
    Body body;
    body.statements = TRY(parse_tag_block({end}));
    next();
    body.frame = close_frame();
    return body;
  }

  Eval<void> parse_statement(Block& block) {
    const Token tag = current();
    if (tag.type != TokenType::kName) return unexpected("the name of a tag");
    using Parse = Eval<void> (Parser::*)(Block&, std::size_t);
    static constexpr std::array<std::pair<std::string_view, Parse>, 12> kTags = {{
        {"if", &Parser::parse_if},
        {"for", &Parser::parse_for},
        {"set", &Parser::parse_set},
        {"macro", &Parser::parse_macro},
        {"call", &Parser::parse_call_block},
        {"filter", &Parser::parse_filter_block},
        {"with", &Parser::parse_with},
        {"print", &Parser::parse_print},
        {"generation", &Parser::parse_generation},
        {"block", &Parser::parse_named_block},
        {"break", &Parser::parse_break},
        {"continue", &Parser::parse_continue},
    }};
    for (const auto& [name, parse] : kTags) {
      if (tag.text != name) continue;
      next();
      return (this->*parse)(block, tag.line);
    }
    constexpr std::array<std::string_view, 5> kRefused = {"include", "import", "from", "extends",
                                                          "autoescape"};
    if (std::find(kRefused.begin(), kRefused.end(), tag.text) != kRefused.end())
      return syntax_error(tag.line,
                          fmt::format("the tag '{}' is not available in chat templates", tag.text),
                          "template_unsupported");
    return syntax_error(tag.line, fmt::format("unknown tag {}", quoted(tag.text)));
  }

  Eval<void> parse_if(Block& block, std::size_t line) {
    If node;
    ExprPtr condition = TRY(parse_tuple({.conditional = false}));
    for (;;) {
      ++frame().branches;
      Block body = TRY(parse_tag_block({"elif", "else", "endif"}));
      --frame().branches;
      node.branches.emplace_back(std::move(condition), std::move(body));
      const std::string_view tag = next().text;
      if (tag == "elif") {
        condition = TRY(parse_tuple({.conditional = false}));
        continue;
      }
      if (tag == "else") {
        ++frame().branches;
        node.otherwise = TRY(parse_tag_block({"endif"}));
        --frame().branches;
        next();
      }
      break;
    }
    block.push_back({line, std::move(node)});
    return {};
  }

  Eval<void> parse_for(Block& block, std::size_t line) {
    For node;
    node.target = TRY(parse_target("in", false));
    TRY(expect_name("in"));
    node.iterable = TRY(parse_tuple({.conditional = false, .end_name = "recursive"}));
    node.loop = intern("loop");
    if (skip_if_name("if")) {
      open_frame();
      declare_target(node.target);
      node.test = TRY(parse_expression());
      close_frame();
    }
    node.recursive = skip_if_name("recursive");
    open_frame();
    declare(node.loop);
    declare_target(node.target);
    const std::size_t loops = std::exchange(loops_, loops_ + 1);
    node.body.statements = TRY(parse_tag_block({"endfor", "else"}));
    node.body.frame = close_frame();
    loops_ = loops;
    if (next().text == "else") {
      open_frame();
      node.otherwise = TRY(parse_body("endfor"));
    }
    block.push_back({line, std::move(node)});
    return {};
  }

  void declare_target(const Target& target) {
    if (!target.tuple) declare(target.name);
    for (const Target& part : target.targets) declare_target(part);
  }

  Eval<void> parse_set(Block& block, std::size_t line) {
    Target target = TRY(parse_target({}, true));
    if (skip_if(TokenType::kAssign)) {
      ExprPtr value = TRY(parse_tuple({}));
      store_target(target);
      block.push_back({line, Set{std::move(target), std::move(value)}});
      return {};
    }
    ExprPtr filter = TRY(parse_filters(nullptr, false));
    store_target(target);
    open_frame();
    Body body = TRY(parse_body("endset"));
    block.push_back({line, SetBlock{std::move(target), std::move(filter), std::move(body)}});
    return {};
  }

  Eval<void> parse_signature(Macro& macro) {
    TRY(expect(TokenType::kLeftParen));
    while (!at(TokenType::kRightParen)) {
      if (!macro.parameters.empty()) TRY(expect(TokenType::kComma));
      const Target parameter = TRY(parse_name_target());
      if (skip_if(TokenType::kAssign)) {
        macro.defaults.push_back(TRY(parse_expression()));
      } else if (!macro.defaults.empty()) {
        return syntax_error(parameter.line,
                            "a parameter without default follows one with a default");
      }
      macro.parameters.push_back(parameter.name);
      declare(parameter.name);
    }
    TRY(expect(TokenType::kRightParen));
    return {};
  }

  // The frame of a macro's body, open from its signature on.
  void open_macro(Macro& macro) {
    macro.caller = intern("caller");
    macro.varargs = intern("varargs");
    macro.kwargs = intern("kwargs");
    open_frame();
    frame().macro = &macro;
    for (const NameId id : {macro.caller, macro.varargs, macro.kwargs}) declare(id);
  }
  Eval<void> finish_macro(Macro& macro, std::string_view end) {
    const std::size_t loops = std::exchange(loops_, 0);
    macro.body = TRY(parse_body(end));
    loops_ = loops;
    return {};
  }

  Eval<void> parse_macro(Block& block, std::size_t line) {
    const Target name = TRY(parse_name_target());
    store(name.name);
    auto macro = std::make_shared<Macro>();
    macro->name = names_[name.name];
    open_macro(*macro);
    TRY(parse_signature(*macro));
    TRY(finish_macro(*macro, "endmacro"));
    block.push_back({line, DefineMacro{name.name, std::move(macro)}});
    return {};
  }

  Eval<void> parse_call_block(Block& block, std::size_t line) {
    auto caller = std::make_shared<Macro>();
    open_macro(*caller);
    if (at(TokenType::kLeftParen)) TRY(parse_signature(*caller));
    // The call itself is read outside of the frame that its signature opened.
    const std::size_t inner = close_frame();
    ExprPtr call = TRY(parse_expression());
    const auto* postfix = std::get_if<Postfix>(&call->node);
    if (postfix == nullptr || !std::holds_alternative<Call>(postfix->ops.back().op))
      return syntax_error(line, "a call block needs a call");
    open_.push_back(inner);
    TRY(finish_macro(*caller, "endcall"));
    block.push_back({line, CallBlock{std::move(call), std::move(caller)}});
    return {};
  }

  Eval<void> parse_filter_block(Block& block, std::size_t line) {
    ExprPtr filter = TRY(parse_filters(nullptr, true));
    open_frame();
    Body body = TRY(parse_body("endfilter"));
    block.push_back({line, FilterBlock{std::move(filter), std::move(body)}});
    return {};
  }

  Eval<void> parse_with(Block& block, std::size_t line) {
    With node;
    while (!at(TokenType::kBlockEnd)) {
      if (!node.variables.empty()) TRY(expect(TokenType::kComma));
      Target target = TRY(parse_target({}, false));
      TRY(expect(TokenType::kAssign));
      node.variables.emplace_back(std::move(target), TRY(parse_expression()));
    }
    open_frame();
    for (const auto& [target, value] : node.variables) declare_target(target);
    node.body = TRY(parse_body("endwith"));
    block.push_back({line, std::move(node)});
    return {};
  }

  Eval<void> parse_print(Block& block, std::size_t line) {
    Output output;
    while (!at(TokenType::kBlockEnd)) {
      if (!output.parts.empty()) TRY(expect(TokenType::kComma));
      output.parts.push_back(TRY(parse_expression()));
    }
    block.push_back({line, std::move(output)});
    return {};
  }

  // What the assistant said; transformers marks it for training. Scoped as a call block is.
  Eval<void> parse_generation(Block& block, std::size_t line) {
    open_frame();
    const std::size_t loops = std::exchange(loops_, 0);
    Body body = TRY(parse_body("endgeneration"));
    loops_ = loops;
    block.push_back({line, Scoped{std::move(body)}});
    return {};
  }

  // Without inheritance a named block is where it stands.
  Eval<void> parse_named_block(Block& block, std::size_t line) {
    const std::string name(TRY(expect(TokenType::kName)).text);
    skip_if_name("scoped");
    skip_if_name("required");
    open_frame();
    const std::size_t loops = std::exchange(loops_, 0);
    Body body = TRY(parse_body("endblock"));
    loops_ = loops;
    skip_if_name(name);
    block.push_back({line, Scoped{std::move(body)}});
    return {};
  }

  Eval<void> parse_jump(Block& block, std::size_t line, bool is_break) {
    if (loops_ == 0)
      return syntax_error(line,
                          fmt::format("'{}' outside of a loop", is_break ? "break" : "continue"));
    if (is_break) {
      block.push_back({line, Break{}});
    } else {
      block.push_back({line, Continue{}});
    }
    return {};
  }
  Eval<void> parse_break(Block& block, std::size_t line) { return parse_jump(block, line, true); }
  Eval<void> parse_continue(Block& block, std::size_t line) {
    return parse_jump(block, line, false);
  }

  std::size_t loops_ = 0;  // that a break could leave
};

}  // namespace

Eval<std::unique_ptr<const Program>> parse_program(std::string_view source) {
  return Parser(TRY(tokenize(source))).run();
}

}  // namespace bantam::jinja
