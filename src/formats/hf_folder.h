// Hugging Face folders: config.json, safetensors and tokenizer files, seen as a GGUF file.
//
// Keys and tensor names become GGUF's (hf_family.h has the tables). Three things are not views on
// the files but copies, because GGUF stores them otherwise: the rows of Q and K, which a folder
// keeps in the half-split order of rotary pairs and GGUF's llama in the interleaved one; vectors,
// which are F32 in GGUF; and the experts of a layer, which are one tensor in GGUF. The RoPE scaling
// of Llama 3 becomes the tensor rope_freqs.weight, as in GGUF.
//
// Tokenizer files go into the metadata as they are, under these keys, for tokenizer/import.h to
// turn into tokenizer.ggml.*; none of them may reach a file:
//   bantam.tokenizer_json, bantam.tokenizer_config_json, bantam.tokenizer_model (bytes),
//   bantam.vocab_json, bantam.merges_txt, bantam.vocab_txt, bantam.added_tokens_json,
//   bantam.special_tokens_map_json
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "formats/metadata.h"
#include "formats/weight_file.h"

namespace bantam {

// `path` is the folder, or one safetensors file beside its config.json. Errors: "config_invalid"
// with the JSON pointer, "safetensors_invalid", "pickle_unsupported", "model_type_unsupported",
// "file_not_found"; all name the file.
Result<std::shared_ptr<WeightFile>> read_hf_folder(const std::filesystem::path& path);

// The tokenizer files of a folder, under the raw keys above, and its chat templates as
// tokenizer.chat_template and tokenizer.chat_template.NAME. Files that are absent are left out.
// Only the first of tokenizer.json, tokenizer.model and the older pairs is taken.
Result<void> add_tokenizer_files(const std::filesystem::path& folder, Metadata& metadata);

}  // namespace bantam
