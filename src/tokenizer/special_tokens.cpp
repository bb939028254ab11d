#include "tokenizer/special_tokens.h"

#include <algorithm>
#include <array>
#include <optional>

#include "tokenizer/pretokenizer_names.h"

namespace bantam {
namespace {

constexpr std::string_view kModel = "tokenizer.ggml.model";

// In order: of several, the first that a vocabulary has is the end of a turn.
constexpr std::array<std::string_view, 23> kTurnEndings = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<turn|>", "<|endoftext|>",
    "<|end_of_text|>", "<EOT>", "_<EOT>", "[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>",
    // These end a generation, but are not what a turn normally ends with.
    "<|eom_id|>", "<|return|>", "<|call|>", "<|calls|>", "<|flush|>", "<|tool_response>", "[EOS]",
    "[e~[", "<eos>", "</s>", "<|fim_pad|>"};
constexpr std::size_t kTurnEndingsProper = 12;

Result<std::optional<TokenId>> token_key(const Metadata& metadata, std::string_view key,
                                         const Vocab& vocab) {
  if (!metadata.contains(key)) return std::nullopt;
  Result<std::uint64_t> id = metadata.integer(key, 0, vocab.size() - 1);
  if (!id)
    return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                "{} out of range for a vocabulary of {} tokens: {}", key, vocab.size(),
                id.error().message);
  return static_cast<TokenId>(*id);
}

// An id by its key; without the key, the family's usual id, if the spelling there is a usual one.
Result<std::optional<TokenId>> token_or(const Metadata& metadata, std::string_view key,
                                        const Vocab& vocab,
                                        std::initializer_list<std::string_view> usual) {
  const std::optional<TokenId> id = TRY(token_key(metadata, key, vocab));
  if (id) return id;
  for (const std::string_view spelling : usual)
    if (const std::optional<TokenId> found = vocab.find(spelling)) return found;
  return std::nullopt;
}

Result<void> read_roles(const Metadata& metadata, const Vocab& vocab, SpecialTokens& out) {
  const std::string model = TRY(metadata.string_or(kModel, ""));
  using Usual = std::initializer_list<std::string_view>;
  const bool spm = model == "llama", unigram = model == "t5" || model == "unigram",
             bert = model == "bert";
  out.bos =
      TRY(token_or(metadata, "tokenizer.ggml.bos_token_id", vocab, spm ? Usual{"<s>"} : Usual{}));
  out.eos = TRY(token_or(metadata, "tokenizer.ggml.eos_token_id", vocab,
                         spm || unigram ? Usual{"</s>"} : Usual{}));
  out.unknown = TRY(token_or(metadata, "tokenizer.ggml.unknown_token_id", vocab,
                             bert             ? Usual{"[UNK]"}
                             : spm || unigram ? Usual{"<unk>"}
                                              : Usual{}));
  out.pad = TRY(token_or(metadata, "tokenizer.ggml.padding_token_id", vocab,
                         bert      ? Usual{"[PAD]"}
                         : unigram ? Usual{"<pad>"}
                                   : Usual{}));
  out.mask = TRY(
      token_or(metadata, "tokenizer.ggml.mask_token_id", vocab, bert ? Usual{"[MASK]"} : Usual{}));
  out.cls = TRY(
      token_or(metadata, "tokenizer.ggml.cls_token_id", vocab, bert ? Usual{"[CLS]"} : Usual{}));
  // GGUF spells this key with an e; some writers do not.
  const std::string_view separator = metadata.contains("tokenizer.ggml.separator_token_id")
                                         ? "tokenizer.ggml.separator_token_id"
                                         : "tokenizer.ggml.seperator_token_id";
  out.separator = TRY(token_or(metadata, separator, vocab, bert ? Usual{"[SEP]"} : Usual{}));
  out.eot = TRY(token_key(metadata, "tokenizer.ggml.eot_token_id", vocab));
  if (bert && !out.bos) out.bos = out.cls;
  return {};
}

