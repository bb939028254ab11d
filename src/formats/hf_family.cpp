#include "formats/hf_family.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/nearest.h"
#include "formats/limits.h"

namespace bantam {
namespace {

constexpr HfRule kLlamaRules[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output", HfAction::kOutput},
    {"model.layers.#.input_layernorm", "blk.#.attn_norm"},
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_q", HfAction::kQueryRows},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_k", HfAction::kKeyRows},
    {"model.layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"model.layers.#.self_attn.o_proj", "blk.#.attn_output"},
    {"model.layers.#.self_attn.rotary_emb.inv_freq", "", HfAction::kDrop},
    {"model.layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
    {"model.layers.#.mlp.gate_proj", "blk.#.ffn_gate"},
    {"model.layers.#.mlp.up_proj", "blk.#.ffn_up"},
    {"model.layers.#.mlp.down_proj", "blk.#.ffn_down"},
    {"model.layers.#.block_sparse_moe.gate", "blk.#.ffn_gate_inp"},
    {"model.layers.#.block_sparse_moe.experts.#.w1", "blk.#.ffn_gate_exps", HfAction::kExpert},
    {"model.layers.#.block_sparse_moe.experts.#.w2", "blk.#.ffn_down_exps", HfAction::kExpert},
    {"model.layers.#.block_sparse_moe.experts.#.w3", "blk.#.ffn_up_exps", HfAction::kExpert},
};

constexpr HfRule kQwen3Rules[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output", HfAction::kOutput},
    {"model.layers.#.input_layernorm", "blk.#.attn_norm"},
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_q"},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_k"},
    {"model.layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"model.layers.#.self_attn.o_proj", "blk.#.attn_output"},
    {"model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm"},
    {"model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm"},
    {"model.layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
    {"model.layers.#.mlp.gate_proj", "blk.#.ffn_gate"},
    {"model.layers.#.mlp.up_proj", "blk.#.ffn_up"},
    {"model.layers.#.mlp.down_proj", "blk.#.ffn_down"},
};

std::uint32_t narrow(std::int64_t value) { return static_cast<std::uint32_t>(value); }

Error bad_config(std::string pointer, std::string message) {
  return {.kind = ErrorKind::kMalformed,
          .code = "config_invalid",
          .message = std::move(message),
          .where = std::move(pointer),
          .hint = {}};
}

// Heads and their width, with the default that the family has for each.
Result<HfModel> read_heads(JsonReader& config, std::int64_t width) {
  const std::int64_t heads = TRY(config.required_integer("num_attention_heads", 1, limits::kHeads));
  const std::int64_t key_heads = TRY(config.integer("num_key_value_heads", heads, 1, heads));
  if (heads % key_heads != 0)
    return std::unexpected(
        bad_config(config.pointer("num_key_value_heads"),
                   fmt::format("{} does not divide {} heads", key_heads, heads)));
  if (config.find("head_dim") == nullptr && width % heads != 0)
    return std::unexpected(
        bad_config(config.pointer("num_attention_heads"),
                   fmt::format("{} heads do not divide hidden_size {}", heads, width)));
  const std::int64_t head_width =
      TRY(config.integer("head_dim", width / heads, 2, std::int64_t{limits::kWidth}));
  if (head_width % 2 != 0)
    return std::unexpected(bad_config(config.pointer("head_dim"),
                                      fmt::format("a rotary head of odd width {}", head_width)));
  HfModel model;
  model.query_heads = static_cast<std::uint64_t>(heads);
  model.key_heads = static_cast<std::uint64_t>(key_heads);
  model.head_width = static_cast<std::uint64_t>(head_width);
  return model;
}

Result<void> read_experts(JsonReader& config, const std::string& prefix, HfModel& model,
                          Metadata& out) {
  const std::int64_t experts = TRY(config.integer("num_local_experts", 0, 0, limits::kExperts));
  if (experts == 0) return {};
  const std::int64_t used = TRY(config.integer("num_experts_per_tok", 2, 1, experts));
  model.experts = static_cast<std::uint64_t>(experts);
  out.set_u32(prefix + "expert_count", narrow(experts));
  out.set_u32(prefix + "expert_used_count", narrow(used));
  return {};
}

// Settings that change what is computed and that the architecture has no key for.
Result<void> refuse_variants(JsonReader& config) {
  const std::string activation = TRY(config.string("hidden_act", "silu"));
  if (activation != "silu" && activation != "swish") {
    Error error = bad_config(config.pointer("hidden_act"),
                             fmt::format("expected \"silu\", found {}", quoted(activation)));
    error.kind = ErrorKind::kUnsupported;
    return std::unexpected(std::move(error));
  }
  TRY(config.number("partial_rotary_factor", 1, 1, 1));
  return {};
}

// The window of all layers' attention; 0: none. Qwen 3 has one only if it says so, and then from a
// layer on; others have one if it is given. Layers that differ are refused.
Result<std::int64_t> read_window(JsonReader& config, std::string_view architecture,
                                 std::int64_t layers) {
  const bool staged = architecture == "qwen3";
  const std::int64_t window = TRY(config.integer("sliding_window", 0, 0, limits::kContext));
  const bool used = TRY(config.boolean("use_sliding_window", !staged));
  const std::int64_t first = TRY(config.integer("max_window_layers", 28, 0, limits::kLayers));
  if (window == 0 || !used || (staged && first >= layers)) return 0;
  if (!staged || first == 0) return window;
  Error error =
      bad_config(config.pointer("max_window_layers"),
                 fmt::format("expected 0 or at least the {} layers, found {}: windows of some "
                             "layers only are not supported",
                             layers, first));
  error.kind = ErrorKind::kUnsupported;
  return std::unexpected(std::move(error));
}

Result<HfModel> read_llama(JsonReader& config, std::string_view architecture, Metadata& out) {
  constexpr auto kWidth = static_cast<std::int64_t>(limits::kWidth);
  const std::string prefix = std::string(architecture) + ".";
  TRY(refuse_variants(config));
  const std::int64_t layers = TRY(config.required_integer("num_hidden_layers", 1, limits::kLayers));
  const std::int64_t width = TRY(config.required_integer("hidden_size", 1, kWidth));
  const std::int64_t inner = TRY(config.required_integer("intermediate_size", 1, kWidth));
  const std::int64_t vocabulary =
      TRY(config.required_integer("vocab_size", 1, limits::kVocabulary));
  const std::int64_t context =
      TRY(config.integer("max_position_embeddings", 2048, 1, limits::kContext));
  const double epsilon = TRY(config.number("rms_norm_eps", 1e-6, 1e-30, 1));
  HfModel model = TRY(read_heads(config, width));
  model.layers = static_cast<std::uint64_t>(layers);
  model.tied = TRY(config.boolean("tie_word_embeddings", false));

  out.set_u32(prefix + "block_count", narrow(layers));
  out.set_u32(prefix + "context_length", narrow(context));
  out.set_u32(prefix + "embedding_length", narrow(width));
  out.set_u32(prefix + "feed_forward_length", narrow(inner));
  out.set_u32(prefix + "vocab_size", narrow(vocabulary));
  out.set_u32(prefix + "attention.head_count", static_cast<std::uint32_t>(model.query_heads));
  out.set_u32(prefix + "attention.head_count_kv", static_cast<std::uint32_t>(model.key_heads));
  out.set_u32(prefix + "attention.key_length", static_cast<std::uint32_t>(model.head_width));
  out.set_u32(prefix + "attention.value_length", static_cast<std::uint32_t>(model.head_width));
  out.set_f32(prefix + "attention.layer_norm_rms_epsilon", static_cast<float>(epsilon));
  out.set_u32(prefix + "rope.dimension_count", static_cast<std::uint32_t>(model.head_width));
  if (const std::int64_t window = TRY(read_window(config, architecture, layers)); window > 0)
    out.set_u32(prefix + "attention.sliding_window", narrow(window));
  TRY(read_experts(config, prefix, model, out));
  model.rope_factors = TRY(read_hf_rope(config, architecture, model.head_width, out));
  return model;
}

constexpr auto kFamilies = std::to_array<HfFamily>({
    {"llama", "llama", read_llama, kLlamaRules},
    {"mistral", "llama", read_llama, kLlamaRules},
    {"mixtral", "llama", read_llama, kLlamaRules},
    {"qwen3", "qwen3", read_llama, kQwen3Rules},
});

// "a.12.b.3" as "a.#.b.#" and {12, 3}. A part counts as a number when it is only digits.
struct NumberedName {
  std::string pattern;
  std::vector<std::string_view> numbers;
};

NumberedName numbered(std::string_view name) {
  NumberedName out;
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view part = name.substr(0, dot);
    const bool digits = !part.empty() && part.find_first_not_of("0123456789") == part.npos;
    if (digits) out.numbers.push_back(part);
    out.pattern += digits ? "#" : part;
    if (dot == name.npos) return out;
    out.pattern += '.';
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

Result<const HfFamily*> find_hf_family(std::string_view model_type) {
  std::vector<std::string_view> known;
  for (const HfFamily& family : kFamilies) {
    if (family.model_type == model_type) return &family;
    known.push_back(family.model_type);
  }
  auto error =
      fail(ErrorKind::kUnsupported, "model_type_unsupported", "unsupported model type {}.{}",
           quoted(model_type), did_you_mean(model_type, known))
          .error();
  error.where = "/model_type";
  error.hint = fmt::format("known: {}", fmt::join(known, ", "));
  return std::unexpected(std::move(error));
}

const HfFamily* hf_family_of(std::string_view architecture) {
  const auto* found = std::ranges::find(kFamilies, architecture, &HfFamily::architecture);
  return found == kFamilies.end() ? nullptr : found;
}

std::optional<HfTarget> hf_source(const HfFamily& family, std::string_view name,
                                  std::uint64_t expert) {
  if (name.find('#') != name.npos) return std::nullopt;
  std::string_view suffix;
  for (const std::string_view known : {".weight", ".bias"})
    if (name.ends_with(known)) suffix = known;
  const NumberedName found = numbered(name.substr(0, name.size() - suffix.size()));
  for (const HfRule& rule : family.rules) {
    if (rule.to != found.pattern) continue;
    HfTarget source{.name = std::string(rule.from), .action = rule.action, .expert = expert};
    if (const std::size_t layer = source.name.find('#'); layer != std::string::npos)
      source.name.replace(layer, 1, found.numbers[0]);
    if (const std::size_t part = source.name.find('#'); part != std::string::npos)
      source.name.replace(part, 1, fmt::format("{}", expert));
    source.name += suffix;
    return source;
  }
  return std::nullopt;
}

std::optional<HfTarget> hf_target(const HfFamily& family, std::string_view name) {
  if (name.find('#') != name.npos) return std::nullopt;  // a number's place in the rules
  std::string_view suffix;
  for (const std::string_view known : {".weight", ".bias"})
    if (name.ends_with(known)) suffix = known;
  const NumberedName found = numbered(name.substr(0, name.size() - suffix.size()));
  for (const HfRule& rule : family.rules) {
    if (rule.from != found.pattern) continue;
    HfTarget target{.name = std::string(rule.to), .action = rule.action, .expert = 0};
    if (!found.numbers.empty())
      if (const std::size_t layer = target.name.find('#'); layer != std::string::npos)
        target.name.replace(layer, 1, found.numbers[0]);
    if (rule.action == HfAction::kExpert) {
      const std::string_view digits = found.numbers[1];
      const auto parsed =
          std::from_chars(digits.data(), digits.data() + digits.size(), target.expert);
      if (parsed.ec != std::errc() || target.expert >= limits::kExperts) return std::nullopt;
    }
    target.name += suffix;
    return target;
  }
  return std::nullopt;
}

}  // namespace bantam
