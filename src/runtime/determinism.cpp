#include "runtime/determinism.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <span>

#include "base/random.h"
#include "runtime/batch_runner.h"
#include "runtime/logits.h"

namespace bantam {
namespace {

constexpr std::int64_t kEvery = 8;  // logits are looked at after every n-th token

// What a proof is made of; sorted by length, the long one last.
struct Plan {
  std::vector<std::vector<std::int32_t>> prompts;
  std::int64_t generated = 0;
};

Plan make_plan(const ArchSpec& spec, const DeterminismOptions& options) {
  Plan plan{.prompts = {}, .generated = options.quick ? 3 : 4};
  const std::int64_t context = options.context > 0 ? options.context : spec.context_length;
  const std::int64_t longest = std::max<std::int64_t>(1, context - plan.generated);
  const std::int64_t count = options.quick ? 8 : 32;
  for (std::int64_t i = 0; i < count; ++i) {
    // From 5 to 67 tokens, past a chunk of 64 and two blocks of keys and values; a full proof has
    // one that is longer than a chunk of 512.
    std::int64_t length = 5 + 62 * i / (count - 1);
    if (!options.quick && i == count - 1) length = 530;
    Random random(1, static_cast<std::uint64_t>(i));
    plan.prompts.emplace_back();
    for (std::int64_t t = 0; t < std::min(length, longest); ++t)
      plan.prompts.back().push_back(
          static_cast<std::int32_t>(random.next_below(static_cast<std::uint64_t>(spec.vocab))));
  }
  return plan;
}

struct Row {
  std::int64_t position = 0;
  std::uint64_t hash = 0;
};

// What is left of one prompt's run.
struct Trace {
  std::vector<std::int32_t> generated;
  std::vector<Row> rows;
};

// FNV-1a over the bit patterns.
constexpr std::uint64_t kHashStart = 0xcbf2'9ce4'8422'2325u;
std::uint64_t hash_in(std::uint64_t hash, std::uint64_t bits) {
  return (hash ^ bits) * 0x100'0000'01b3u;
}
std::uint64_t hash_of(std::span<const float> row) {
  std::uint64_t hash = kHashStart;
  for (const float value : row) hash = hash_in(hash, std::bit_cast<std::uint32_t>(value));
  return hash;
}

// Gets every row of logits that is looked at; false ends the run.
using RowSink = std::function<bool(std::size_t prompt, const Row& row, std::span<const float>)>;

// The prompts [first, first + count) on one runner, in steps.
class Group {
 public:
  Group(const Plan& plan, const DeterminismSetting& setting, const KernelTable& kernels,
        BatchRunner& runner, std::size_t first, std::size_t count)
      : plan_(plan), setting_(setting), kernels_(kernels), runner_(runner), first_(first) {
    for (std::size_t i = 0; i < count; ++i) ids_.push_back(plan.prompts[first + i]);
    rows_.resize(count);
  }

  // False if the sink ended it.
  Result<bool> run(std::vector<Trace>& traces, const RowSink& sink) {
    if (setting_.reused_prefix) TRY(leave_prefixes());
    for (make_steps(); !steps_.empty(); make_steps()) {
      const FloatTensor logits = TRY(runner_.step(steps_));
      std::int64_t row = 0;
      for (const SequenceStep& step : steps_) {
        const std::int64_t begin =
            runner_.length(step.sequence) - static_cast<std::int64_t>(step.tokens.size());
        for (const std::int32_t at : step.rows) {
          const std::span values(logits.row(row++), static_cast<std::size_t>(logits.shape.last()));
          TRY(check_model_logits(values, begin + at));
          if (!see(step.sequence, begin + at, values, traces, sink)) return false;
        }
      }
    }
    return true;
  }

 private:
  // Half of each prompt, after another request that began with it was taken back.
  Result<void> leave_prefixes() {
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      const auto kept = static_cast<std::ptrdiff_t>(ids_[i].size() / 2);
      std::vector<std::int32_t> other = ids_[i];
      std::reverse(other.begin() + kept, other.end());
      const SequenceStep step{.sequence = i, .tokens = other, .rows = {}};
      TRY(runner_.step({&step, 1}));
      runner_.truncate(i, kept);
    }
    return {};
  }

