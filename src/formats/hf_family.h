// What a family of Hugging Face models calls its settings and tensors, and what GGUF calls them.
// A new family is one more row of the table in hf_family.cpp and, where its settings differ, one
// more function.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "formats/metadata.h"

namespace bantam {

enum class HfAction : std::uint8_t {
  kKeep,
  kQueryRows,  // rows of one rotary head after the other, half-split to interleaved
  kKeyRows,
  kExpert,  // one of the matrices that are stacked into one tensor
  kOutput,  // left out when the output is tied to the embedding
  kDrop,    // nothing that a model computes with
};

// Names without ".weight" or ".bias", which stay; '#' stands for a number: the layer, and for
// kExpert then the expert.
struct HfRule {
  std::string_view from, to;
  HfAction action = HfAction::kKeep;
};

// What config.json says, beside metadata.
struct HfModel {
  std::uint64_t layers = 0, query_heads = 0, key_heads = 0, head_width = 0, experts = 0;
  bool tied = false;
  std::vector<float> rope_factors;  // rope_freqs.weight; empty if there is none
};

struct HfFamily {
  std::string_view model_type;
  std::string_view architecture;  // general.architecture, and the prefix of its keys
  Result<HfModel> (*read_config)(JsonReader& config, std::string_view architecture, Metadata& out);
  std::span<const HfRule> rules;
};

// kUnsupported "model_type_unsupported" names the nearest known ones.
Result<const HfFamily*> find_hf_family(std::string_view model_type);

// A rule applied to a tensor name.
struct HfTarget {
  std::string name;
  HfAction action;
  std::uint64_t expert = 0;
};
// Nothing for names that no rule has a place for.
std::optional<HfTarget> hf_target(const HfFamily& family, std::string_view name);

// The family whose models have this architecture in GGUF; null if there is none.
const HfFamily* hf_family_of(std::string_view architecture);

// The way back: what the family calls GGUF's tensor `name`. `expert` is used for kExpert.
std::optional<HfTarget> hf_source(const HfFamily& family, std::string_view name,
                                  std::uint64_t expert);

// rope_theta, rope_scaling or rope_parameters as "<architecture>.rope.*" keys; what Llama 3 needs
// as a tensor is returned. `width` is the number of dimensions that are rotated.
Result<std::vector<float>> read_hf_rope(JsonReader& config, std::string_view architecture,
                                        std::uint64_t width, Metadata& out);

}  // namespace bantam
