// The parsed template. Immutable once the parser is done, and shared by all renders.
//
// Operators of one level are kept as one node with many operands, so that the tree is only as deep
// as the text is nested (kMaxNesting) and everything that walks it may recurse.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "chat/jinja/value.h"

namespace bantam::jinja {

// A filter, test, method or global function. `self` is what it is applied to.
using Function = Eval<Value> (*)(Interpreter& interpreter, const Value& self, Arguments& arguments);

using NameId = std::uint32_t;  // into Template::names

struct Expr;
using ExprPtr = std::unique_ptr<const Expr>;

enum class BinaryOp : std::uint8_t { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow };
enum class CompareOp : std::uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

struct Constant {
  Value value;
};
struct Name {
  NameId id;
};
struct Sequence {
  std::vector<ExprPtr> items;
  bool tuple = false;
};
struct DictDisplay {
  std::vector<std::pair<ExprPtr, ExprPtr>> entries;
};
struct Sign {
  ExprPtr operand;
  bool negate = false;
};
struct Not {
  ExprPtr operand;
};
struct Binary {  // first op operand op operand …, from the left
  ExprPtr first;
  std::vector<std::pair<BinaryOp, ExprPtr>> rest;
};
struct Concat {
  std::vector<ExprPtr> parts;
};  // a ~ b ~ c
struct Compare {
  ExprPtr first;
  std::vector<std::pair<CompareOp, ExprPtr>> rest;
};
struct Logic {
  std::vector<ExprPtr> operands;
  bool conjunction = false;
};
struct Conditional {
  ExprPtr condition, then, otherwise;
};  // otherwise may be null

struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr list, dict;  // *list, **dict; null where absent
};

// What follows a primary: x.name, x[subscript], x(arguments), x|filter(…), x is test(…).
struct Attribute {
  std::string name;
};
struct Subscript {
  ExprPtr index;
};
struct Slice {
  ExprPtr start, stop, step;
};  // null where absent
struct Call {
  CallArguments arguments;
};
struct Apply {
  std::string name;
  Function function = nullptr;  // null: unknown, an error when it is reached
  CallArguments arguments;
  bool test = false, negated = false;
};
struct PostfixOp {
  std::size_t line;
  std::variant<Attribute, Subscript, Slice, Call, Apply> op;
};
struct Postfix {
  ExprPtr base;  // null: the text of a filter block
  std::vector<PostfixOp> ops;
};

struct Expr {
  std::size_t line;
  std::variant<Constant, Name, Sequence, DictDisplay, Sign, Not, Binary, Concat, Compare, Logic,
               Conditional, Postfix>
      node;
};

// Where an assignment goes: a name, a namespace's attribute, or several in turn.
struct Target {
  std::size_t line;
  NameId name = 0;
  std::string attribute;        // of the namespace `name`; empty for a plain name
  std::vector<Target> targets;  // not empty: a tuple
  bool tuple = false;
};

struct Statement;
using Block = std::vector<Statement>;

// A block with variables of its own.
struct Body {
  Block statements;
  std::size_t frame = 0;  // into Program::predeclared
};

struct Macro {
  std::string name;  // empty for the body of a call block
  std::vector<NameId> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
  Body body;
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
  NameId caller = 0, varargs = 0, kwargs = 0;
};

struct Output {
  std::vector<ExprPtr> parts;
};
struct If {
  std::vector<std::pair<ExprPtr, Block>> branches;
  Block otherwise;
};
struct For {
  Target target;
  ExprPtr iterable, test;  // test may be null
  Body body, otherwise;
  bool recursive = false;
  NameId loop = 0;  // the name "loop"
};
struct Set {
  Target target;
  ExprPtr value;
};
struct SetBlock {
  Target target;
  ExprPtr filter;
  Body body;
};  // filter may be null
struct DefineMacro {
  NameId name;
  std::shared_ptr<const Macro> macro;
};
struct CallBlock {
  ExprPtr call;
  std::shared_ptr<const Macro> caller;
};
struct FilterBlock {
  ExprPtr filter;
  Body body;
};
struct With {
  std::vector<std::pair<Target, ExprPtr>> variables;
  Body body;
};
struct Scoped {
  Body body;
};  // generation, block
struct Break {};
struct Continue {};

struct Statement {
  std::size_t line;
  std::variant<Output, If, For, Set, SetBlock, DefineMacro, CallBlock, FilterBlock, With, Scoped,
               Break, Continue>
      node;
};

struct Program {
  std::vector<std::string> names;
  Body body;
  // By frame: the names that its block assigns before it reads them and that no block around it
  // knows. They begin undefined there, and so do not show an input of the same name, not even to
  // loops and macros that run before the assignment.
  std::vector<std::vector<NameId>> predeclared;
  // Names that are read somewhere and not assigned before by the template: its inputs, and the
  // functions it uses. Sorted.
  std::vector<std::string> free_names;
};

}  // namespace bantam::jinja
