// The Llama family: Llama 2 and 3.x, TinyLlama, SmolLM2, CodeLlama, Mistral 7B and NeMo, Mixtral.
// They differ in head width, sliding window, rotary scaling and experts only.
#include "models/registry.h"
#include "models/text/transformer.h"

namespace bantam {

Result<ArchSpec> read_llama_spec(const WeightFile& file) {
  return read_transformer_spec(file, "llama");
}

}  // namespace bantam
