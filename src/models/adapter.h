// Adapters: low-rank changes to a model's linear layers, as a file of their own.
//
// A decoder with an adapter is a Decoder like any other: it shares the base's file and weights, and
// its Linears name their low-rank part (nn/ops.h). So whatever runs, scores, trains or serves a
// decoder does the same with an adapted one, and several adapters of one base cost only their own
// bytes.
//
// There are two forms of the file.
//   GGUF   general.type "adapter", adapter.type "lora", adapter.lora.alpha (0: scale 1); tensors
//          NAME.lora_a (r, in) and NAME.lora_b (out, r), where NAME is the base's, ".weight"
//          included; stacks of experts have one dimension more
//   PEFT   a folder: adapter_config.json, and adapter_model.safetensors with lora_A.weight (r, in)
//          and lora_B.weight (out, r) of the modules that the family has in transformers. rsLoRA,
//          ranks and alphas by module, and DoRA's lora_magnitude_vector (out) are understood;
//          what would change the result otherwise is refused by name.
// Both may hold bantam.base.digest, and those that we write do: an adapter of another model is then
// refused, and not merely wrong.
// Sources: the formats as llama.cpp and https://huggingface.co/docs/peft define them; Hu et al.,
// "LoRA", 2021; Kalajdzievski, "rsLoRA", 2023; Liu et al., "DoRA", 2024.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"
#include "formats/weight_file.h"
#include "models/decoder.h"
#include "nn/ops.h"

namespace bantam {

enum class AdapterBase : std::uint8_t {
  kSame,  // the one that the file names, if it names one
  kAny,   // whichever has its tensors: the same model in another storage type, say
};

// `base` with the adapter at `path`: a GGUF file, or a PEFT folder. The decoder keeps both. CHECKs
// that the base has no adapter yet. Errors, all with the path: kMalformed "adapter_invalid" names
// the tensor or the setting; kUnsupported "adapter_unsupported" for adapters of another kind;
// kUnsupported "adapter_base" for one of another base: it names both digests, or the tensor that
// the base lacks or has in another shape.
Result<std::shared_ptr<const Decoder>> attach_adapter(std::shared_ptr<const Decoder> base,
                                                      const std::filesystem::path& path,
                                                      AdapterBase accept = AdapterBase::kSame);

// DoRA's gain of output `n`: what gives row n of weight + scale · B A the length that the magnitude
// says. Exactly 1 where it has it, in floats.
float dora_gain(const Linear& layer, std::int64_t n);
// That length as it is.
float adapted_length(const Linear& layer, std::int64_t n);

enum class AdapterFormat : std::uint8_t { kGguf, kPeft };

// Writes what was added to the layers of `adapted`: a GGUF file, or a PEFT folder, which is made if
// it is not there and is complete when it has adapter_config.json. `type` is F32, which keeps the
// bits that were trained and measured, F16 or BF16. attach_adapter() gives the same scale back; a
// GGUF file has room for one alpha, so that where that is not enough the difference goes into B.
// Magnitudes (DoRA) are always F32. Errors: those of the writers; kUnsupported
// "adapter_cannot_hold" for other types, for DoRA in GGUF, which has no place for it, for an
// adapted embedding, for experts of one stack with different ranks; kUsage "nothing_adapted".
Result<void> save_adapter(const std::filesystem::path& path, const Decoder& adapted,
                          AdapterFormat format, DType type);

// Whether a file of that form can hold it: the errors that save_adapter() would have, and nothing
// written. For whoever trains for hours first.
Result<void> check_adapter_format(const Decoder& adapted, AdapterFormat format);

// 64 hexadecimal digits that name a model's weights: SHA-256 of the names, types and shapes of all
// tensors and of four pieces of 1 KiB of each one's bytes, so that it costs the same for any size
// of model. It tells models apart, it does not protect them.
std::string weights_digest(const WeightFile& file);

inline constexpr std::string_view kBaseDigestKey = "bantam.base.digest";

}  // namespace bantam
