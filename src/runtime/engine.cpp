#include "runtime/engine.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "runtime/logits.h"

namespace bantam {
namespace {

constexpr std::int64_t kScratchBytes = 54 << 20;
constexpr std::int64_t kMinChunk = 16, kMaxChunk = 512;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::uint64_t drawn_seed() {
  std::random_device device;
  // 53 bits, so that a reported seed survives every JSON reader.
  return ((static_cast<std::uint64_t>(device()) << 32) | device()) >> 11;
}

bool ends(const GenerationRequest& request, std::int32_t id) {
  const auto holds = [id](const std::vector<std::int32_t>& ids) {
    return std::ranges::find(ids, id) != ids.end();
  };
  return holds(request.stop.tokens) ||
         (!request.stop.ignore_end_tokens && holds(request.end_tokens));
}

}  // namespace

std::int64_t default_chunk_tokens(const ArchSpec& spec) {
  std::int64_t widest = 0;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& attention = layer.attention;
    const std::int64_t heads = attention.heads + 2 * attention.kv_heads;
    const std::int64_t ffn = layer.ffn_width * std::max<std::int64_t>(1, layer.experts_used);
    widest = std::max(widest, 6 * spec.width + 3 * heads * attention.key_width + 4 * ffn);
  }
  const auto bytes = static_cast<std::int64_t>(sizeof(float)) * widest;
  return std::clamp(kScratchBytes / bytes, kMinChunk, kMaxChunk);
}

Result<std::unique_ptr<Engine>> Engine::create(std::shared_ptr<const Decoder> decoder,
                                               const EngineOptions& options) {
  const KernelTable* kernels = TRY(choose_kernels(options.isa));
  if (options.threads > ThreadPool::kMaxThreads) {
    return fail(ErrorKind::kConfiguration, "threads_invalid",
                "{} threads were asked for; there can be 1 to {}, or 0 for one a usable core",
                options.threads, ThreadPool::kMaxThreads);
  }
  const std::int64_t trained = decoder->spec().context_length;
  const std::int64_t wanted = options.context_length == 0 ? trained : options.context_length;
  if (wanted < 1 || wanted > trained) {
    return fail(ErrorKind::kConfiguration, "context_length_invalid",
                "a context of {} tokens was asked for; this model has 1 to {}", wanted, trained);
  }
  return std::unique_ptr<Engine>(new Engine(std::move(decoder), kernels, options, wanted));
}

Engine::Engine(std::shared_ptr<const Decoder> decoder, const KernelTable* kernels,
               const EngineOptions& options, std::int64_t context_length)
    : decoder_(std::move(decoder)),
      kernels_(kernels),
      context_length_(context_length),
      chunk_tokens_(options.chunk_tokens > 0 ? options.chunk_tokens
                                             : default_chunk_tokens(decoder_->spec())),
      pool_(options.threads, options.placement),
      runner_(*decoder_, *kernels_, pool_, options.kv_type, 1,
              KvLayout::blocks_for(context_length)) {}

std::uint64_t Engine::kv_bytes(std::int64_t tokens) const {
  return static_cast<std::uint64_t>(KvLayout::blocks_for(tokens)) *
         runner_.kv_layout().block_bytes();
}

Result<void> Engine::check_ids(std::span<const std::int32_t> ids) const {
  if (ids.empty()) {
    return fail(ErrorKind::kUsage, "prompt_empty", "the prompt has no tokens");
  }
  if (static_cast<std::int64_t>(ids.size()) > context_length_) {
    return fail(ErrorKind::kUsage, "context_length_exceeded",
                "the prompt has {} tokens and the context holds {}", ids.size(), context_length_);
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= spec().vocab) {
      return fail(ErrorKind::kUsage, "token_out_of_range",
                  "token {} of the prompt is {}; ids go from 0 to {}", i, ids[i], spec().vocab - 1);
    }
  }
  return {};
}

void Engine::keep_prefix(std::int64_t prefix) {
  cached_.resize(static_cast<std::size_t>(prefix));
  runner_.truncate(0, prefix);
}

Result<bool> Engine::advance(std::span<const std::int32_t> ids, bool all_logits,
                             std::stop_token stop, const LogitsSink& sink) {
  const auto total = static_cast<std::int64_t>(ids.size());
  std::vector<std::int32_t> rows;
  for (auto first = static_cast<std::int64_t>(cached_.size()); first < total;) {
    if (stop.stop_requested()) return false;
    const std::int64_t count = next_chunk(total - first, chunk_tokens_);
    const auto chunk =
        ids.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    rows.clear();
    const bool last = first + count == total;
    for (std::int64_t i = all_logits ? 0 : count - 1; i < count && (all_logits || last); ++i) {
      rows.push_back(static_cast<std::int32_t>(i));
    }
    const SequenceStep step{.sequence = 0, .tokens = chunk, .rows = rows};
    const FloatTensor logits = TRY(runner_.step({&step, 1}));
    cached_.insert(cached_.end(), chunk.begin(), chunk.end());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::span row(logits.row(static_cast<std::int64_t>(i)),
                          static_cast<std::size_t>(spec().vocab));
      TRY(check_model_logits(row, first + rows[i]));
      if (!sink(first + rows[i], row)) return false;
    }
    first += count;
  }
  return true;
}

