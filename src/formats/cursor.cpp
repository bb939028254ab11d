#include "formats/cursor.h"

#include <algorithm>
#include <cctype>

namespace bantam {

using namespace std::string_view_literals;

Result<std::span<const std::byte>> Cursor::take(std::uint64_t count, std::string_view what) {
  if (count > left())
    return error_at(at_, "the file ends within {}: expected {} bytes, found {}", what, count,
                    left());
  const auto taken = bytes_.subspan(at_, static_cast<std::size_t>(count));
  at_ += taken.size();
  return taken;
}

Result<std::string_view> Cursor::text(std::uint64_t length, std::uint64_t limit,
                                      std::string_view what) {
  if (length > left())
    return error_at(at_, "the file ends within {}: expected {} bytes, found {}", what, length,
                    left());
  if (length > limit)
    return error_at(at_, "{} is too long: {} bytes, the limit is {}", what, length, limit);
  const auto taken = TRY(take(length, what));
  return std::string_view(reinterpret_cast<const char*>(taken.data()), taken.size());
}

namespace {

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view name;
};

constexpr Magic kMagics[] = {
    {0, "GGUF"sv, "GGUF"},
    {0, "FUGG"sv, "a big-endian GGUF file"},
    {0, "GGML"sv, "an old ggml model"},
    {0, "lmgg"sv, "an old ggml model"},
    {0, "fmgg"sv, "an old ggml model (ggmf)"},
    {0, "tjgg"sv, "an old ggml model (ggjt)"},
    {0, "algg"sv, "an old ggml adapter (ggla)"},
    {0, "\x1f\x8b"sv, "gzip data"},
    {0, "PK\x03\x04"sv, "a zip archive, such as a PyTorch file"},
    {0, "\x28\xb5\x2f\xfd"sv, "zstd data"},
    {0, "\xfd\x37zXZ\0"sv, "xz data"},
    {0, "BZh"sv, "bzip2 data"},
    {257, "ustar"sv, "a tar archive"},
    {0, "\x7f\x45LF"sv, "an ELF program"},
    {0, "MZ"sv, "a Windows program"},
    {0, "\x80\x02"sv, "a Python pickle"},
    {0, "\x80\x03"sv, "a Python pickle"},
    {0, "\x80\x04"sv, "a Python pickle"},
    {0, "\x80\x05"sv, "a Python pickle"},
    {0, "\x93NUMPY"sv, "a NumPy array"},
    {0, "\x89HDF"sv, "an HDF5 file"},
    {0, "\x89PNG"sv, "a PNG image"},
    {0, "\xff\xd8\xff"sv, "a JPEG image"},
    {0, "%PDF"sv, "a PDF document"},
    {0, "SQLite format 3"sv, "an SQLite database"},
    {0, "version https://git-lfs"sv, "a Git LFS pointer, not the file itself"},
    {0, "#!"sv, "a script"},
    {8, "{\""sv, "a safetensors file"},
};

bool starts_with_markup(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return false;
  std::string head(text.substr(first, 14));
  std::ranges::transform(head, head.begin(), [](unsigned char c) { return std::tolower(c); });
  return head.starts_with("<!doctype html") || head.starts_with("<html") ||
         head.starts_with("<?xml") || head.starts_with("<head");
}

}  // namespace

std::string_view looks_like(std::span<const std::byte> bytes) {
  if (bytes.empty()) return "an empty file";
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min<std::size_t>(bytes.size(), 512));
  for (const Magic& magic : kMagics)
    if (text.size() >= magic.offset && text.substr(magic.offset).starts_with(magic.bytes))
      return magic.name;
  if (starts_with_markup(text)) return "an HTML page";
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos || text[first] == '{' || text[first] == '[')
    return first == text.npos ? "white space" : "JSON text";
  const bool all_zero = std::ranges::all_of(text, [](char c) { return c == 0; });
  return all_zero ? "zeros, as an unfinished download leaves them" : "unknown data";
}

}  // namespace bantam
