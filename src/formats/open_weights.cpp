#include <system_error>

#include "formats/cursor.h"
#include "formats/gguf_reader.h"
#include "formats/hf_folder.h"
#include "formats/weight_file.h"

namespace bantam {
namespace {

// A file that is neither: what it looks like decides what there is to say.
std::unexpected<Error> unknown_file(const std::filesystem::path& path,
                                    std::span<const std::byte> bytes) {
  const std::string_view looks = looks_like(bytes);
  const bool pickle = looks.contains("ickle") || looks.contains("PyTorch");
  auto error =
      fail(pickle ? ErrorKind::kUnsupported : ErrorKind::kMalformed,
           pickle ? "pickle_unsupported" : "gguf_invalid",
           "expected a GGUF file, a safetensors file or a model folder; this looks like {}", looks)
          .error();
  error.where = path.string();
  if (pickle) error.hint = "pickle is not supported; convert it to safetensors where you trust it";
  return std::unexpected(std::move(error));
}

}  // namespace

Result<std::shared_ptr<WeightFile>> open_weights(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return read_hf_folder(path);
  if (path.extension() == ".safetensors") return read_hf_folder(path);
  if (path.extension() == ".gguf") return read_gguf(path);
  const MappedFile map = TRY(MappedFile::open(path));
  if (is_gguf(map.bytes()) || map.bytes().empty()) return read_gguf(path);
  return unknown_file(path, map.bytes());
}

}  // namespace bantam
