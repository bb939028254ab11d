#include "chat/jinja/value.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace bantam::jinja {
namespace {

constexpr std::size_t kLinearSearch = 8;

int sign(bool below, bool above) { return below ? -1 : above ? 1 : 0; }

// Exact for every int64 and double: long double has a 64-bit mantissa or more wherever we run.
static_assert(std::numeric_limits<long double>::digits >= 64);
long double exact(const Value& value) {
  return value.is_integral() ? static_cast<long double>(value.integer())
                             : static_cast<long double>(value.number());
}

bool equal_items(Budget& budget, const std::vector<Value>& a, const std::vector<Value>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](const Value& x, const Value& y) { return equal(budget, x, y); });
}

bool equal_dicts(Budget& budget, const Dict& a, const Dict& b) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.entries().begin(), a.entries().end(), [&](const Dict::Entry& entry) {
    const Value* other = b.find(budget, entry.first);
    return other != nullptr && equal(budget, entry.second, *other);
  });
}

// What comparing two strings costs: as much as they may have in common.
std::size_t compare_cost(std::string_view a, std::string_view b) {
  return 1 + std::min(a.size(), b.size()) / 64;
}

int key_rank(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNone:
      return 0;
    case Value::Kind::kBool:
    case Value::Kind::kInteger:
    case Value::Kind::kFloat:
      return 1;
    case Value::Kind::kString:
      return 2;
    case Value::Kind::kUndefined:
      return 3;
    default:
      return value.is_list() ? 4 : 5;
  }
}

int compare_numbers(const Value& a, const Value& b) {
  const long double x = exact(a), y = exact(b);
  const bool x_nan = std::isnan(x), y_nan = std::isnan(y);
  if (x_nan || y_nan) return sign(!x_nan, !y_nan);  // after every number
  return sign(x < y, y < x);
}

// The order of 0 … n-1 by `precedes`, stable. Bottom up, as the sorts of the library can neither be
// stopped when a comparison fails nor trusted with comparisons that contradict each other.
template <typename Precedes>
Eval<std::vector<std::size_t>> merge_sort(std::size_t n, Precedes precedes) {
  std::vector<std::size_t> order(n), merged(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t width = 1; width < n; width *= 2) {
    for (std::size_t begin = 0; begin < n; begin += 2 * width) {
      const std::size_t middle = std::min(begin + width, n), end = std::min(begin + 2 * width, n);
      std::size_t left = begin, right = middle;
      for (std::size_t out = begin; out < end; ++out) {
        bool take_right = left == middle;
        if (!take_right && right < end) take_right = TRY(precedes(order[right], order[left]));
        merged[out] = take_right ? order[right++] : order[left++];
      }
    }
    order.swap(merged);
  }
  return order;
}

}  // namespace

Value Value::undefined(std::string message) {
  Value value;
  value.data_ = std::make_shared<const Undefined>(std::move(message));
  return value;
}

std::int64_t Value::integer() const {
  return is_bool() ? static_cast<std::int64_t>(boolean()) : std::get<std::int64_t>(data_);
}

double Value::number() const {
  return is_integral() ? static_cast<double>(integer()) : std::get<double>(data_);
}

bool Value::same_as(const Value& other) const {
  if (kind() != other.kind()) return false;
  switch (kind()) {
    case Kind::kString:
      return text() == other.text();
    case Kind::kList:
      return &list() == &other.list();
    case Kind::kDict:
      return &dict() == &other.dict();
    case Kind::kObject:
      return &object() == &other.object();
    case Kind::kUndefined:
      return data_ == other.data_;
    case Kind::kNone:
      return true;
    case Kind::kBool:
      return boolean() == other.boolean();
    case Kind::kInteger:
      return integer() == other.integer();
    case Kind::kFloat:
      return number() == other.number();
  }
  return false;
}

std::size_t Value::depth() const {
  switch (kind()) {
    case Kind::kList:
      return list().depth;
    case Kind::kDict:
      return dict().depth();
    case Kind::kObject:
      return object().depth();
    default:
      return 0;
  }
}

