#include "train/trainer.h"

#include <bit>
#include <chrono>
#include <cmath>
#include <optional>

#include "runtime/finite.h"
#include "train/run_folder.h"
#include "train/shards.h"

namespace bantam {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double weight_of(const Example& example) {
  double sum = 0;
  for (std::size_t i = 1; i < example.weights.size(); ++i)
    sum += static_cast<double>(example.weights[i]);
  return sum;
}

class Trainer {
 public:
  Trainer(const Training& training, const TrainerOptions& options, const TrainerHooks& hooks)
      : t_(training),
        options_(options),
        hooks_(hooks),
        parts_(checkpoint_parts(training.parameters, training.optimizer)),
        sum_(training.kernels) {}

  Result<TrainingResult> run(std::stop_token stop);

 private:
  bool first_rank() const { return t_.exchange.rank() == 0; }

  Result<void> begin();
  Result<void> open_folder();  // rank 0
  Result<void> check_rates() const;
  std::optional<TrainingEnd> end_before_step() const;

  struct Batch {
    std::vector<Example> examples;
    double divisor = 0;  // of the loss
    std::int64_t tokens = 0;
  };
  Result<Batch> draw(std::int64_t step);
  // Gradients and loss of this rank's shards.
  Result<double> accumulate(const Batch& batch);
  // Whether somebody wants to end after it.
  struct Wishes {
    bool stop = false, late = false;
  };
  Result<Wishes> step(std::stop_token stop);
  Result<void> apply(std::int64_t step, StepReport& report);

  Result<void> validate(bool last);
  Result<void> after_step();  // log, validation, checkpoint
  Result<void> write_checkpoint();
  Error numerics(Error error, std::int64_t step) const;

