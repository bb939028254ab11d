// LINK: bantam_formats
//
// config.json: refused with a JSON pointer, or made into metadata whose numbers a model can be
// built on.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "formats/hf_family.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bantam;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const HfFamily* family = *find_hf_family("mixtral");
  (void)hf_target(*family, text);  // any bytes may be a tensor's name
  const auto root = parse_json(text, {.max_bytes = 1u << 20});
  if (!root) return 0;
  JsonReader config(*root);
  Metadata metadata;
  const auto model = family->read_config(config, family->architecture, metadata);
  if (!model) {
    CHECK(!model.error().message.empty());
    CHECK(model.error().to_string().size() <= 1024);
    return 0;
  }
  CHECK(model->layers > 0 && model->query_heads > 0 && model->key_heads > 0);
  CHECK(model->query_heads % model->key_heads == 0 && model->head_width % 2 == 0);
  for (const float factor : model->rope_factors) CHECK(std::isfinite(factor) && factor >= 1);
  CHECK(metadata.number("llama.rope.freq_base", 1, 1e12).has_value());
  CHECK(metadata.integer("llama.vocab_size", 1, 1u << 24).has_value());
  return 0;
}
