// A model file, opened: its bytes, its vocabulary and an engine that runs it.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "formats/weight_file.h"
#include "runtime/engine.h"
#include "tokenizer/tokenizer.h"

namespace bantam {

struct LoadedModel {
  std::shared_ptr<const WeightFile> file;
  std::shared_ptr<const Tokenizer> tokenizer;  // null: the file has no vocabulary, ids only
  std::unique_ptr<Engine> engine;
};

// The decoder of `file`, with the adapter that the options name. Errors are those of load_decoder()
// and attach_adapter().
Result<std::shared_ptr<const Decoder>> open_decoder(std::shared_ptr<const WeightFile> file,
                                                    const EngineOptions& options);

// Maps the file, checks it, and is ready to run: the same cost for any size. Errors are those of
// open_weights, open_decoder, make_tokenizer and Engine::create, with the path in front.
Result<LoadedModel> open_model(const std::filesystem::path& path, const EngineOptions& options);

}  // namespace bantam
