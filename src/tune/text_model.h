// A model file opened to be taught, or to teach: weights, vocabulary and template, without an
// engine.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "base/result.h"
#include "chat/chat_template.h"
#include "models/decoder.h"
#include "tokenizer/tokenizer.h"

namespace bantam {

// A file, and an adapter of it where that is not empty.
struct ModelName {
  std::filesystem::path model, adapter;
  bool given() const { return !model.empty(); }
};

struct TextModel {
  std::shared_ptr<const WeightFile> file;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;  // none: the file has none
  std::shared_ptr<const Decoder> decoder;     // with the adapter

  const ChatTemplate* template_or_null() const { return chat_template ? &*chat_template : nullptr; }
};

// Errors: those of open_weights(), make_tokenizer(), open_decoder() and of a template that is
// broken.
Result<TextModel> open_text_model(const ModelName& name);

// Whether both say the same with every id, and end with the same ones.
bool same_vocabulary(const Tokenizer& one, const Tokenizer& other);
// kUnsupported "vocabulary_differs" names `path`, the other's file, and the first id that differs.
Result<void> check_same_vocabulary(const Tokenizer& one, const Tokenizer& other,
                                   const std::filesystem::path& path);

}  // namespace bantam
