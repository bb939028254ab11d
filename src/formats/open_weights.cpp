#include <system_error>

#include "formats/cursor.h"
#include "formats/gguf_reader.h"
#include "formats/weight_file.h"

namespace bantam {

Result<std::shared_ptr<WeightFile>> open_weights(const std::filesystem::path& path) {
  return read_gguf(path);
}

}  // namespace bantam
