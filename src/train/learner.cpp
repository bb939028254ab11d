#include "train/learner.h"

#include <algorithm>
#include <cmath>

#include "runtime/kv_pool.h"

namespace bantam {
namespace {

// Some examples as one step of the decoder.
struct MicroBatch {
  std::int64_t first = 0, count = 0;  // examples
  std::vector<std::int32_t> tokens, rows;
  std::vector<std::int64_t> positions;
  std::vector<SequenceRows> sequences;
  std::vector<RowTarget> targets;  // one a row

  Batch view() const { return {tokens, positions, sequences}; }
};

// Rows that predict something: all, or those whose target has a weight.
MicroBatch pack(std::span<const Example> examples, std::int64_t first, std::int64_t count,
                bool all) {
  MicroBatch batch{.first = first, .count = count};
  for (std::int64_t e = first; e < first + count; ++e) {
    const Example& example = examples[static_cast<std::size_t>(e)];
    // The last token is predicted and predicts nothing.
    const std::size_t length = example.ids.size() - 1;
    const auto start = static_cast<std::int64_t>(batch.tokens.size());
    batch.sequences.push_back(
        {.first_row = start, .count = static_cast<std::int64_t>(length), .first_position = 0});
    for (std::size_t i = 0; i < length; ++i) {
      batch.tokens.push_back(example.ids[i]);
      batch.positions.push_back(static_cast<std::int64_t>(i));
      const float weight = all ? 1.0F : example.weights[i + 1];
      if (weight == 0.0F) continue;
      batch.rows.push_back(static_cast<std::int32_t>(start + static_cast<std::int64_t>(i)));
      batch.targets.push_back({.example = e,
                               .position = static_cast<std::int64_t>(i) + 1,
                               .id = example.ids[i + 1],
                               .weight = static_cast<double>(weight)});
    }
  }
  return batch;
}

std::unexpected<Error> invalid(std::size_t index, const Example& example, std::string message) {
  return std::unexpected(Error{.kind = ErrorKind::kMalformed,
                               .code = "example_invalid",
                               .message = std::move(message),
                               .where = fmt::format("example {} (row {})", index, example.source),
                               .hint = {}});
}

}  // namespace

struct Learner::State {
  State(const Decoder& model, Parameters& trained, const KernelTable& table, ThreadPool& threads,
        const LearnerOptions& wishes)
      : decoder(model),
        parameters(trained),
        kernels(table),
        pool(threads),
        options(wishes),
        layout(kv_layout(model.spec(), wishes.kv_type)),
        tape(table, threads, arena, trained,
             {.forgotten_scopes = wishes.forgotten_layers, .mode = wishes.mode}),
        forward(table, threads, arena, wishes.mode),
        head({table, threads, arena, trained, wishes.mode}, model.weights().head) {}

  Result<void> check(std::span<const Example> examples) const;
  // Examples [first, …) of the next micro-batch: whole groups, as many as fit.
  std::int64_t fitting(std::span<const Example> examples, std::int64_t first,
                       std::int64_t group) const;
  // Gives each sequence of the batch a cache.
  Result<void> make_room(MicroBatch& batch);
  Result<void> learn(MicroBatch& batch, std::span<const Example> examples, Objective& objective,
                     double scale, std::vector<ExampleLoss>& losses);
  std::vector<std::optional<double>> weigh(MicroBatch& batch, std::span<const Example> examples,
                                           const FloatTensor& hidden, Objective& objective);