Eval<Value> make_list(Budget& budget, std::vector<Value> items, bool tuple) {
  TRY(budget.allocate(items.size() * sizeof(Value)));
  auto list = std::make_shared<List>();
  list->hashable = tuple;
  for (const Value& item : items) {
    list->depth = std::max(list->depth, item.depth() + 1);
    list->hashable = list->hashable && hashable(item);
  }
  if (list->depth > kMaxValueDepth) return Budget::too_deep("values", kMaxValueDepth);
  list->items = std::move(items);
  list->tuple = tuple;
  return Value(ListPtr(std::move(list)));
}

Value make_pair(Value first, Value second) {
  auto list = std::make_shared<List>();
  list->depth = std::max(first.depth(), second.depth()) + 1;
  list->hashable = hashable(first) && hashable(second);
  list->items = {std::move(first), std::move(second)};
  list->tuple = true;
  return Value(ListPtr(std::move(list)));
}

Eval<DictPtr> Dict::make(Budget& budget, std::vector<Entry> entries) {
  TRY(budget.allocate(entries.size() * (sizeof(Entry) + sizeof(std::uint32_t))));
  auto dict = std::make_shared<Dict>();
  for (const auto& [key, value] : entries) {
    if (!hashable(key)) return raise("unhashable type: '{}'", type_name(key));
    dict->depth_ = std::max({dict->depth_, key.depth() + 1, value.depth() + 1});
  }
  if (dict->depth_ > kMaxValueDepth) return Budget::too_deep("values", kMaxValueDepth);

  // Runs of equal keys, first come first: of each the first stays, with the last value.
  const std::vector<std::size_t> order =
      TRY(merge_sort(entries.size(), [&](std::size_t a, std::size_t b) -> Eval<bool> {
        TRY(budget.step());
        return compare_keys(budget, entries[a].first, entries[b].first) < 0;
      }));
  std::vector<std::size_t> firsts;
  std::vector<bool> stays(entries.size());
  for (const std::size_t i : order) {
    if (!firsts.empty() &&
        compare_keys(budget, entries[firsts.back()].first, entries[i].first) == 0) {
      entries[firsts.back()].second = std::move(entries[i].second);
    } else {
      firsts.push_back(i);
      stays[i] = true;
    }
  }
  TRY(budget.step());  // the comparisons mean nothing if the fuel ran out among them
  std::vector<std::uint32_t> place(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!stays[i]) continue;
    place[i] = static_cast<std::uint32_t>(dict->size());
    dict->entries_.push_back(std::move(entries[i]));
  }
  if (dict->size() > kLinearSearch) {
    for (const std::size_t i : firsts) dict->sorted_.push_back(place[i]);
  }
  return DictPtr(std::move(dict));
}

const Value* Dict::find(Budget& budget, const Value& key) const {
  if (!hashable(key)) return nullptr;
  if (sorted_.empty()) {
    for (const auto& [k, v] : entries_) {
      if (compare_keys(budget, k, key) == 0) return &v;
    }
    return nullptr;
  }
  const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), key,
                                   [&](std::uint32_t i, const Value& wanted) {
                                     return compare_keys(budget, entries_[i].first, wanted) < 0;
                                   });
  if (at == sorted_.end() || compare_keys(budget, entries_[*at].first, key) != 0) return nullptr;
  return &entries_[*at].second;
}

Eval<void> Object::print(Budget&, TextBuilder& out) const {
  out.append(fmt::format("<{} object>", type_name()));
  return {};
}

Eval<ListPtr> Object::iterate(Interpreter&) { return ListPtr(); }

Eval<std::optional<Value>> Object::attribute(Interpreter&, std::string_view) {
  return std::nullopt;
}

Eval<Value> Object::call(Interpreter&, Arguments&) {
  return raise("'{}' object is not callable", type_name());
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNone:
      return "NoneType";
    case Value::Kind::kUndefined:
      return "Undefined";
    case Value::Kind::kBool:
      return "bool";
    case Value::Kind::kInteger:
      return "int";
    case Value::Kind::kFloat:
      return "float";
    case Value::Kind::kString:
      return value.text()->safe ? "Markup" : "str";
    case Value::Kind::kList:
      return value.list().tuple ? "tuple" : "list";
    case Value::Kind::kDict:
      return "dict";
    case Value::Kind::kObject:
      return value.object().type_name();
  }
  return "object";
}

