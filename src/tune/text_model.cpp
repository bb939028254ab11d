#include "tune/text_model.h"

#include <algorithm>

#include "runtime/loaded_model.h"

namespace bantam {
namespace {

// The first id with another meaning; as many as both have if there is none.
std::size_t first_difference(const Tokenizer& one, const Tokenizer& other) {
  const std::size_t both = std::min(one.vocab_size(), other.vocab_size());
  for (std::size_t i = 0; i < both; ++i) {
    const auto id = static_cast<TokenId>(i);
    if (one.piece_bytes(id, true) != other.piece_bytes(id, true) ||
        one.type(id) != other.type(id) ||
        one.specials().ends_generation(id) != other.specials().ends_generation(id))
      return i;
  }
  return both;
}

}  // namespace

Result<TextModel> open_text_model(const ModelName& name) {
  TextModel model{.file = TRY(open_weights(name.model))};
  model.tokenizer = TRY(make_tokenizer(model.file->metadata));
  auto chat = ChatTemplate::from_model(model.file->metadata, *model.tokenizer);
  if (chat) {
    model.chat_template.emplace(std::move(*chat));
  } else if (chat.error().code != "no_template") {
    return std::unexpected(std::move(chat).error().in(name.model.string()));
  }
  model.decoder = TRY(open_decoder(model.file, {.adapter = name.adapter}));
  return model;
}

bool same_vocabulary(const Tokenizer& one, const Tokenizer& other) {
  return one.vocab_size() == other.vocab_size() && first_difference(one, other) == one.vocab_size();
}

Result<void> check_same_vocabulary(const Tokenizer& one, const Tokenizer& other,
                                   const std::filesystem::path& path) {
  if (same_vocabulary(one, other)) return {};
  return std::unexpected(fail(ErrorKind::kUnsupported, "vocabulary_differs",
                              "its {} tokens are not the model's {}: they differ from id {} on",
                              other.vocab_size(), one.vocab_size(), first_difference(one, other))
                             .error()
                             .in(path.string()));
}

}  // namespace bantam
