// A ChatModel that runs a model file on this machine.
//
// messages → the model's template → token ids → engine → text, stop strings cut, characters whole.
#pragma once

#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "chat/chat_model.h"
#include "chat/chat_template.h"
#include "runtime/loaded_model.h"

namespace bantam {

struct LocalChatOptions {
  EngineOptions engine;
  std::string name;                          // what name() answers; empty: the file's stem, and
                                             // the adapter's after a colon
  std::optional<std::string> template_text;  // instead of the model's own template
  std::optional<std::tm> now;  // what templates are told of the time; absent: the time
};

// Thread safe. Each request gets the same bits whatever came before it.
class LocalChat final : public ChatModel {
 public:
  // Errors of open_model(). A model without a template, or with a broken one, opens all the same:
  // requests with messages then fail with the template's error, and raw prompts work.
  static Result<std::shared_ptr<LocalChat>> open(const std::filesystem::path& path,
                                                 const LocalChatOptions& options);

  Result<void> answer(const ChatRequest& request, std::stop_token stop,
                      const EventSink& sink) override;
  std::string_view name() const override { return name_; }
  std::int64_t context_length() const override { return model_.engine->context_length(); }

  const LoadedModel& model() const { return model_; }
  // Null if there is none that works; template_error() then says why.
  const ChatTemplate* chat_template() const {
    return template_.has_value() ? &*template_ : nullptr;
  }

  // The ids that answer() would run: of the messages through the template, of the raw prompt with
  // the model's own BOS and special tokens parsed, or those given.
  Result<std::vector<std::int32_t>> prompt_ids(const ChatRequest& request) const;

 private:
  LocalChat(std::string name, LoadedModel model, Result<ChatTemplate> chat_template,
            std::optional<std::tm> now);

  std::string name_;
  LoadedModel model_;
  Result<ChatTemplate> template_;
  std::optional<std::tm> now_;
};

}  // namespace bantam
