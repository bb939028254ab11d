#include "runtime/loaded_model.h"

#include <utility>

#include "tokenizer/import.h"

namespace bantam {
namespace {

Result<LoadedModel> open_parts(const std::filesystem::path& path, const EngineOptions& options) {
  LoadedModel model;
  const std::shared_ptr<WeightFile> file = TRY(open_weights(path));
  TRY(canonicalize_tokenizer(file->metadata));
  model.file = file;
  auto tokenizer = make_tokenizer(model.file->metadata);
  if (tokenizer) {
    model.tokenizer = std::move(*tokenizer);
  } else if (tokenizer.error().code != "no_tokenizer") {
    return std::unexpected(std::move(tokenizer).error());
  }
  auto decoder = TRY(load_decoder(model.file));
  if (model.tokenizer != nullptr &&
      model.tokenizer->vocab_size() > static_cast<std::size_t>(decoder->spec().vocab)) {
    return fail(ErrorKind::kMalformed, "architecture_invalid",
                "the vocabulary lists {} tokens, token_embd.weight has {} rows",
                model.tokenizer->vocab_size(), decoder->spec().vocab);
  }
  if (options.check) {
    ThreadPool pool(options.threads, options.placement);
    TRY(check_weights(*model.file, pool, options.check));
  }
  model.engine = TRY(Engine::create(std::move(decoder), options));
  return model;
}

}  // namespace

Result<LoadedModel> open_model(const std::filesystem::path& path, const EngineOptions& options) {
  auto model = open_parts(path, options);
  if (!model && model.error().where.find(path.string()) == std::string::npos) {
    return std::unexpected(std::move(model).error().in(path.string()));
  }
  return model;
}

}  // namespace bantam
