#include "runtime/loaded_model.h"

#include <utility>

#include "models/adapter.h"
#include "tokenizer/import.h"

namespace bantam {
namespace {

// What an adapter has added, under the names that a GGUF file of it has.
WeightFile adapter_tensors(const Decoder& decoder) {
  WeightFile file;
  DecoderWeights weights = decoder.weights();
  for_each_linear(weights, [&](const std::string& name, std::int64_t expert, Linear& layer) {
    if (!layer.low_rank.present()) return;
    const std::string prefix = expert < 0 ? name : fmt::format("{} of expert {}", name, expert);
    file.add_tensor(prefix + ".lora_a", layer.low_rank.a);
    file.add_tensor(prefix + ".lora_b", layer.low_rank.b);
    if (layer.low_rank.gain.data != nullptr) file.add_tensor(prefix + ".gain", layer.low_rank.gain);
  });
  return file;
}

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
  auto decoder = TRY(open_decoder(model.file, options));
  if (model.tokenizer != nullptr &&
      model.tokenizer->vocab_size() > static_cast<std::size_t>(decoder->spec().vocab)) {
    return fail(ErrorKind::kMalformed, "architecture_invalid",
                "the vocabulary lists {} tokens, token_embd.weight has {} rows",
                model.tokenizer->vocab_size(), decoder->spec().vocab);
  }
  if (options.check) {
    ThreadPool pool(options.threads, options.placement);
    TRY(check_weights(*model.file, pool, options.check));
    if (!options.adapter.empty())
      TRY(check_weights(adapter_tensors(*decoder), pool, options.check));
  }
  model.engine = TRY(Engine::create(std::move(decoder), options));
  return model;
}

}  // namespace

Result<std::shared_ptr<const Decoder>> open_decoder(std::shared_ptr<const WeightFile> file,
                                                    const EngineOptions& options) {
  auto decoder = TRY(load_decoder(std::move(file)));
  if (options.adapter.empty()) return decoder;
  return attach_adapter(std::move(decoder), options.adapter,
                        options.any_base ? AdapterBase::kAny : AdapterBase::kSame);
}

Result<LoadedModel> open_model(const std::filesystem::path& path, const EngineOptions& options) {
  auto model = open_parts(path, options);
  const auto names = [&](const std::filesystem::path& file) {
    return !file.empty() && model.error().where.find(file.string()) != std::string::npos;
  };
  if (!model && !names(path) && !names(options.adapter)) {
    return std::unexpected(std::move(model).error().in(path.string()));
  }
  return model;
}

}  // namespace bantam
