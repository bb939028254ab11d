// The half of the parser that reads expressions, and keeps track of which names a block assigns.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "chat/jinja/ast.h"
#include "chat/jinja/lexer.h"

namespace bantam::jinja {

class ExpressionParser {
 protected:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  // Tokens. The last one is kEnd and is never passed.
  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next();
  bool at(TokenType type) const { return current().type == type; }
  bool at_name(std::string_view name) const {
    return at(TokenType::kName) && current().text == name;
  }
  bool skip_if(TokenType type);
  bool skip_if_name(std::string_view name);
  Eval<Token> expect(TokenType type);
  Eval<void> expect_name(std::string_view name);
  std::unexpected<std::unique_ptr<Error>> unexpected(std::string_view expected) const;

  // Expressions.
  struct TupleRules {
    bool conditional = true;         // "a if b" may occur
    bool explicit_brackets = false;  // nothing at all is the empty tuple
    std::string_view end_name = {};  // besides the end of the tag
  };
  Eval<ExprPtr> parse_tuple(const TupleRules& rules);
  Eval<ExprPtr> parse_expression(bool conditional = true);
  Eval<ExprPtr> parse_filters(ExprPtr base, bool first_named);  // base may be null
  Eval<Target> parse_target(std::string_view end_name, bool attributes);
  Eval<Target> parse_name_target();

  // Names. A frame is a block with variables of its own; see Body.
  struct Frame {
    std::size_t parent;                      // itself for the outermost
    std::unordered_map<NameId, bool> known;  // read or assigned here
    std::vector<NameId> stored_first;        // assigned before read, whatever the conditions
    Macro* macro = nullptr;                  // whose body this is
    std::size_t branches = 0;                // conditional blocks that we are in, of this frame
  };
  NameId intern(std::string_view name);
  void load(NameId name);
  void store(NameId name);
  void declare(NameId name) { frame().known.emplace(name, true); }
  Frame& frame() { return frames_[open_.back()]; }
  void open_frame();
  std::size_t close_frame();  // its index
  // Once all frames are closed: what Program::predeclared says.
  std::vector<std::vector<NameId>> predeclared() const;
  void store_target(const Target& target);

  // One more bracket or block; undone when it goes out of scope.
  class Nesting {
   public:
    explicit Nesting(std::size_t& depth) : depth_(depth) { ++depth_; }
    ~Nesting() { --depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    std::size_t& depth_;
  };
  Eval<void> check_nesting() const;

  template <typename Node>
  static ExprPtr make(std::size_t line, Node node) {
    return std::make_unique<const Expr>(Expr{line, std::move(node)});
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0, nesting_ = 0;
  std::vector<Frame> frames_;      // all that there were
  std::vector<std::size_t> open_;  // into frames_: those we are in
  std::vector<std::string> names_;
  std::unordered_map<std::string, NameId> ids_;
  std::vector<bool> free_;  // by name
  // Filters and tests that do not exist and would be reached whatever the inputs are.
  std::vector<std::pair<std::size_t, std::string>> unknown_;

 private:
  Eval<ExprPtr> parse_conditional();
  Eval<ExprPtr> parse_logic(bool conjunction);
  Eval<ExprPtr> parse_not();
  Eval<ExprPtr> parse_compare();
  Eval<ExprPtr> parse_binary(int level);
  Eval<ExprPtr> parse_concat();
  Eval<ExprPtr> parse_unary();
  Eval<ExprPtr> parse_primary();
  Eval<ExprPtr> parse_sequence(TokenType close);
  Eval<ExprPtr> parse_dict();
  Eval<ExprPtr> parse_strings();
  Eval<Target> parse_target_part(bool attributes);
  Eval<void> parse_postfix(std::vector<PostfixOp>& ops, bool filters);
  Eval<PostfixOp> parse_subscript();
  Eval<PostfixOp> parse_slice_rest(std::size_t line, ExprPtr start);
  Eval<PostfixOp> parse_filter();
  Eval<PostfixOp> parse_test();
  Eval<std::string> parse_dotted_name();
  Eval<CallArguments> parse_arguments();
  void note_unknown(const Apply& apply, std::size_t line);
};

}  // namespace bantam::jinja