  // What every prompt that is not done does next.
  void make_steps() {
    steps_.clear();
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      const std::int64_t begin = runner_.length(i);
      const auto all = static_cast<std::int64_t>(ids_[i].size());
      const std::int64_t end = std::min(begin + setting_.chunk, all);
      if (begin == end) continue;
      rows_[i].clear();
      for (std::int64_t at = begin; at < end; ++at) {
        if (at % kEvery == kEvery - 1 || at == all - 1)
          rows_[i].push_back(static_cast<std::int32_t>(at - begin));
      }
      steps_.push_back({.sequence = i,
                        .tokens = std::span(ids_[i]).subspan(static_cast<std::size_t>(begin),
                                                             static_cast<std::size_t>(end - begin)),
                        .rows = rows_[i]});
    }
  }

  bool see(std::size_t sequence, std::int64_t position, std::span<const float> values,
           std::vector<Trace>& traces, const RowSink& sink) {
    Trace& trace = traces[first_ + sequence];
    trace.rows.push_back({position, hash_of(values)});
    std::vector<std::int32_t>& ids = ids_[sequence];
    if (position + 1 == static_cast<std::int64_t>(ids.size()) &&
        static_cast<std::int64_t>(trace.generated.size()) < plan_.generated) {
      ids.push_back(static_cast<std::int32_t>(
          kernels_.argmax(values.data(), static_cast<std::int64_t>(values.size()))));
      trace.generated.push_back(ids.back());
    }
    return sink(first_ + sequence, trace.rows.back(), values);
  }

  const Plan& plan_;
  const DeterminismSetting& setting_;
  const KernelTable& kernels_;
  BatchRunner& runner_;
  std::size_t first_;
  std::vector<std::vector<std::int32_t>> ids_;   // of each sequence: prompt and continuation
  std::vector<std::vector<std::int32_t>> rows_;  // what steps_ points to
  std::vector<SequenceStep> steps_;
};

class Prover {
 public:
  Prover(const Decoder& decoder, const DeterminismOptions& options,
         const internal::KernelChooser& choose)
      : decoder_(decoder),
        options_(options),
        choose_(choose),
        plan_(make_plan(decoder.spec(), options)) {}

  std::size_t prompts() const { return plan_.prompts.size(); }

  Result<void> make_reference(const DeterminismSetting& setting) {
    reference_setting_ = setting;
    reference_.resize(prompts());
    TRY(run(setting, 0, prompts(), reference_,
            [](std::size_t, const Row&, std::span<const float>) { return true; }));
    return {};
  }

  Result<DeterminismOutcome> compare(const DeterminismSetting& setting) {
    DeterminismOutcome outcome{.setting = setting};
    std::vector<float> found;
    DeterminismDifference difference;
    std::vector<Trace> traces(prompts());
    const auto start = std::chrono::steady_clock::now();
    const bool same =
        TRY(run(setting, 0, setting.prompts, traces,
                [&](std::size_t prompt, const Row& row, std::span<const float> values) {
                  ++outcome.rows;
                  if (row.hash == expected_hash(prompt, row.position)) return true;
                  difference.prompt = prompt;
                  difference.position = row.position;
                  found.assign(values.begin(), values.end());
                  return false;
                }));
    if (!same) outcome.difference = TRY(locate(difference, found));
    outcome.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return outcome;
  }

  std::vector<DeterminismReport::Prompt> report() const {
    std::vector<DeterminismReport::Prompt> prompts;
    for (std::size_t i = 0; i < reference_.size(); ++i) {
      prompts.push_back({.tokens = static_cast<std::int64_t>(plan_.prompts[i].size()),
                         .generated = reference_[i].generated,
                         .hash = kHashStart});
      for (const Row& row : reference_[i].rows)
        prompts.back().hash = hash_in(prompts.back().hash, row.hash);
    }
    return prompts;
  }

 private:
  // False if the sink ended it.
  Result<bool> run(const DeterminismSetting& setting, std::size_t begin, std::size_t end,
                   std::vector<Trace>& traces, const RowSink& sink) {
    const KernelTable* kernels = TRY(choose_(setting.isa));
    ThreadPool pool(setting.threads);
    for (std::size_t first = begin; first < end; first += setting.batch) {
      const std::size_t count = std::min(setting.batch, end - first);
      std::int64_t blocks = 0;
      for (std::size_t i = first; i < first + count; ++i)
        blocks += KvLayout::blocks_for(static_cast<std::int64_t>(plan_.prompts[i].size()) +
                                       plan_.generated);
      BatchRunner runner(decoder_, *kernels, pool, options_.kv_type, count, blocks);
      if (!TRY(Group(plan_, setting, *kernels, runner, first, count).run(traces, sink)))
        return false;
    }
    return true;
  }

