// Attributes, items, slices, iteration: what of a value a template can reach.
#include <algorithm>

#include "base/unicode.h"
#include "chat/jinja/functions.h"
#include "chat/jinja/interpreter.h"
#include "chat/jinja/objects.h"
#include "chat/jinja/print.h"

namespace bantam::jinja {
namespace {

std::string type_description(const Value& value) {
  if (value.is_none()) return "None";
  return fmt::format("{} object", type_name(value));
}

Value no_attribute(const Value& object, std::string_view name) {
  return Value::undefined(
      fmt::format("'{}' has no attribute {}", type_description(object), quoted(name)));
}

// What a template may not touch: undefined, with an explanation for whoever uses it.
Value unsafe_attribute(const Value& object, std::string_view name) {
  return Value::undefined(fmt::format("access to attribute {} of '{}' object is unsafe",
                                      quoted(name), type_name(object)));
}

// Python's rules for the bounds of a slice of `size` items.
struct SliceBounds {
  std::int64_t start, stop, step;

  std::size_t count() const {
    if (step > 0) return start < stop ? static_cast<std::size_t>((stop - start - 1) / step + 1) : 0;
    return start > stop ? static_cast<std::size_t>((start - stop - 1) / -step + 1) : 0;
  }
};

std::int64_t clamp_bound(const Value& bound, std::int64_t otherwise, std::int64_t low,
                         std::int64_t high, std::int64_t size) {
  if (bound.is_none()) return otherwise;
  std::int64_t at = bound.integer();
  if (at < 0) at = at < -size ? -1 : at + size;
  return std::clamp(at, low, high);
}

SliceBounds slice_bounds(const Value& start, const Value& stop, std::int64_t step,
                         std::int64_t size) {
  // A step of that size and more reaches one item at most, as does one of the full size.
  step = std::clamp(step, -size - 1, size + 1);
  const std::int64_t low = step < 0 ? -1 : 0, high = step < 0 ? size - 1 : size;
  return {clamp_bound(start, step < 0 ? high : 0, low, high, size),
          clamp_bound(stop, step < 0 ? low : size, low, high, size), step};
}

Eval<Value> slice_text(Budget& budget, const Text& text, const SliceBounds& bounds) {
  TextBuilder out(budget);
  const std::size_t count = bounds.count();
  if (bounds.step == 1 && count > 0) {
    TRY(budget.step(text.ascii() ? 0 : text.bytes.size() / 64));
    const std::size_t begin = byte_offset(text, static_cast<std::size_t>(bounds.start));
    out.append(text, begin, byte_offset(text, static_cast<std::size_t>(bounds.start) + count));
  } else if (count > 0) {
    std::vector<std::size_t> offsets;  // of every character, and the end
    TRY(budget.allocate(text.characters * sizeof(std::size_t)));
    for (std::size_t at = 0; at < text.bytes.size();
         at += decode_utf8(std::string_view(text.bytes).substr(at)).bytes)
      offsets.push_back(at);
    offsets.push_back(text.bytes.size());
    for (std::size_t i = 0; i < count; ++i) {
      const auto c =
          static_cast<std::size_t>(bounds.start + static_cast<std::int64_t>(i) * bounds.step);
      out.append(text, offsets[c], offsets[c + 1]);
    }
  }
  return Value(TRY(out.finish(text.safe)));
}

Value slice_range(const RangeObject& range, const SliceBounds& bounds) {
  auto part = std::make_shared<RangeObject>();
  part->start = range.start + bounds.start * range.step;
  part->stop = range.start + bounds.stop * range.step;
  part->step = range.step * bounds.step;
  part->count = bounds.count();
  return Value(std::shared_ptr<Object>(std::move(part)));
}

// The item at a Python index, or null.
template <typename T>
const T* item_at(const std::vector<T>& items, std::int64_t index) {
  const auto size = static_cast<std::int64_t>(items.size());
  if (index < 0) index += size;
  return index < 0 || index >= size ? nullptr : &items[static_cast<std::size_t>(index)];
}

// The character at a Python index, or nothing.
Eval<std::optional<Value>> character_at(Budget& budget, const Text& text, std::int64_t index) {
  const auto size = static_cast<std::int64_t>(text.characters);
  if (index < 0) index += size;
  if (index < 0 || index >= size) return std::nullopt;
  const auto at = static_cast<std::size_t>(index);
  TRY(budget.step(text.ascii() ? 0 : text.bytes.size() / 64));
  const std::size_t begin = byte_offset(text, at);
  TextBuilder out(budget);
  out.append(text, begin, begin + decode_utf8(std::string_view(text.bytes).substr(begin)).bytes);
  return Value(TRY(out.finish(text.safe)));
}

// obj[key] where the key fits the object, else nothing.
Eval<std::optional<Value>> subscript(Interpreter& interpreter, const Value& object,
                                     const Value& key) {
  Budget& budget = interpreter.budget();
  switch (object.kind()) {
    case Value::Kind::kDict: {
      const Value* value = object.dict().find(budget, key);
      return value == nullptr ? std::nullopt : std::optional(*value);
    }
    case Value::Kind::kList: {
      const Value* value =
          key.is_integral() ? item_at(object.list().items, key.integer()) : nullptr;
      return value == nullptr ? std::nullopt : std::optional(*value);
    }
    case Value::Kind::kString:
      if (!key.is_integral()) return std::nullopt;
      return character_at(budget, *object.text(), key.integer());
    case Value::Kind::kObject: {
      if (!key.is_integral() || !object.object().indexable()) return std::nullopt;
      const ListPtr items = TRY(object.object().iterate(interpreter));
      const Value* value = item_at(items->items, key.integer());
      return value == nullptr ? std::nullopt : std::optional(*value);
    }
    default:
      return std::nullopt;
  }
}

// A Python attribute: a method, or what an object offers.
Eval<std::optional<Value>> own_attribute(Interpreter& interpreter, const Value& object,
                                         std::string_view name) {
  if (object.is_object()) return object.object().attribute(interpreter, name);
  if (object.is_list() && object.list().group && (name == "grouper" || name == "list"))
    return object.list().items[name == "list" ? 1 : 0];
  if (const Function method = find_method(object, name)) return bind_method(object, method);
  if (is_mutating_method(object, name) || name.starts_with("__"))
    return unsafe_attribute(object, name);
  return std::nullopt;
}

}  // namespace

Eval<Value> Interpreter::get_item(const Value& object, const Value& key) {
  if (object.is_undefined()) return raise("{}", object.undefined_message());
  if (std::optional<Value> value = TRY(subscript(*this, object, key))) return std::move(*value);
  if (key.is_string()) {
    if (std::optional<Value> value = TRY(own_attribute(*this, object, key.bytes())))
      return std::move(*value);
    return no_attribute(object, key.bytes());
  }
  if (key.is_undefined())
    return Value::undefined(fmt::format("{} has no element Undefined", type_description(object)));
  const std::string shown = key.is_integral() ? fmt::format("{}", key.integer())
                                              : fmt::format("of type '{}'", type_name(key));
  return Value::undefined(fmt::format("{} has no element {}", type_description(object), shown));
}

Eval<Value> Interpreter::get_attribute(const Value& object, std::string_view name) {
  if (object.is_undefined()) return raise("{}", object.undefined_message());
  if (object.is_dict() && name.starts_with("__")) {  // data may be called anything
    if (const Value* value = object.dict().find(budget_, Value::literal(name))) return *value;
  }
  if (std::optional<Value> value = TRY(own_attribute(*this, object, name)))
    return std::move(*value);
  if (object.is_dict()) {
    if (const Value* value = object.dict().find(budget_, Value::literal(name))) return *value;
  }
  return no_attribute(object, name);
}

Eval<Value> Interpreter::get_slice(const Value& object, const Value& start, const Value& stop,
                                   const Value& step) {
  if (object.is_undefined()) return raise("{}", object.undefined_message());
  const auto* range = object.as<RangeObject>();
  if (object.is_dict()) return raise("unhashable type: 'slice'");
  if (!object.is_string() && !object.is_list() && range == nullptr)
    return raise("'{}' object is not subscriptable", type_name(object));
  for (const Value* bound : {&start, &stop, &step}) {
    if (!bound->is_none() && !bound->is_integral())
      return raise("slice indices must be integers or None");
  }
  const std::int64_t stride = step.is_none() ? 1 : step.integer();
  if (stride == 0) return raise("slice step cannot be zero");
  if (object.is_string()) {
    const Text& text = *object.text();
    return slice_text(
        budget_, text,
        slice_bounds(start, stop, stride, static_cast<std::int64_t>(text.characters)));
  }
  if (range != nullptr)
    return slice_range(*range,
                       slice_bounds(start, stop, stride, static_cast<std::int64_t>(range->count)));
  const ListPtr list = TRY(iterate(object));
  const SliceBounds bounds =
      slice_bounds(start, stop, stride, static_cast<std::int64_t>(list->items.size()));
  std::vector<Value> items;
  TRY(budget_.allocate(bounds.count() * sizeof(Value)));
  for (std::size_t i = 0; i < bounds.count(); ++i)
    items.push_back(list->items[static_cast<std::size_t>(
        bounds.start + static_cast<std::int64_t>(i) * bounds.step)]);
  return list_of(std::move(items), list->tuple);
}

Eval<ListPtr> Interpreter::iterate(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kList:
      return value.list_pointer();
    case Value::Kind::kUndefined:
      return std::make_shared<const List>();
    case Value::Kind::kDict: {
      std::vector<Value> keys;
      TRY(budget_.allocate(value.dict().size() * sizeof(Value)));
      for (const auto& entry : value.dict().entries()) keys.push_back(entry.first);
      return TRY(list_of(std::move(keys))).list_pointer();
    }
    case Value::Kind::kString: {
      const Text& text = *value.text();
      std::vector<Value> characters;
      TRY(budget_.allocate(text.characters * (sizeof(Value) + sizeof(Text))));
      TextBuilder out(budget_);
      for (std::size_t at = 0; at < text.bytes.size();) {
        const std::size_t size = decode_utf8(std::string_view(text.bytes).substr(at)).bytes;
        out.append(text, at, at + size);
        characters.emplace_back(TRY(out.finish()));  // plain ones, even of a safe text
        at += size;
      }
      return TRY(list_of(std::move(characters))).list_pointer();
    }
    case Value::Kind::kObject:
      if (value.object().iterable()) return value.object().iterate(*this);
      [[fallthrough]];
    default:
      return raise("'{}' object is not iterable", type_name(value));
  }
}

Eval<std::vector<const Value*>> bind_arguments(std::string_view function,
                                               const Arguments& arguments,
                                               std::span<const std::string_view> names,
                                               std::size_t required) {
  if (arguments.positional.size() > names.size())
    return raise("{}() takes at most {} argument(s), {} given", function, names.size(),
                 arguments.positional.size());
  std::vector<const Value*> bound(names.size(), nullptr);
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto place = std::find(names.begin(), names.end(), name);
    if (name.empty() || place == names.end())
      return raise("{}() got an unexpected keyword argument {}", function, quoted(name));
    const Value*& slot = bound[static_cast<std::size_t>(place - names.begin())];
    if (slot != nullptr)
      return raise("{}() got multiple values for argument {}", function, quoted(name));
    slot = &value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (bound[i] == nullptr)
      return raise("{}() misses its argument {}", function,
                   names[i].empty() ? fmt::format("{}", i + 1) : quoted(names[i]));
  }
  return bound;
}

}  // namespace bantam::jinja
