#include "formats/gguf_values.h"

namespace bantam {
namespace {

// Calls f with a value of the C++ type that a scalar has in the file.
template <typename F>
decltype(auto) with_scalar_type(MetaType type, F&& f) {
  switch (type) {
    case MetaType::kU8:
      return f(std::uint8_t{});
    case MetaType::kI8:
      return f(std::int8_t{});
    case MetaType::kU16:
      return f(std::uint16_t{});
    case MetaType::kI16:
      return f(std::int16_t{});
    case MetaType::kU32:
      return f(std::uint32_t{});
    case MetaType::kI32:
      return f(std::int32_t{});
    case MetaType::kF32:
      return f(float{});
    case MetaType::kBool:
      return f(std::uint8_t{});
    case MetaType::kU64:
      return f(std::uint64_t{});
    case MetaType::kI64:
      return f(std::int64_t{});
    case MetaType::kF64:
      return f(double{});
    case MetaType::kString:
    case MetaType::kArray:
      break;
  }
  CHECK(false, "{} is no scalar", meta_type_name(type));
  return f(std::uint8_t{});
}

Result<std::string> read_text(Cursor& cursor, std::uint32_t version) {
  const std::uint64_t length =
      version == 1 ? TRY(cursor.u32("a string length")) : TRY(cursor.u64("a string length"));
  return std::string(TRY(cursor.text(length, length, "a string")));
}

template <typename T>
Result<MetaArray> read_scalars(Cursor& cursor, MetaArray array, std::size_t count) {
  const auto bytes = TRY(cursor.take(count * sizeof(T), "an array"));
  const auto at = [&](std::size_t i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof value);
    return value;
  };
  if constexpr (std::is_floating_point_v<T>) {
    array.floats.reserve(count);
    for (std::size_t i = 0; i < count; ++i) array.floats.push_back(double{at(i)});
  } else {
    array.integers.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      if constexpr (std::is_signed_v<T>) {
        array.integers.push_back(static_cast<std::uint64_t>(std::int64_t{at(i)}));
      } else {
        array.integers.push_back(at(i));
      }
    }
  }
  return array;
}

Result<MetaArray> read_array(Cursor& cursor, std::uint32_t version) {
  MetaArray array;
  array.element = static_cast<MetaType>(TRY(cursor.u32("an element type")));
  const std::uint64_t count =
      version == 1 ? TRY(cursor.u32("an array length")) : TRY(cursor.u64("an array length"));
  if (array.element == MetaType::kString) {
    array.strings.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i)
      array.strings.push_back(TRY(read_text(cursor, version)));
    return array;
  }
  const MetaType element = array.element;
  return with_scalar_type(element, [&](auto zero) {
    return read_scalars<decltype(zero)>(cursor, std::move(array), count);
  });
}

}  // namespace

std::uint64_t gguf_scalar_bytes(MetaType type) {
  return with_scalar_type(type, [](auto zero) { return std::uint64_t{sizeof zero}; });
}

Result<MetaValue> read_gguf_value(Cursor& cursor, MetaType type, std::uint32_t version) {
  if (type == MetaType::kString) return MetaValue{type, TRY(read_text(cursor, version))};
  if (type == MetaType::kArray) return MetaValue{type, TRY(read_array(cursor, version))};
  return with_scalar_type(type, [&](auto zero) -> Result<MetaValue> {
    using T = decltype(zero);
    const T value = TRY(cursor.number<T>("a value"));
    if (type == MetaType::kBool) return MetaValue{type, value != 0};
    if constexpr (std::is_floating_point_v<T>) {
      return MetaValue{type, double{value}};
    } else if constexpr (std::is_signed_v<T>) {
      return MetaValue{type, std::int64_t{value}};
    } else {
      return MetaValue{type, std::uint64_t{value}};
    }
  });
}

void append_gguf_string(std::string& out, std::string_view text) {
  append_bytes(out, std::uint64_t{text.size()});
  out += text;
}

void append_gguf_value(std::string& out, const MetaValue& value) {
  if (value.type == MetaType::kString) {
    append_gguf_string(out, std::get<std::string>(value.value));
    return;
  }
  if (value.type == MetaType::kArray) {
    const auto& array = std::get<MetaArray>(value.value);
    append_bytes(out, static_cast<std::uint32_t>(array.element));
    append_bytes(out, std::uint64_t{array.size()});
    for (const std::string& text : array.strings) append_gguf_string(out, text);
    if (array.element == MetaType::kString) return;
    with_scalar_type(array.element, [&](auto zero) {
      using T = decltype(zero);
      for (const double real : array.floats) append_bytes(out, static_cast<T>(real));
      for (const std::uint64_t integer : array.integers) append_bytes(out, static_cast<T>(integer));
    });
    return;
  }
  with_scalar_type(value.type, [&](auto zero) {
    using T = decltype(zero);
    std::visit(
        [&](const auto& held) {
          if constexpr (std::is_arithmetic_v<std::decay_t<decltype(held)>>)
            append_bytes(out, static_cast<T>(held));
        },
        value.value);
  });
}

}  // namespace bantam