  std::uint64_t expected_hash(std::size_t prompt, std::int64_t position) const {
    const std::vector<Row>& rows = reference_[prompt].rows;
    const auto row = std::ranges::find(rows, position, &Row::position);
    CHECK(row != rows.end());
    return row->hash;
  }

  // Which logit it is: the reference keeps hashes only, so that row is computed once more.
  Result<DeterminismDifference> locate(DeterminismDifference difference,
                                       std::span<const float> found) {
    std::vector<float> expected;
    std::vector<Trace> traces(prompts());
    TRY(run(reference_setting_, difference.prompt, difference.prompt + 1, traces,
            [&](std::size_t, const Row& row, std::span<const float> values) {
              if (row.position != difference.position) return true;
              expected.assign(values.begin(), values.end());
              return false;
            }));
    difference.logit = -1;
    for (std::size_t i = 0; i < found.size() && difference.logit < 0; ++i) {
      if (std::bit_cast<std::uint32_t>(found[i]) == std::bit_cast<std::uint32_t>(expected[i]))
        continue;
      difference.logit = static_cast<std::int64_t>(i);
      difference.expected = expected[i];
      difference.found = found[i];
    }
    return difference;
  }

  const Decoder& decoder_;
  const DeterminismOptions& options_;
  const internal::KernelChooser& choose_;
  Plan plan_;
  DeterminismSetting reference_setting_;
  std::vector<Trace> reference_;
};

// One thing at a time is not as in the reference, but for the threads, which come first.
std::vector<DeterminismSetting> settings_of(const DeterminismSetting& reference, bool quick,
                                            std::span<const std::string_view> other_isas) {
  std::vector<DeterminismSetting> settings;
  const auto add = [&](std::string what) -> DeterminismSetting& {
    settings.push_back(reference);
    settings.back().what = std::move(what);
    return settings.back();
  };
  for (const std::size_t threads :
       quick ? std::vector<std::size_t>{2, 3} : std::vector<std::size_t>{2, 3, 4})
    add(fmt::format("{} threads", threads)).threads = threads;
  for (const std::int64_t chunk : {64, 1}) {
    DeterminismSetting& setting = add(fmt::format("chunks of {}", chunk));
    setting.threads = 2;
    setting.chunk = chunk;
  }
  for (const std::size_t batch :
       quick ? std::vector<std::size_t>{3, 8} : std::vector<std::size_t>{2, 3, 4, 8, 16, 32}) {
    DeterminismSetting& setting = add(fmt::format("batches of {}", batch));
    setting.threads = 2;
    setting.batch = batch;
    setting.chunk = 16;
  }
  DeterminismSetting& reused = add("a reused prefix");
  reused.threads = 2;
  reused.reused_prefix = true;
  for (const std::string_view isa : other_isas) {
    DeterminismSetting& setting = add(fmt::format("kernels {}", isa));
    setting.isa = isa;
    setting.threads = 2;
    setting.prompts = std::min<std::size_t>(quick ? 2 : 4, setting.prompts);
  }
  return settings;
}

}  // namespace

bool DeterminismReport::same() const {
  return std::ranges::none_of(
      outcomes, [](const DeterminismOutcome& outcome) { return outcome.difference.has_value(); });
}

namespace internal {

Result<DeterminismReport> check_determinism(const Decoder& decoder,
                                            const DeterminismOptions& options,
                                            const std::function<void(std::string_view)>& progress,
                                            const KernelChooser& choose) {
  Prover prover(decoder, options, choose);
  const KernelTable* kernels = TRY(choose(options.isa));
  DeterminismReport report{.reference = {.what = "the reference",
                                         .isa = std::string(kernels->name),
                                         .chunk = 512,
                                         .prompts = prover.prompts()}};
  std::vector<std::string_view> others;
  if (options.isa.empty()) {
    others = available_isas();
    std::erase(others, kernels->name);
  }
  progress(report.reference.what);
  TRY(prover.make_reference(report.reference));
  report.prompts = prover.report();
  for (const DeterminismSetting& setting : settings_of(report.reference, options.quick, others)) {
    progress(setting.what);
    report.outcomes.push_back(TRY(prover.compare(setting)));
  }
  return report;
}

}  // namespace internal

Result<DeterminismReport> check_determinism(const Decoder& decoder,
                                            const DeterminismOptions& options,
                                            const std::function<void(std::string_view)>& progress) {
  return internal::check_determinism(decoder, options, progress, choose_kernels);
}

}  // namespace bantam
