// Runs one model: token ids in, logits or sampled token ids out.
//
// Requests are answered one at a time in order of arrival, on the calling thread with the engine's
// pool. The engine remembers the tokens whose keys and values it holds; a request that begins with
// the same tokens does not compute them again, and gets the same bits as if it had.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "models/decoder.h"
#include "runtime/batch_runner.h"
#include "runtime/sampler.h"
#include "runtime/sampling.h"
#include "runtime/turnstile.h"
#include "runtime/weight_check.h"

namespace bantam {

struct EngineOptions {
  std::size_t threads = 0;  // 0: one a usable core; at most ThreadPool::kMaxThreads
  ThreadPool::Placement placement = ThreadPool::Placement::kFree;
  std::string isa;                  // "": the best there is; see choose_kernels()
  KvType kv_type;                   // of keys and values
  std::int64_t context_length = 0;  // tokens a request may have in all; 0: what the model says
  std::int64_t chunk_tokens = 0;    // prompt tokens a step; 0: default_chunk_tokens()
  // For open_decoder() and what opens models with it (models/adapter.h). "": none.
  std::filesystem::path adapter = {};
  bool any_base = false;  // the adapter may have been made for other weights
  // Not empty: open_model() checks every weight (runtime/weight_check.h) and tells how far it is.
  WeightProgress check;
};

// Most prompt tokens of a step: one layer's activations take about 54 MiB then.
std::int64_t default_chunk_tokens(const ArchSpec& spec);

struct GenerationRequest {
  std::vector<std::int32_t> prompt;
  SamplingOptions sampling;
  StopOptions stop;                      // strings are matched above (chat/local_chat.h)
  std::vector<std::int32_t> end_tokens;  // the model's own
  std::vector<std::vector<std::int32_t>> dry_breakers;  // tokens of sampling.dry_breakers
  int top_logprobs = -1;                                // negative: none
  bool prompt_logprobs = false;
};

enum class GenerationEnd : std::uint8_t { kEndToken, kLength, kSink, kCancelled };

struct GenerationResult {
  GenerationEnd end = GenerationEnd::kEndToken;
  std::uint64_t seed = 0;  // that was used
  std::int64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
  double queue_seconds = 0, prompt_seconds = 0, generate_seconds = 0;
};

// Called for each token in order: those of the prompt first if prompt_logprobs is set (the first
// has no log-probability), then each sampled one except an end token. False ends the generation.
struct TokenEvent {
  std::int32_t id = 0;
  bool from_prompt = false;
  std::optional<TokenChoice> choice;
};
using TokenSink = std::function<bool(const TokenEvent&)>;

// Called with the logits (V) after each position in order. False ends the scoring.
using LogitsSink = std::function<bool(std::int64_t position, std::span<const float> logits)>;

// Thread safe.
class Engine {
 public:
  // Errors: kConfiguration for options that this model or machine cannot have.
  static Result<std::unique_ptr<Engine>> create(std::shared_ptr<const Decoder> decoder,
                                                const EngineOptions& options);

  // Errors: "prompt_empty", "token_out_of_range", "context_length_exceeded", "invalid_param",
  // "model_numerics" (a logit is not a finite number), "cancelled" (only while waiting for its
  // turn).
  Result<GenerationResult> generate(const GenerationRequest& request, std::stop_token stop,
                                    const TokenSink& sink);

  // The logits after every token of `ids`, or only after the last one. Errors as generate().
  Result<void> score(std::span<const std::int32_t> ids, bool last_only, std::stop_token stop,
                     const LogitsSink& sink);

  const ArchSpec& spec() const { return decoder_->spec(); }
  const Decoder& decoder() const { return *decoder_; }
  std::int64_t context_length() const { return context_length_; }
  const KernelTable& kernels() const { return *kernels_; }
  std::size_t threads() const { return pool_.size(); }
  // Bytes of keys and values for a context of `tokens`.
  std::uint64_t kv_bytes(std::int64_t tokens) const;
  // Requests running and waiting.
  std::size_t queue_length() const { return turnstile_.size(); }

 private:
  Engine(std::shared_ptr<const Decoder> decoder, const KernelTable* kernels,
         const EngineOptions& options, std::int64_t context_length);

  Result<void> check_ids(std::span<const std::int32_t> ids) const;
  // Drops cached tokens past `prefix`; what remains of the cache is [0, prefix).
  void keep_prefix(std::int64_t prefix);
  // Computes tokens [cached, ids.size()) in chunks; `sink` sees the logits of the last row, or of
  // all rows. False if the sink or `stop` ended it.
  Result<bool> advance(std::span<const std::int32_t> ids, bool all_logits, std::stop_token stop,
                       const LogitsSink& sink);
  Result<GenerationResult> generate_in_turn(const GenerationRequest& request, std::stop_token stop,
                                            const TokenSink& sink);

  std::shared_ptr<const Decoder> decoder_;
  const KernelTable* kernels_;
  std::int64_t context_length_;
  std::int64_t chunk_tokens_;
  Turnstile turnstile_;
  // Below: only in turn.
  ThreadPool pool_;
  BatchRunner runner_;                // of one sequence
  std::vector<std::int32_t> cached_;  // the ids that it holds
};

}  // namespace bantam
