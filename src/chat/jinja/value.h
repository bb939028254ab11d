// What a template computes with: Python's values, as far as templates can see them.
//
// Values are immutable and shared (a namespace, a loop and a one-shot iterator are the exceptions;
// each lives within one render). Copying a Value copies a pointer. Containers know how deep they
// nest, and nothing deeper than kMaxValueDepth is made, so that walking a value may recurse.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "chat/jinja/budget.h"
#include "chat/jinja/text.h"

namespace bantam::jinja {

class Dict;
class Interpreter;
struct Arguments;
struct List;
struct Object;

// What a name, an attribute or an item that is not there evaluates to. It prints as nothing and is
// false and empty; any other use is the error `message`.
struct Undefined {
  std::string message;
};

struct None {
  bool operator==(const None&) const = default;
};

class Value {
 public:
  enum class Kind : std::uint8_t {
    kNone,
    kUndefined,
    kBool,
    kInteger,
    kFloat,
    kString,
    kList,
    kDict,
    kObject,
  };

  Value() = default;  // None
  explicit Value(bool value) : data_(value) {}
  explicit Value(std::int64_t value) : data_(value) {}
  explicit Value(double value) : data_(value) {}
  explicit Value(TextPtr text) : data_(std::move(text)) {}
  explicit Value(std::shared_ptr<const List> list) : data_(std::move(list)) {}
  explicit Value(std::shared_ptr<const Dict> dict) : data_(std::move(dict)) {}
  explicit Value(std::shared_ptr<Object> object) : data_(std::move(object)) {}
  explicit Value(const char*) = delete;  // would become a bool

  static Value size(std::size_t n) { return Value(static_cast<std::int64_t>(n)); }
  static Value literal(std::string_view text) { return Value(make_text(std::string(text))); }
  static Value undefined(std::string message);

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is_none() const { return kind() == Kind::kNone; }
  bool is_undefined() const { return kind() == Kind::kUndefined; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_list() const { return kind() == Kind::kList; }  // a list or a tuple
  bool is_dict() const { return kind() == Kind::kDict; }
  bool is_object() const { return kind() == Kind::kObject; }
  bool is_bool() const { return kind() == Kind::kBool; }
  // An int as Python sees it: True is 1.
  bool is_integral() const { return kind() == Kind::kInteger || is_bool(); }
  bool is_number() const { return is_integral() || kind() == Kind::kFloat; }

  bool boolean() const { return std::get<bool>(data_); }
  std::int64_t integer() const;  // of an int or a bool
  double number() const;         // of any number
  const TextPtr& text() const { return std::get<TextPtr>(data_); }
  std::string_view bytes() const { return text()->bytes; }
  const List& list() const { return *std::get<std::shared_ptr<const List>>(data_); }
  const std::shared_ptr<const List>& list_pointer() const {
    return std::get<std::shared_ptr<const List>>(data_);
  }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
  Object& object() const { return *std::get<std::shared_ptr<Object>>(data_); }
  template <typename T>
  T* as() const {  // null unless it is that kind of object
    return is_object() ? dynamic_cast<T*>(&object()) : nullptr;
  }
  const std::string& undefined_message() const {
    return std::get<std::shared_ptr<const Undefined>>(data_)->message;
  }

  bool same_as(const Value& other) const;  // Python's "is"
  std::size_t depth() const;               // 0 for what holds no values

 private:
  std::variant<None, std::shared_ptr<const Undefined>, bool, std::int64_t, double, TextPtr,
               std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Object>>
      data_;
};

// A list, or a tuple.
struct List {
  std::vector<Value> items;
  bool tuple = false;
  bool group = false;     // of groupby: its two items also have names
  bool hashable = false;  // a tuple of what can be a key
  std::size_t depth = 1;
};
using ListPtr = std::shared_ptr<const List>;

// Fails if the items nest too deep. Pays for the list.
Eval<Value> make_list(Budget& budget, std::vector<Value> items, bool tuple = false);
Value make_pair(Value first, Value second);  // a tuple of values that are no deeper than allowed

// Keys in order of insertion; found in logarithmic time, whatever the keys are.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;

  // Later values replace earlier ones of an equal key. Fails on keys that cannot be keys (lists and
  // dicts) and on values nested too deep. Pays for the dict.
  static Eval<std::shared_ptr<const Dict>> make(Budget& budget, std::vector<Entry> entries);

  const std::vector<Entry>& entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }
  std::size_t depth() const { return depth_; }
  const Value* find(Budget& budget, const Value& key) const;

 private:
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> sorted_;  // by key; only for more than a few entries
  std::size_t depth_ = 1;
};
using DictPtr = std::shared_ptr<const Dict>;

// Everything with behaviour of its own. Methods get the interpreter that runs them.
struct Object : std::enable_shared_from_this<Object> {
  virtual ~Object() = default;
  virtual std::string_view type_name() const = 0;
  virtual Eval<void> print(Budget& budget, TextBuilder& out) const;  // "<generator object>"
  virtual std::size_t depth() const { return 0; }
  virtual bool truthy() const { return true; }
  virtual std::optional<std::size_t> length() const { return std::nullopt; }
  // The items, if it can be iterated: null otherwise. A one-shot iterator is empty afterwards.
  virtual Eval<ListPtr> iterate(Interpreter& interpreter);
  virtual bool iterable() const { return false; }
  virtual bool indexable() const { return false; }  // then iterate() gives the same every time
  virtual Eval<std::optional<Value>> attribute(Interpreter& interpreter, std::string_view name);
  virtual bool callable() const { return false; }
  virtual Eval<Value> call(Interpreter& interpreter, Arguments& arguments);
  virtual bool equals(const Object& other) const { return this == &other; }
  virtual void clear() {}  // lets go of everything that may hold this object
};

// "str", "int", "NoneType", …
std::string_view type_name(const Value& value);

bool truthy(const Value& value);

// Python's ==: values of different kinds differ, numbers compare exactly. Pays for what it looks
// at; when the fuel runs out the answer means nothing and the next step() fails.
bool equal(Budget& budget, const Value& a, const Value& b);

// A total order over all that may be a key, in which equal keys are equal. Not Python's order.
// Negative, zero or positive. Pays as equal() does.
int compare_keys(Budget& budget, const Value& a, const Value& b);
bool hashable(const Value& value);

// Python's <. Fails for values that have no order.
Eval<bool> less(Budget& budget, const Value& a, const Value& b, std::string_view op = "<");

// Stable; fails as less() does. `keys` and `items` are of one length and sorted together.
Eval<void> sort_by(Budget& budget, std::vector<Value>& keys, std::vector<Value>& items,
                   bool reverse);

}  // namespace bantam::jinja