Result<void> Engine::score(std::span<const std::int32_t> ids, bool last_only, std::stop_token stop,
                           const LogitsSink& sink) {
  TRY(check_ids(ids));
  const Turnstile::Turn turn = TRY(turnstile_.enter(stop));
  keep_prefix(0);
  if (!TRY(advance(ids, !last_only, stop, sink)) && stop.stop_requested()) {
    return fail(ErrorKind::kCancelled, "cancelled", "the caller left");
  }
  return {};
}

Result<GenerationResult> Engine::generate(const GenerationRequest& request, std::stop_token stop,
                                          const TokenSink& sink) {
  TRY(check_ids(request.prompt));
  TRY(validate(request.sampling, static_cast<std::size_t>(spec().vocab)));
  TRY(validate(request.stop, static_cast<std::size_t>(spec().vocab)));
  const Clock::time_point arrival = Clock::now();
  const Turnstile::Turn turn = TRY(turnstile_.enter(stop));
  const double queued = seconds_since(arrival);
  GenerationResult result = TRY(generate_in_turn(request, stop, sink));
  result.queue_seconds = queued;
  return result;
}

Result<GenerationResult> Engine::generate_in_turn(const GenerationRequest& request,
                                                  std::stop_token stop, const TokenSink& sink) {
  GenerationResult result;
  result.seed = request.sampling.seed.value_or(0);
  if (!request.sampling.seed && request.sampling.temperature > 0) result.seed = drawn_seed();
  result.prompt_tokens = static_cast<std::int64_t>(request.prompt.size());
  Sampler sampler(*kernels_, request.sampling, result.seed, request.dry_breakers);

  // What is cached counts only up to the last prompt token, whose logits are needed.
  const auto reusable = std::span(request.prompt).first(request.prompt.size() - 1);
  const auto common =
      request.prompt_logprobs ? reusable.begin() : std::ranges::mismatch(reusable, cached_).in1;
  result.cached_tokens = common - reusable.begin();
  keep_prefix(result.cached_tokens);

  std::vector<std::int32_t> ids = request.prompt;
  std::vector<float> logits;
  const LogitsSink keep_last = [&](std::int64_t position, std::span<const float> row) {
    const auto next = static_cast<std::size_t>(position + 1);
    if (request.prompt_logprobs && next < request.prompt.size()) {
      const std::int32_t id = request.prompt[next];
      return sink({.id = id,
                   .from_prompt = true,
                   .choice = token_choice(*kernels_, row, id, request.top_logprobs)});
    }
    logits.assign(row.begin(), row.end());
    return true;
  };

  Clock::time_point start = Clock::now();
  if (request.prompt_logprobs &&
      !sink({.id = ids[0], .from_prompt = true, .choice = std::nullopt})) {
    result.end = GenerationEnd::kSink;
    return result;
  }
  bool running = TRY(advance(ids, request.prompt_logprobs, stop, keep_last));
  result.prompt_seconds = seconds_since(start);
  if (!running) {
    result.end = stop.stop_requested() ? GenerationEnd::kCancelled : GenerationEnd::kSink;
    return result;
  }

  const std::int64_t room = context_length_ - result.prompt_tokens;
  const std::int64_t limit =
      request.stop.max_tokens < 0 ? room : std::min(request.stop.max_tokens, room);
  start = Clock::now();
  result.end = GenerationEnd::kLength;
  while (result.completion_tokens < limit) {
    const TokenChoice choice = TRY(sampler.sample(logits, ids, request.top_logprobs));
    ++result.completion_tokens;
    if (ends(request, choice.id)) {
      result.end = GenerationEnd::kEndToken;
      break;
    }
    ids.push_back(choice.id);
    if (!sink({.id = choice.id, .from_prompt = false, .choice = choice})) {
      result.end = GenerationEnd::kSink;
      break;
    }
    if (result.completion_tokens == limit) break;
    if (stop.stop_requested() || !TRY(advance(ids, false, stop, keep_last))) {
      result.end = GenerationEnd::kCancelled;
      break;
    }
  }
  result.generate_seconds = seconds_since(start);
  return result;
}

}  // namespace bantam
