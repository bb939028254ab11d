#include "data/batches.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/random.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxExamples = std::int64_t{1} << 40;

// Streams of the generator: an epoch's order, and the passes through each source.
constexpr std::uint64_t kEpochStream = 0;
constexpr std::uint64_t kSourceStream = std::uint64_t{1} << 62;

std::unexpected<Error> invalid(std::string_view what) {
  return fail(ErrorKind::kUsage, "batches_invalid", "{}", what);
}

void shuffle(std::span<std::int64_t> items, std::uint64_t seed, std::uint64_t stream) {
  Random random(seed, stream);
  for (std::size_t i = items.size(); i > 1; --i)
    std::swap(items[i - 1], items[static_cast<std::size_t>(random.next_below(i))]);
}

std::vector<std::int64_t> counting(std::int64_t begin, std::int64_t count) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(count));
  std::iota(out.begin(), out.end(), begin);
  return out;
}

Result<void> check(const std::vector<std::int64_t>& lengths, const BatchOptions& options) {
  if (options.group < 1 || options.tokens < 1 || options.examples < 0 ||
      options.short_first_epochs < 0)
    return invalid("sizes of batches and groups must be positive");
  if (lengths.empty()) return fail(ErrorKind::kUsage, "data_empty", "no examples to learn from");
  if (std::ranges::any_of(lengths, [](std::int64_t n) { return n < 0 || n > kMaxExamples; }))
    return invalid("an example of a length out of range");
  std::int64_t sum = 0;
  for (const ExampleSet& source : options.sources) {
    if (source.examples < 1 || source.examples > kMaxExamples)
      return invalid("a source without examples");
    if (source.examples % options.group != 0) return invalid("a source that ends inside a group");
    if (!(source.share > 0 && source.share <= 1e6)) return invalid("a share must be above 0");
    sum += source.examples;
  }
  if (!options.sources.empty() && sum != static_cast<std::int64_t>(lengths.size()))
    return invalid("the sources have not as many examples as there are lengths");
  if (lengths.size() % static_cast<std::size_t>(options.group) != 0)
    return invalid("the examples end inside a group");
  return {};
}

}  // namespace

Result<BatchOrder> BatchOrder::create(std::vector<std::int64_t> lengths,
                                      const BatchOptions& options) {
  TRY(check(lengths, options));
  BatchOrder order;
  order.options_ = options;
  const auto group = static_cast<std::size_t>(options.group);
  for (std::size_t at = 0; at < lengths.size(); at += group)
    order.group_lengths_.push_back(std::accumulate(
        lengths.begin() + static_cast<std::ptrdiff_t>(at),
        lengths.begin() + static_cast<std::ptrdiff_t>(at + group), std::int64_t{0}));

  std::vector<ExampleSet> sources = options.sources;
  if (sources.empty()) sources.push_back({static_cast<std::int64_t>(lengths.size()), 1});
  std::int64_t begin = 0;
  double tokens = 0;
  std::int64_t groups = 0;
  for (const ExampleSet& source : sources) {
    Groups made{.begin = begin, .count = source.examples / options.group};
    const double first = static_cast<double>(sources[0].examples / options.group);
    made.an_epoch = begin == 0 ? made.count
                               : std::max<std::int64_t>(
                                     1, std::llround(first * source.share / sources[0].share));
    const auto from = order.group_lengths_.begin() + begin;
    tokens += static_cast<double>(std::accumulate(from, from + made.count, std::int64_t{0})) /
              static_cast<double>(made.count) * static_cast<double>(made.an_epoch);
    groups += made.an_epoch;
    begin += made.count;
    order.sources_.push_back(made);
  }
  const std::int64_t wanted =
      options.examples > 0 ? (groups * options.group + options.examples - 1) / options.examples
                           : std::llround(tokens / static_cast<double>(options.tokens));
  order.batches_ = std::clamp<std::int64_t>(wanted, 1, groups);
  return order;
}