  const Decoder& decoder;
  Parameters& parameters;
  const KernelTable& kernels;
  ThreadPool& pool;
  LearnerOptions options;
  KvLayout layout;
  std::unique_ptr<KvPool> blocks;
  std::vector<KvSequence> caches;
  Arena arena;
  TapeOps tape;
  CpuOps forward;
  HeadLoss head;
};

Learner::Learner(const Decoder& decoder, Parameters& parameters, const KernelTable& kernels,
                 ThreadPool& pool, const LearnerOptions& options)
    : state_(std::make_unique<State>(decoder, parameters, kernels, pool, options)) {}
Learner::~Learner() = default;

Result<void> Learner::State::check(std::span<const Example> examples) const {
  const ArchSpec& spec = decoder.spec();
  for (std::size_t e = 0; e < examples.size(); ++e) {
    const Example& example = examples[e];
    if (example.ids.size() < 2 || example.ids.size() != example.weights.size())
      return invalid(e, example,
                     fmt::format("{} ids and {} weights; there are at least two, one weight an id",
                                 example.ids.size(), example.weights.size()));
    if (static_cast<std::int64_t>(example.ids.size()) > spec.context_length)
      return invalid(e, example,
                     fmt::format("{} tokens, and the model's context holds {}", example.ids.size(),
                                 spec.context_length));
    for (const std::int32_t id : example.ids)
      if (id < 0 || id >= spec.vocab)
        return invalid(e, example,
                       fmt::format("id {}; the model's go from 0 to {}", id, spec.vocab - 1));
  }
  return {};
}

std::int64_t Learner::State::fitting(std::span<const Example> examples, std::int64_t first,
                                     std::int64_t group) const {
  const auto total = static_cast<std::int64_t>(examples.size());
  std::int64_t count = 0, tokens = 0;
  while (first + count < total) {
    std::int64_t more = 0;
    for (std::int64_t e = 0; e < group; ++e)
      more += static_cast<std::int64_t>(
          examples[static_cast<std::size_t>(first + count + e)].ids.size());
    if (count > 0 && tokens + more > options.micro_tokens) break;
    tokens += more;
    count += group;
  }
  return count;
}

Result<void> Learner::State::make_room(MicroBatch& batch) {
  std::int64_t needed = 0;
  for (const SequenceRows& rows : batch.sequences) needed += KvLayout::blocks_for(rows.count);
  for (KvSequence& cache : caches) blocks->release(cache, 0);
  caches.clear();
  if (blocks == nullptr || blocks->capacity() < needed)
    blocks = std::make_unique<KvPool>(layout, needed);
  caches.reserve(batch.sequences.size());
  for (SequenceRows& rows : batch.sequences) {
    caches.emplace_back(layout);
    TRY(blocks->reserve(caches.back(), rows.count));
    rows.kv = &caches.back();
  }
  return {};
}

std::vector<std::optional<double>> Learner::State::weigh(MicroBatch& batch,
                                                         std::span<const Example> examples,
                                                         const FloatTensor& hidden,
                                                         Objective& objective) {
  const auto mine = examples.subspan(static_cast<std::size_t>(batch.first),
                                     static_cast<std::size_t>(batch.count));
  std::vector<std::vector<float>> weights;
  std::vector<std::vector<double>> logprobs(mine.size());
  for (const Example& example : mine) weights.push_back(example.weights);
  const auto index = [&](const RowTarget& target) {
    return static_cast<std::size_t>(target.example - batch.first);
  };
  if (objective.needs_logprobs()) {
    for (std::size_t e = 0; e < mine.size(); ++e) logprobs[e].resize(mine[e].ids.size() - 1);
    const std::vector<double> rows = head.logprobs(hidden, batch.targets);
    for (std::size_t r = 0; r < rows.size(); ++r)
      logprobs[index(batch.targets[r])][static_cast<std::size_t>(batch.targets[r].position - 1)] =
          rows[r];
  }
  std::vector<std::optional<double>> losses;
  const auto group = static_cast<std::size_t>(objective.group());
  for (std::size_t e = 0; e < mine.size(); e += group)
    losses.push_back(objective.weigh(mine.subspan(e, group), std::span(logprobs).subspan(e, group),
                                     std::span(weights).subspan(e, group)));
  for (RowTarget& target : batch.targets)
    target.weight =
        static_cast<double>(weights[index(target)][static_cast<std::size_t>(target.position)]);
  return losses;
}

Result<void> Learner::State::learn(MicroBatch& batch, std::span<const Example> examples,
                                   Objective& objective, double scale,
                                   std::vector<ExampleLoss>& losses) {
  TRY(make_room(batch));
  tape.reset();
  arena.reset();
  const FloatTensor hidden = decoder.hidden(tape, batch.view(), batch.rows);
  const std::vector<std::optional<double>> of_groups = weigh(batch, examples, hidden, objective);
  for (RowTarget& target : batch.targets) target.weight *= scale;
  TRY(objective.begin(examples, batch.targets));
  const FloatTensor d_hidden = arena.alloc_floats(hidden.shape);
  std::ranges::fill(d_hidden.values(), 0.0F);
  const std::vector<RowLoss> rows = head.backward(hidden, batch.targets, objective, d_hidden);

  const auto group = objective.group();
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const RowTarget& target = batch.targets[r];
    ExampleLoss& loss = losses[static_cast<std::size_t>(target.example)];
    const auto weight =
        static_cast<double>(examples[static_cast<std::size_t>(target.example)]
                                .weights[static_cast<std::size_t>(target.position)]);
    loss.nll += weight * -rows[r].logprob;
    loss.weight += weight;
    // Of a group, with its first example.
    const std::int64_t first = target.example - (target.example - batch.first) % group;
    if (!of_groups[static_cast<std::size_t>((first - batch.first) / group)])
      losses[static_cast<std::size_t>(first)].loss += rows[r].loss / scale;
  }
  for (std::size_t g = 0; g < of_groups.size(); ++g)
    if (of_groups[g])
      losses[static_cast<std::size_t>(batch.first + static_cast<std::int64_t>(g) * group)].loss =
          *of_groups[g];
  for (std::int64_t e = batch.first; e < batch.first + batch.count; ++e) {
    const ExampleLoss& loss = losses[static_cast<std::size_t>(e)];
    if (!std::isfinite(loss.loss) || !std::isfinite(loss.nll))
      return fail(ErrorKind::kInternal, "model_numerics",
                  "the loss of example {} (row {}) is {}: a weight or a value overflowed", e,
                  examples[static_cast<std::size_t>(e)].source, loss.nll);
  }
  tape.backward(hidden, d_hidden);
  return {};
}