bool truthy(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNone:
    case Value::Kind::kUndefined:
      return false;
    case Value::Kind::kBool:
    case Value::Kind::kInteger:
      return value.integer() != 0;
    case Value::Kind::kFloat:
      return value.number() != 0;
    case Value::Kind::kString:
      return !value.bytes().empty();
    case Value::Kind::kList:
      return !value.list().items.empty();
    case Value::Kind::kDict:
      return value.dict().size() != 0;
    case Value::Kind::kObject:
      return value.object().truthy();
  }
  return true;
}

bool equal(Budget& budget, const Value& a, const Value& b) {
  if (!budget.spend(1)) return false;
  if (a.is_number() && b.is_number()) return exact(a) == exact(b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Value::Kind::kString:
      return a.bytes().size() == b.bytes().size() && budget.spend(a.bytes().size() / 64) &&
             a.bytes() == b.bytes();
    case Value::Kind::kList:
      return a.list().tuple == b.list().tuple &&
             equal_items(budget, a.list().items, b.list().items);
    case Value::Kind::kDict:
      return &a.dict() == &b.dict() || equal_dicts(budget, a.dict(), b.dict());
    case Value::Kind::kObject:
      return a.object().equals(b.object());
    default:
      return true;  // None, Undefined
  }
}

int compare_keys(Budget& budget, const Value& a, const Value& b) {
  const int rank = key_rank(a), other = key_rank(b);
  if (rank != other) return rank - other;
  switch (rank) {
    case 1:
      return compare_numbers(a, b);
    case 2:
      if (!budget.spend(compare_cost(a.bytes(), b.bytes()))) return 0;
      return a.bytes().compare(b.bytes());
    case 4: {
      const std::vector<Value>&x = a.list().items, &y = b.list().items;
      for (std::size_t i = 0; i < std::min(x.size(), y.size()) && budget.spend(1); ++i) {
        if (const int order = compare_keys(budget, x[i], y[i]); order != 0) return order;
      }
      return sign(x.size() < y.size(), y.size() < x.size());
    }
    case 5: {
      if (a.object().equals(b.object())) return 0;
      const std::less<const Object*> before;
      return sign(before(&a.object(), &b.object()), before(&b.object(), &a.object()));
    }
    default:
      return 0;
  }
}

bool hashable(const Value& value) {
  if (value.is_list()) return value.list().hashable;
  return !value.is_dict();
}

Eval<bool> less(Budget& budget, const Value& a, const Value& b, std::string_view op) {
  TRY(budget.step());
  if (a.is_undefined()) return raise("{}", a.undefined_message());
  if (b.is_undefined()) return raise("{}", b.undefined_message());
  if (a.is_number() && b.is_number()) return exact(a) < exact(b);
  if (a.is_string() && b.is_string()) {
    TRY(budget.step(std::min(a.bytes().size(), b.bytes().size()) / 64));
    return a.bytes() < b.bytes();  // UTF-8 sorts as its code points do
  }
  if (a.is_list() && b.is_list() && a.list().tuple == b.list().tuple) {
    const std::vector<Value>&x = a.list().items, &y = b.list().items;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      TRY(budget.step());
      if (!equal(budget, x[i], y[i])) return less(budget, x[i], y[i], op);
    }
    return x.size() < y.size();
  }
  return raise("'{}' not supported between instances of '{}' and '{}'", op, type_name(a),
               type_name(b));
}

Eval<void> sort_by(Budget& budget, std::vector<Value>& keys, std::vector<Value>& items,
                   bool reverse) {
  const std::vector<std::size_t> order =
      TRY(merge_sort(keys.size(), [&](std::size_t a, std::size_t b) {
        return reverse ? less(budget, keys[b], keys[a]) : less(budget, keys[a], keys[b]);
      }));
  std::vector<Value> sorted_keys, sorted_items;
  for (const std::size_t i : order) {
    sorted_keys.push_back(std::move(keys[i]));
    sorted_items.push_back(std::move(items[i]));
  }
  keys = std::move(sorted_keys);
  items = std::move(sorted_items);
  return {};
}

}  // namespace bantam::jinja