  const Training& t_;
  const TrainerOptions& options_;
  const TrainerHooks& hooks_;
  std::vector<CheckpointPart> parts_;
  ShardSum sum_;
  std::optional<RunFolder> folder_;
  RunState state_;
  StepReport last_;
  Result<void> problem_;  // of this rank, that the others do not know of yet
  std::int64_t resumed_step_ = 0, checkpoint_step_ = -1, validated_step_ = 0;
  double resumed_seconds_ = 0;
  Clock::time_point start_ = Clock::now(), checkpoint_time_ = Clock::now();
};

Result<void> Trainer::open_folder() {
  folder_.emplace(TRY(RunFolder::open(options_.folder)));
  auto loaded = load_checkpoint(folder_->checkpoint(), options_.run_digest, parts_);
  if (loaded) {
    state_ = *loaded;
    checkpoint_step_ = state_.step;
  } else if (loaded.error().code != "file_not_found") {
    return std::unexpected(std::move(loaded).error());
  }
  TRY(folder_->rewind_log(state_.step));
  return check_rates();
}

// That the steps taken are those that this schedule would have had.
Result<void> Trainer::check_rates() const {
  std::int64_t step = 0;
  for (const Json& line : TRY(read_log(folder_->log()))) {
    const auto* rate = line.as_object().if_contains("rate");
    if (rate == nullptr) continue;
    const auto now = static_cast<double>(t_.schedule.rate(++step));
    if (!rate->is_number() || rate->to_number<double>() != now)
      return std::unexpected(
          fail(ErrorKind::kConfiguration, "checkpoint_other_run",
               "the folder holds a run whose step {} had a rate of {}; this schedule has {}", step,
               write_json(*rate), now)
              .error()
              .with_hint("only before the rate falls can a run become longer or shorter"));
  }
  if (step == state_.step) return {};
  return fail(ErrorKind::kMalformed, "log_invalid",
              "{}: expected a line for each of {} steps, found {}", folder_->log().string(),
              state_.step, step);
}

Result<void> Trainer::begin() {
  const std::int64_t ranks = t_.exchange.ranks();
  if (!std::has_single_bit(static_cast<std::uint64_t>(options_.shards)) || options_.shards < ranks)
    return fail(ErrorKind::kConfiguration, "shards_invalid",
                "{} shards cannot be shared out to {} ranks: expected a power of two, at least as "
                "many",
                options_.shards, ranks);
  TRY(t_.exchange.agree(first_rank() ? open_folder() : Result<void>()));
  TRY(t_.exchange.broadcast(std::as_writable_bytes(std::span(&state_, 1))));
  for (const CheckpointPart& part : parts_) TRY(t_.exchange.broadcast(part.bytes));
  resumed_step_ = state_.step;
  resumed_seconds_ = state_.seconds;
  return {};
}

std::optional<TrainingEnd> Trainer::end_before_step() const {
  if (state_.step >= t_.schedule.steps) return TrainingEnd::kDone;
  if (options_.patience > 0 && state_.since_best >= options_.patience)
    return TrainingEnd::kEarlyStop;
  return std::nullopt;
}

Result<Trainer::Batch> Trainer::draw(std::int64_t step) {
  Batch batch{.examples = TRY(t_.batches.batch(step))};
  const std::int64_t group = t_.objective.group();
  const auto groups = static_cast<std::int64_t>(batch.examples.size()) / group;
  double weight = 0;
  for (const Example& example : batch.examples) {
    weight += weight_of(example);
    batch.tokens += static_cast<std::int64_t>(example.ids.size());
  }
  const double divisor = options_.mean == LossMean::kTokens ? weight : static_cast<double>(groups);
  if (!(divisor > 0) || !std::isfinite(divisor))
    return fail(ErrorKind::kMalformed, "batch_empty",
                "the batch of step {} has {} examples whose weights sum to {}: nothing to learn",
                step, batch.examples.size(), divisor);
  batch.divisor = divisor;
  return batch;
}

Result<double> Trainer::accumulate(const Batch& batch) {
  const auto shards = cut_shards(batch.examples, t_.objective.group(), options_.shards);
  const std::int64_t mine = options_.shards / t_.exchange.ranks();
  std::vector<double> losses;
  for (std::int64_t s = t_.exchange.rank() * mine; s < (t_.exchange.rank() + 1) * mine; ++s) {
    t_.parameters.zero_gradients();
    double loss = 0;
    for (const ExampleLoss& one : TRY(t_.learner.accumulate(shards[static_cast<std::size_t>(s)],
                                                            t_.objective, 1 / batch.divisor)))
      loss += one.loss;
    losses.push_back(loss);
    if (mine > 1) sum_.add(t_.parameters.gradients());
  }
  if (mine > 1) sum_.take(t_.parameters.gradients());
  return sum_of_shards(losses);
}

Error Trainer::numerics(Error error, std::int64_t step) const {
  const std::string kept = checkpoint_step_ > 0
                               ? fmt::format("the checkpoint of step {} is kept", checkpoint_step_)
                               : std::string("there was no checkpoint yet");
  return std::move(error)
      .in(fmt::format("step {}", step))
      .with_hint(kept + "; try a lower learning rate, or look at that row");
}

Result<void> Trainer::apply(std::int64_t step, StepReport& report) {
  report.gradient_norm = t_.parameters.gradient_norm(t_.kernels);
  if (!std::isfinite(report.gradient_norm))
    return fail(ErrorKind::kInternal, "model_numerics", "the gradient's norm is {}",
                report.gradient_norm);
  const auto clip = static_cast<double>(options_.clip);
  const double scale = clip > 0 && report.gradient_norm > clip ? clip / report.gradient_norm : 1;
  const float rate = t_.schedule.rate(step);
  report.rate = static_cast<double>(rate);
  t_.optimizer.step(step, rate, static_cast<float>(scale));
  return {};
}

Result<Trainer::Wishes> Trainer::step(std::stop_token stop) {
  const std::int64_t number = state_.step + 1;
  Batch batch;
  double loss = 0;
  const Result<void> computed = [&]() -> Result<void> {
    TRY(problem_);
    batch = TRY(draw(number));
    loss = TRY(accumulate(batch));
    return {};
  }();
  const double late =
      options_.seconds > 0 && resumed_seconds_ + seconds_since(start_) >= options_.seconds;
  double all[] = {loss, computed ? 0.0 : 1.0, stop.stop_requested() ? 1.0 : 0.0, late};
  const auto told = t_.exchange.add(std::span(all));
  if (!computed) {
    Error error = computed.error();
    if (error.code == "model_numerics") error = numerics(std::move(error), number);
    return std::unexpected(std::move(error));
  }
  TRY(told);
  if (all[1] > 0)
    return fail(ErrorKind::kUnavailable, "peer_failed",
                "step {}: another rank of this run failed; it says why", number);
  TRY(t_.exchange.add(t_.parameters.gradients()));

  last_ = {.step = number, .steps = t_.schedule.steps, .loss = all[0] / batch.divisor};
  if (const auto applied = apply(number, last_); !applied)
    return std::unexpected(numerics(applied.error(), number));
  state_.step = number;
  state_.tokens += batch.tokens;
  state_.seconds = resumed_seconds_ + seconds_since(start_);
  last_.tokens = state_.tokens;
  last_.seconds = state_.seconds;
  last_.best_step = state_.best_step;
  last_.best_score = state_.best_score;
  last_.seconds_left = (state_.seconds - resumed_seconds_) /
                       static_cast<double>(number - resumed_step_) *
                       static_cast<double>(t_.schedule.steps - number);
  if (options_.seconds > 0)
    last_.seconds_left =
        std::min(last_.seconds_left, std::max(0.0, options_.seconds - state_.seconds));
  return Wishes{.stop = all[2] > 0, .late = all[3] > 0};
}

Result<void> Trainer::validate(bool last) {
  validated_step_ = state_.step;
  t_.learner.refresh();
  if (!hooks_.validate) return last && first_rank() && hooks_.save ? hooks_.save() : Result<void>();
  const double score = TRY(hooks_.validate());
  if (!std::isfinite(score))
    return fail(ErrorKind::kInternal, "model_numerics", "the validation's score is {}", score);
  const bool best = state_.best_step == 0 || score > state_.best_score;
  if (best) {
    state_.best_step = state_.step;
    state_.best_score = score;
    state_.since_best = 0;
  } else {
    ++state_.since_best;
  }
  if (!first_rank()) return {};
  if (best && hooks_.save) TRY(hooks_.save());
  JsonObject line{{"step", state_.step}, {"validation", score}, {"best", best}};
  if (hooks_.details)
    for (const auto& member : hooks_.details()) line[member.key()] = member.value();
  return folder_->write_log(line);
}

Result<void> Trainer::write_checkpoint() {
  if (const auto at = first_not_finite(t_.parameters.values()))
    return fail(ErrorKind::kInternal, "model_numerics", "parameter {} of {} is {}", *at,
                t_.parameters.values().size(), t_.parameters.values()[*at]);
  TRY(save_checkpoint(folder_->checkpoint(), state_, options_.run_digest, parts_));
  checkpoint_step_ = state_.step;
  checkpoint_time_ = Clock::now();
  return {};
}

Result<void> Trainer::after_step() {
  if (first_rank()) {
    TRY(folder_->write_log({{"step", last_.step},
                            {"loss", last_.loss},
                            {"gradient_norm", last_.gradient_norm},
                            {"rate", last_.rate},
                            {"tokens", last_.tokens},
                            {"seconds", last_.seconds}}));
    if (hooks_.progress) hooks_.progress(last_);
  }
  const bool last = state_.step == t_.schedule.steps;
  if (last || (options_.validate_every > 0 && state_.step % options_.validate_every == 0))
    TRY(validate(last));
  if (first_rank() && seconds_since(checkpoint_time_) >= options_.checkpoint_seconds)
    TRY(write_checkpoint());
  return {};
}

Result<TrainingResult> Trainer::run(std::stop_token stop) {
  TRY(begin());
  std::optional<TrainingEnd> end = end_before_step();
  if (!end && options_.seconds > 0 && state_.seconds >= options_.seconds) end = TrainingEnd::kTime;
  while (!end) {
    const Wishes wishes = TRY(step(stop));
    problem_ = after_step();
    end = end_before_step();
    if (!end && wishes.stop) end = TrainingEnd::kStopped;
    if (!end && wishes.late) end = TrainingEnd::kTime;
  }
  if (end == TrainingEnd::kTime && problem_ && last_.step > validated_step_)
    problem_ = validate(true);
  TRY(t_.exchange.agree(problem_));
  if (first_rank() && checkpoint_step_ != state_.step) TRY(write_checkpoint());
  return TrainingResult{.end = *end, .state = state_, .last = last_};
}

}  // namespace

std::string_view training_end_name(TrainingEnd end) {
  constexpr std::string_view kNames[] = {"done", "early_stop", "time", "stopped"};
  return kNames[static_cast<std::size_t>(end)];
}

Result<TrainingResult> train(const Training& training, const TrainerOptions& options,
                             const TrainerHooks& hooks, std::stop_token stop) {
  return Trainer(training, options, hooks).run(std::move(stop));
}

}  // namespace bantam
