#include "tokenizer/tokenizer_json.h"

#include "base/json.h"
#include "tokenizer/pretokenizer_names.h"
#include "tokenizer/vocab.h"

namespace bantam {
namespace {

Json byte_level(bool regex) {
  return JsonObject{{"type", "ByteLevel"},
                    {"add_prefix_space", false},
                    {"trim_offsets", true},
                    {"use_regex", regex}};
}

Json pre_tokenizer(const PretokenizerInfo& info) {
  JsonArray steps;
  for (const std::string_view pattern : info.patterns)
    steps.push_back(JsonObject{{"type", "Split"},
                               {"pattern", JsonObject{{"Regex", pattern}}},
                               {"behavior", "Isolated"},
                               {"invert", false}});
  steps.push_back(byte_level(false));
  return JsonObject{{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

JsonArray added_tokens(const Vocab& vocab) {
  JsonArray out;
  for (const AddedToken& token : vocab.added())
    out.push_back(JsonObject{{"id", token.id},
                             {"content", vocab.piece(token.id)},
                             {"single_word", token.single_word},
                             {"lstrip", token.lstrip},
                             {"rstrip", token.rstrip},
                             {"normalized", token.normalized},
                             {"special", token.control}});
  return out;
}

// BOS before every text, or nothing.
Json post_processor(const Vocab& vocab) {
  const SpecialTokens& specials = vocab.specials();
  if (!specials.add_bos) return nullptr;
  const std::string_view bos = vocab.piece(*specials.bos);
  const Json token = JsonObject{{"SpecialToken", JsonObject{{"id", bos}, {"type_id", 0}}}};
  const auto sequence = [](std::string_view name, int type) -> Json {
    return JsonObject{{"Sequence", JsonObject{{"id", name}, {"type_id", type}}}};
  };
  return JsonObject{
      {"type", "TemplateProcessing"},
      {"single", JsonArray{token, sequence("A", 0)}},
      {"pair", JsonArray{token, sequence("A", 0), token, sequence("B", 1)}},
      {"special_tokens", JsonObject{{bos, JsonObject{{"id", bos},
                                                     {"ids", JsonArray{*specials.bos}},
                                                     {"tokens", JsonArray{bos}}}}}}};
}

}  // namespace

Result<std::string> write_tokenizer_json(const Metadata& metadata) {
  const std::string model = TRY(metadata.string("tokenizer.ggml.model"));
  const std::string pre = TRY(metadata.string("tokenizer.ggml.pre"));
  const PretokenizerInfo* info = find_pretokenizer(pre);
  const std::vector<std::string>* merges = TRY(metadata.strings("tokenizer.ggml.merges"));
  if (model != "gpt2" || info == nullptr || merges == nullptr)
    return fail(
        ErrorKind::kUnsupported, "tokenizer_unsupported",
        "only byte-level BPE is written as tokenizer.json, not {} with the pre-tokenizer {}",
        quoted(model), quoted(pre));
  const Vocab vocab = TRY(Vocab::from_metadata(metadata));
  JsonObject ids;
  for (std::size_t i = 0; i < vocab.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    ids.emplace(vocab.piece(id), id);
  }
  JsonArray lines;
  for (const std::string& merge : *merges) lines.push_back(Json(merge));
  const Json normalizer = info->compose ? Json(JsonObject{{"type", "NFC"}}) : Json(nullptr);
  const Json document = JsonObject{{"version", "1.0"},
                                   {"truncation", nullptr},
                                   {"padding", nullptr},
                                   {"added_tokens", added_tokens(vocab)},
                                   {"normalizer", normalizer},
                                   {"pre_tokenizer", pre_tokenizer(*info)},
                                   {"post_processor", post_processor(vocab)},
                                   {"decoder", byte_level(true)},
                                   {"model", JsonObject{{"type", "BPE"},
                                                        {"dropout", nullptr},
                                                        {"unk_token", nullptr},
                                                        {"continuing_subword_prefix", nullptr},
                                                        {"end_of_word_suffix", nullptr},
                                                        {"fuse_unk", false},
                                                        {"byte_fallback", false},
                                                        {"ignore_merges", info->ignore_merges},
                                                        {"vocab", std::move(ids)},
                                                        {"merges", std::move(lines)}}}};
  return write_json(document, {.indent = 2}) + "\n";
}

}  // namespace bantam
