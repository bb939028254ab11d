#include "tokenizer/charsmap.h"

#include <algorithm>

#include "base/unicode.h"

namespace bantam {
namespace {

// The longest replacement that a table may hold. Unicode's own longest, U+FDFA under NFKC, has 33
// bytes; the limit bounds how far a hostile table can blow a text up (S17).
constexpr std::size_t kMaxReplacement = 256;

constexpr std::string_view kKey = "tokenizer.ggml.precompiled_charsmap";

std::uint32_t read_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// A unit of the trie (the layout of Darts-clone). A leaf holds a value in 31 bits; any other unit
// holds the byte that leads to it, whether a leaf follows, and the distance to its children.
bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t value_of(std::uint32_t leaf) { return leaf & 0x7FFFFFFFu; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FFu; }
std::uint32_t offset_of(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200u) >> 6); }

}  // namespace

Result<CharsMap> CharsMap::parse(std::string_view bytes) {
  const auto broken = [](std::string_view what, std::size_t found) {
    return fail(ErrorKind::kMalformed, "tokenizer_invalid", "precompiled_charsmap: {}, found {}",
                what, found);
  };
  if (bytes.size() < 8) return broken("expected a trie of at least 4 bytes", bytes.size());
  const std::size_t trie_bytes = read_u32(bytes);
  bytes.remove_prefix(4);
  if (trie_bytes == 0 || trie_bytes % 4 != 0)
    return broken("expected the size of the trie to be a multiple of 4", trie_bytes);
  if (trie_bytes > bytes.size())
    return broken(fmt::format("the trie's size is over the {} bytes that follow", bytes.size()),
                  trie_bytes);

  CharsMap map;
  map.replacements_ = bytes.substr(trie_bytes);
  if (!map.replacements_.empty() && map.replacements_.back() != '\0')
    return broken("expected the last replacement to end in NUL; its last byte",
                  static_cast<unsigned char>(map.replacements_.back()));
  for (std::size_t begin = 0; begin < map.replacements_.size();) {
    const std::size_t end = map.replacements_.find('\0', begin);
    if (end - begin > kMaxReplacement)
      return broken(fmt::format("expected replacements of at most {} bytes", kMaxReplacement),
                    end - begin);
    begin = end + 1;
  }
  map.units_.resize(trie_bytes / 4);
  for (std::size_t i = 0; i < map.units_.size(); ++i)
    map.units_[i] = read_u32(bytes.substr(4 * i, 4));
  return map;
}

CharsMap::Match CharsMap::longest_match(std::string_view text) const {
  Match match;
  if (units_.empty()) return match;
  std::size_t node = offset_of(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) break;
    const std::uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (node >= units_.size()) break;
    if (has_leaf(unit)) match = {.bytes = i + 1, .replacement = value_of(units_[node])};
  }
  if (match.replacement >= replacements_.size()) return {};  // hostile
  return match;
}

std::string CharsMap::apply(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    if (const Match match = longest_match(text); match.bytes > 0) {
      out += replacements_.c_str() + match.replacement;  // ended by NUL, as parse() saw to
      text.remove_prefix(match.bytes);
      continue;
    }
    const DecodedChar next = decode_utf8(text);
    if (next.valid) {
      out += text.substr(0, next.bytes);
      text.remove_prefix(next.bytes);
    } else {
      append_utf8(out, kReplacementChar);
      text.remove_prefix(1);
    }
  }
  return out;
}

Result<std::optional<CharsMap>> read_charsmap(const Metadata& metadata) {
  const MetaValue* const value = metadata.find(kKey);
  if (value == nullptr) return std::nullopt;
  const auto* const array = std::get_if<MetaArray>(&value->value);
  if (array == nullptr || (array->element != MetaType::kU8 && array->element != MetaType::kI8))
    return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                "wrong element type for {}: expected an array of bytes, found {}", kKey,
                meta_type_name(array == nullptr ? value->type : array->element));
  if (array->integers.empty()) return std::nullopt;
  std::string bytes;
  bytes.reserve(array->integers.size());
  for (const std::uint64_t byte : array->integers) bytes += static_cast<char>(byte & 0xFF);
  return TRY(CharsMap::parse(bytes));
}

void set_charsmap(Metadata& metadata, std::string_view bytes) {
  MetaArray array;
  array.element = MetaType::kU8;
  array.integers.reserve(bytes.size());
  for (const char c : bytes) array.integers.push_back(static_cast<unsigned char>(c));
  metadata.set(kKey, {.type = MetaType::kArray, .value = std::move(array)});
}

}  // namespace bantam
