// Values of GGUF metadata as bytes: shared by the reader's two passes and the writer.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "formats/cursor.h"
#include "formats/metadata.h"

namespace bantam {

// Bytes of one value; CHECKs that the type is neither string nor array.
std::uint64_t gguf_scalar_bytes(MetaType type);

// The value at the cursor. The bytes have been scanned: an error here would be our own bug, and is
// still an error.
Result<MetaValue> read_gguf_value(Cursor& cursor, MetaType type, std::uint32_t version);

// Appends the value in the layout of version 3, without its type.
void append_gguf_value(std::string& out, const MetaValue& value);
void append_gguf_string(std::string& out, std::string_view text);

template <typename T>
void append_bytes(std::string& out, T value) {
  static_assert(std::is_arithmetic_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace bantam