std::vector<std::int64_t> BatchOrder::order_of(std::int64_t epoch) const {
  std::vector<std::int64_t> order = counting(0, sources_[0].count);
  for (std::size_t s = 1; s < sources_.size(); ++s) {
    // Group number n of the endless shuffle is at n mod count of its pass n / count.
    const Groups& source = sources_[s];
    std::int64_t next = epoch * source.an_epoch;
    const std::int64_t end = next + source.an_epoch;
    while (next < end) {
      const std::int64_t pass = next / source.count, at = next % source.count;
      std::vector<std::int64_t> all = counting(source.begin, source.count);
      shuffle(all, options_.seed, kSourceStream * s + static_cast<std::uint64_t>(pass));
      const std::int64_t take = std::min(end - next, source.count - at);
      order.insert(order.end(), all.begin() + at, all.begin() + at + take);
      next += take;
    }
  }
  shuffle(order, options_.seed, kEpochStream + static_cast<std::uint64_t>(epoch));
  if (epoch < options_.short_first_epochs) {  // ties stay shuffled
    std::vector<std::pair<std::int64_t, std::size_t>> by_length;
    for (std::size_t at = 0; at < order.size(); ++at)
      by_length.emplace_back(group_lengths_[static_cast<std::size_t>(order[at])], at);
    std::ranges::sort(by_length);
    const std::vector<std::int64_t> shuffled = order;
    for (std::size_t at = 0; at < order.size(); ++at) order[at] = shuffled[by_length[at].second];
  }
  return order;
}

// Batch b ends where b + 1 shares of the epoch's tokens (or examples) are reached, with a group for
// each of the batches that follow left over.
void BatchOrder::prepare(std::int64_t epoch) const {
  if (epoch == epoch_) return;
  order_ = order_of(epoch);
  const auto weight = [this](std::int64_t group) {
    return options_.examples > 0
               ? 1.0
               : static_cast<double>(group_lengths_[static_cast<std::size_t>(group)]);
  };
  double total = 0;
  for (const std::int64_t group : order_) total += weight(group);
  cuts_.assign(1, 0);
  const auto count = static_cast<std::int64_t>(order_.size());
  double done = 0;
  std::int64_t at = 0;
  for (std::int64_t b = 0; b < batches_; ++b) {
    const double end = total * static_cast<double>(b + 1) / static_cast<double>(batches_);
    const std::int64_t last = count - (batches_ - b - 1);
    // Up to the group in whose middle the share ends; at least one.
    const std::int64_t first = at;
    while (at < last) {
      const double next = weight(order_[static_cast<std::size_t>(at)]);
      if (at > first && b + 1 < batches_ && done + next / 2 > end) break;
      done += next;
      ++at;
    }
    cuts_.push_back(at);
  }
  epoch_ = epoch;
}

std::vector<std::int64_t> BatchOrder::batch(std::int64_t step) const {
  CHECK(step >= 1, "steps count from one: {}", step);
  prepare((step - 1) / batches_);
  const auto b = static_cast<std::size_t>((step - 1) % batches_);
  std::vector<std::int64_t> out;
  for (std::int64_t at = cuts_[b]; at < cuts_[b + 1]; ++at)
    for (std::int64_t i = 0; i < options_.group; ++i)
      out.push_back(order_[static_cast<std::size_t>(at)] * options_.group + i);
  return out;
}

std::vector<Example> cut_document(std::span<const std::int32_t> ids, std::int64_t length,
                                  std::int64_t source) {
  CHECK(length >= 2, "an example of {} tokens teaches nothing", length);
  std::vector<Example> out;
  if (ids.size() < 2) return out;
  const std::size_t steps = ids.size() - 1;  // ids to predict
  const auto most = static_cast<std::size_t>(length - 1);
  const std::size_t parts = (steps + most - 1) / most;
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t begin = steps * part / parts, end = steps * (part + 1) / parts;
    Example& example = out.emplace_back();
    example.ids.assign(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                       ids.begin() + static_cast<std::ptrdiff_t>(end + 1));
    example.weights.assign(example.ids.size(), 1.0f);
    example.weights[0] = 0;
    example.source = source;
  }
  return out;
}

}  // namespace bantam