Result<std::vector<ExampleLoss>> Learner::accumulate(std::span<const Example> examples,
                                                     Objective& objective, double scale) {
  TRY(state_->check(examples));
  CHECK(static_cast<std::int64_t>(examples.size()) % objective.group() == 0);
  refresh();
  std::vector<ExampleLoss> losses(examples.size());
  for (std::size_t e = 0; e < examples.size(); ++e)
    losses[e].tokens = static_cast<std::int64_t>(examples[e].ids.size());
  for (std::int64_t first = 0; first < static_cast<std::int64_t>(examples.size());) {
    const std::int64_t count = state_->fitting(examples, first, objective.group());
    MicroBatch batch = pack(examples, first, count, false);
    if (!batch.rows.empty()) TRY(state_->learn(batch, examples, objective, scale, losses));
    first += count;
  }
  state_->parameters.join(state_->kernels);
  return losses;
}

Result<std::vector<std::vector<double>>> Learner::logprobs(std::span<const Example> examples) {
  TRY(state_->check(examples));
  refresh();
  std::vector<std::vector<double>> all(examples.size());
  for (std::int64_t first = 0; first < static_cast<std::int64_t>(examples.size());) {
    const std::int64_t count = state_->fitting(examples, first, 1);
    MicroBatch batch = pack(examples, first, count, true);
    TRY(state_->make_room(batch));
    state_->arena.reset();
    const FloatTensor hidden = state_->decoder.hidden(state_->forward, batch.view(), batch.rows);
    const std::vector<double> rows = state_->head.logprobs(hidden, batch.targets);
    for (std::size_t r = 0; r < rows.size(); ++r)
      all[static_cast<std::size_t>(batch.targets[r].example)].push_back(rows[r]);
    first += count;
  }
  return all;
}

void Learner::refresh() { state_->parameters.refresh(state_->pool); }

std::uint64_t Learner::bytes() const {
  const std::uint64_t kv =
      state_->blocks == nullptr
          ? 0
          : static_cast<std::uint64_t>(state_->blocks->made()) * state_->layout.block_bytes();
  return kv + state_->arena.capacity() + state_->tape.bytes();
}

}  // namespace bantam
