#include "tune/run_digest.h"

#include "base/hash.h"

namespace bantam {

std::string run_digest(const TuneOptions& options, std::span<const Example> examples,
                       const std::string& weights, const std::string& others) {
  Hash64 hash;
  hash.add(weights);
  hash.add(others);
  for (const Example& example : examples) {
    hash.add(std::as_bytes(std::span(example.ids)));
    hash.add(std::as_bytes(std::span(example.weights)));
    hash.add(std::as_bytes(std::span(&example.label, 1)));
  }
  const PreferenceOptions& p = options.preference;
  const KtoOptions& k = options.kto;
  hash.add(fmt::format("{} {} {} {} {} {} {} {} {}", static_cast<int>(p.kind), p.beta, p.smoothing,
                       p.margin, p.chosen_nll, k.beta, k.good_weight, k.bad_weight,
                       k.reference_point));
  const AdapterOptions& a = options.adapter;
  hash.add(fmt::format(" {} {} {} {} {} {} {} {}", static_cast<int>(options.method),
                       dtype_info(options.type).name, a.rank, a.alpha, a.rank_stabilized, a.b_rate,
                       a.magnitude, a.seed));
  const BatchOptions& b = options.batches;
  hash.add(
      fmt::format(" {} {} {} {} {}", b.tokens, b.examples, b.group, b.seed, b.short_first_epochs));
  for (const ExampleSet& source : b.sources)
    hash.add(fmt::format(" {} {}", source.examples, source.share));
  const AdamwOptions& w = options.adamw;
  hash.add(fmt::format(" {} {} {} {} {}", w.beta1, w.beta2, w.epsilon, w.decay, w.eight_bits));
  if (const auto& m = options.muon)
    hash.add(fmt::format(" {} {} {} {} {}", m->momentum, m->first_momentum, m->momentum_steps,
                         m->decay, m->others_rate));
  const Schedule& s = options.schedule;
  hash.add(fmt::format(" {} {} {} {} {} {}", s.peak, s.floor, s.warmup, s.steps, s.hold, s.cosine));
  hash.add(fmt::format(" {} {} {} {}", options.trainer.shards, options.trainer.clip,
                       static_cast<int>(options.learner.mode), options.average));
  const TeacherOptions& t = options.teacher;
  if (t.given())
    hash.add(fmt::format(" {} {} {} {} {} {} {} {}", !t.cache.empty(), t.samples,
                         static_cast<int>(t.loss.kind), t.loss.mix, t.loss.temperature,
                         t.loss.data_share, t.on_policy, t.seed));
  return hash.hex();
}

}  // namespace bantam