Result<void> read_surroundings(const Metadata& metadata, const Vocab& vocab, SpecialTokens& out) {
  const std::string model = TRY(metadata.string_or(kModel, ""));
  const std::string pre = TRY(metadata.string_or("tokenizer.ggml.pre", ""));
  const PretokenizerInfo* info = model == "gpt2" ? find_pretokenizer(pre) : nullptr;
  const bool bos_default =
      model == "llama" || model == "bert" || (info != nullptr && info->add_bos);
  const bool eos_default = model == "t5";
  const bool separator_default = model == "bert" || (info != nullptr && info->add_separator);
  const bool bos = TRY(metadata.boolean_or("tokenizer.ggml.add_bos_token", bos_default));
  const bool eos = TRY(metadata.boolean_or("tokenizer.ggml.add_eos_token", eos_default));
  const bool separator =
      TRY(metadata.boolean_or("tokenizer.ggml.add_sep_token", separator_default));
  if (metadata.contains("bantam.tokenizer.prefix")) {
    out.prefix = TRY(read_token_ids(metadata, "bantam.tokenizer.prefix", vocab));
  } else if (bos && out.bos) {
    out.prefix = {*out.bos};
  }
  if (metadata.contains("bantam.tokenizer.suffix")) {
    out.suffix = TRY(read_token_ids(metadata, "bantam.tokenizer.suffix", vocab));
  } else {
    if (eos && out.eos) out.suffix.push_back(*out.eos);
    if (separator && out.separator) out.suffix.push_back(*out.separator);
  }
  out.add_bos = out.bos && std::ranges::count(out.prefix, *out.bos) > 0;
  out.add_eos = out.eos && std::ranges::count(out.suffix, *out.eos) > 0;
  return {};
}

Result<void> read_endings(const Metadata& metadata, const Vocab& vocab, SpecialTokens& out) {
  std::vector<TokenId>& ends = out.end_of_generation;
  const auto special = [&](TokenId id) {
    return vocab.type(id) == TokenType::kControl || vocab.type(id) == TokenType::kUserDefined;
  };
  for (std::size_t i = 0; i < kTurnEndings.size(); ++i) {
    const std::optional<TokenId> id = vocab.find(kTurnEndings[i]);
    if (!id || !special(*id)) continue;
    ends.push_back(*id);
    if (i < kTurnEndingsProper && !out.eot) out.eot = id;
  }
  // Where <|return|> ends the answer, <|end|> only ends one of its messages; where
  // <|tool_response> does, </s> is a plain mark-up token.
  const auto has = [&](std::string_view spelling) {
    const std::optional<TokenId> id = vocab.find(spelling);
    return id && std::ranges::count(ends, *id) > 0;
  };
  const auto drop = [&](std::string_view spelling) {
    if (const std::optional<TokenId> id = vocab.find(spelling)) {
      std::erase(ends, *id);
      if (out.eot == id) out.eot.reset();
    }
  };
  const bool calls = has("<|call|>") || has("<|calls|>");
  if (calls && (has("<|return|>") || has("<|flush|>"))) drop("<|end|>");
  if (has("<|tool_response>")) drop("</s>");

  for (const std::string_view key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                     "tokenizer.ggml.eom_token_id"}) {
    if (const std::optional<TokenId> id = TRY(token_key(metadata, key, vocab))) ends.push_back(*id);
  }
  if (out.eos) ends.push_back(*out.eos);
  for (const TokenId id : TRY(read_token_ids(metadata, "tokenizer.ggml.eos_token_ids", vocab)))
    ends.push_back(id);
  std::ranges::sort(ends);
  ends.erase(std::ranges::unique(ends).begin(), ends.end());
  return {};
}

}  // namespace

std::span<const std::string_view> turn_endings() { return kTurnEndings; }

Result<std::vector<TokenId>> read_token_ids(const Metadata& metadata, std::string_view key,
                                            const Vocab& vocab) {
  const std::optional<std::vector<std::int64_t>> ids = TRY(metadata.integers(key));
  std::vector<TokenId> out;
  if (!ids) return out;
  out.reserve(ids->size());
  for (std::size_t i = 0; i < ids->size(); ++i) {
    const std::int64_t id = (*ids)[i];
    if (id < 0 || static_cast<std::uint64_t>(id) >= vocab.size())
      return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                  "{}[{}] is {}, out of range for a vocabulary of {} tokens", key, i, id,
                  vocab.size());
    out.push_back(static_cast<TokenId>(id));
  }
  return out;
}

Result<SpecialTokens> read_special_tokens(const Metadata& metadata, const Vocab& vocab) {
  SpecialTokens out;
  TRY(read_roles(metadata, vocab, out));
  TRY(read_surroundings(metadata, vocab, out));
  TRY(read_endings(metadata, vocab, out));
  return out;
}

}  // namespace bantam
