#include "tune/target_cache.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/hash.h"
#include "base/random.h"
#include "formats/safetensors.h"
#include "kernels/rowwise.h"
#include "tune/teacher.h"

namespace bantam {
namespace {

constexpr std::string_view kVersion = "bantam targets 1";
constexpr int kIdBits = 24;
constexpr std::int32_t kIdMask = (1 << kIdBits) - 1;
constexpr std::int64_t kLogitsAtOnce = 1 << 20;

std::int64_t learned(const Example& example) {
  return static_cast<std::int64_t>(std::ranges::count_if(std::span(example.weights).subspan(1),
                                                         [](float weight) { return weight != 0; }));
}

std::string content_of(const TensorView& targets) {
  Hash64 hash;
  hash.add({targets.data, targets.bytes()});
  return hash.hex();
}

SafetensorsMetadata metadata_of(const TargetCacheKey& key, const TensorView& targets) {
  return {{"format", std::string(kVersion)},
          {"teacher", key.teacher},
          {"rows", key.rows},
          {"drawn", fmt::format("{} at {} from seed {} of {}", key.samples, key.temperature,
                                key.seed, key.vocabulary)},
          {"content", content_of(targets)}};
}

// Rows of the whole examples [first, end) of one pass of the teacher.
Result<void> draw_rows(std::span<const Example> examples, const TargetCacheKey& key,
                       ForwardPass& teacher, ThreadPool& pool, std::vector<std::int32_t>& targets,
                       std::int64_t& next_row) {
  std::vector<std::span<const std::int32_t>> inputs;
  std::vector<ForwardPass::Row> rows;
  for (const Example& example : examples) {
    inputs.push_back(std::span(example.ids).first(example.ids.size() - 1));
    for (std::size_t i = 1; i < example.weights.size(); ++i)
      if (example.weights[i] != 0)
        rows.push_back({.input = inputs.size() - 1, .row = static_cast<std::int64_t>(i) - 1});
  }
  TRY(teacher.run(inputs, rows));
  const std::int64_t at_once = std::max<std::int64_t>(1, kLogitsAtOnce / teacher.vocabulary());
  const auto total = static_cast<std::int64_t>(rows.size());
  targets.resize(targets.size() + static_cast<std::size_t>(total * key.samples));
  for (std::int64_t first = 0; first < total; first += at_once) {
    const FloatTensor logits = teacher.logits(first, std::min(at_once, total - first));
    for_each_row(pool, logits.shape[0], logits.shape.last(), [&](std::int64_t r) {
      const std::int64_t row = next_row + first + r;
      Random random(key.seed, static_cast<std::uint64_t>(row));
      const std::span<const float> of_row(logits.row(r),
                                          static_cast<std::size_t>(logits.shape.last()));
      auto out = targets.begin() + row * key.samples;
      for (const auto& [id, count] :
           draw_targets(of_row, key.temperature, key.samples, random.next_double()))
        *out++ = id | count << kIdBits;
    });
  }
  next_row += total;
  return {};
}

}  // namespace

std::string rows_digest(std::span<const Example> examples) {
  Hash64 hash;
  for (const Example& example : examples) {
    hash.add(std::as_bytes(std::span(example.ids)));
    hash.add(std::as_bytes(std::span(example.weights)));
  }
  return hash.hex();
}

std::vector<std::pair<std::int32_t, std::int32_t>> draw_targets(std::span<const float> logits,
                                                                double temperature,
                                                                std::int64_t samples,
                                                                double start) {
  const float largest = *std::ranges::max_element(logits);
  std::vector<double> p(logits.size());
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i)
    sum += p[i] = std::exp((double{logits[i]} - double{largest}) / temperature);
  // Point j lies at (start + j) / K of the whole.
  const double apart = sum / static_cast<double>(samples);
  std::vector<std::pair<std::int32_t, std::int32_t>> drawn;
  double end = 0;
  std::int64_t next = 0;
  for (std::size_t i = 0; i < p.size() && next < samples; ++i) {
    end += p[i];
    std::int32_t count = 0;
    while (next < samples && (start + static_cast<double>(next)) * apart < end) ++count, ++next;
    if (count > 0) drawn.emplace_back(static_cast<std::int32_t>(i), count);
  }
  // What rounding has pushed past the end belongs to the last one.
  if (next < samples) {
    if (drawn.empty()) drawn.emplace_back(static_cast<std::int32_t>(p.size()) - 1, 0);
    drawn.back().second += static_cast<std::int32_t>(samples - next);
  }
  return drawn;
}

Result<void> TargetCache::write(const std::filesystem::path& path, const TargetCacheKey& key,
                                std::span<const Example> examples, ForwardPass& teacher,
                                ThreadPool& pool, std::int64_t tokens) {
  CHECK(key.samples >= 1 && key.samples <= kMostTargetSamples);
  if (key.vocabulary > std::int64_t{1} << kIdBits)
    return fail(ErrorKind::kUnsupported, "vocabulary_too_large",
                "a cache of targets holds ids of {} bits", kIdBits);
  std::vector<std::int32_t> targets;
  std::int64_t rows = 0;
  for (std::size_t first = 0; first < examples.size();) {
    std::size_t end = first;
    std::int64_t sum = 0;
    while (end < examples.size() &&
           (end == first || sum + static_cast<std::int64_t>(examples[end].ids.size()) <= tokens))
      sum += static_cast<std::int64_t>(examples[end++].ids.size());
    TRY(draw_rows(examples.subspan(first, end - first), key, teacher, pool, targets, rows));
    first = end;
  }
  const NamedTensor tensor{
      "targets",
      {DType::kI32, Shape{rows, key.samples}, reinterpret_cast<const std::byte*>(targets.data())}};
  return write_safetensors(path, {&tensor, 1}, metadata_of(key, tensor.view));
}

Result<std::shared_ptr<TargetCache>> TargetCache::open(const std::filesystem::path& path,
                                                       const TargetCacheKey& key,
                                                       std::span<const Example> examples) {
  auto cache = std::shared_ptr<TargetCache>(new TargetCache);
  cache->key_ = key;
  cache->file_ = TRY(read_safetensors(path));
  const auto invalid = [&](std::string_view what) {
    return std::unexpected(fail(ErrorKind::kMalformed, "teacher_cache_invalid", "{}", what)
                               .error()
                               .in(path.string())
                               .with_hint("remove it, and it is made again"));
  };
  const TensorView* targets = cache->file_->find("targets");
  if (targets == nullptr || targets->dtype != DType::kI32 || targets->shape.rank() != 2)
    return invalid("it has no targets");
  TargetCacheKey wanted = key;
  if (wanted.teacher.empty()) wanted.teacher = TRY(cache->file_->metadata.string_or("teacher", ""));
  for (const auto& [name, value] : metadata_of(wanted, *targets)) {
    const std::string found = TRY(cache->file_->metadata.string_or(name, ""));
    if (found == value) continue;
    if (name == "content" || name == "format")
      return invalid("its content is not what was written");
    return std::unexpected(fail(ErrorKind::kConfiguration, "teacher_cache_other",
                                "its {} is {}, and that of this run {}", name, quoted(found),
                                quoted(value))
                               .error()
                               .in(path.string())
                               .with_hint("remove it, or name another file"));
  }
  std::int64_t rows = 0;
  for (const Example& example : examples) {
    cache->first_rows_.push_back(rows);
    rows += learned(example);
  }
  if (targets->shape[0] != rows || targets->shape[1] != key.samples)
    return invalid(fmt::format("it has {} targets, expected {} rows of {}",
                               targets->shape.to_string(), rows, key.samples));
  cache->targets_ = *targets;
  const auto* values = reinterpret_cast<const std::int32_t*>(targets->data);
  for (std::int64_t row = 0; row < rows; ++row, values += key.samples) {
    std::int64_t sum = 0;
    for (std::int64_t k = 0; k < key.samples; ++k) {
      if (values[k] < 0 || (values[k] & kIdMask) >= key.vocabulary)
        return invalid(fmt::format("row {} has an id out of range", row));
      sum += values[k] >> kIdBits;
    }
    if (sum != key.samples) return invalid(fmt::format("row {} has {} samples", row, sum));
  }
  return cache;
}

Result<void> TargetCache::begin(std::span<const Example> examples,
                                std::span<const RowTarget> targets) {
  current_ = targets;
  rows_.clear();
  std::int64_t last = -1, next = 0;
  for (const RowTarget& target : targets) {
    const Example& example = examples[static_cast<std::size_t>(target.example)];
    CHECK(example.number >= 0 && static_cast<std::size_t>(example.number) < first_rows_.size());
    if (target.example != last) next = first_rows_[static_cast<std::size_t>(example.number)];
    last = target.example;
    rows_.push_back(next++);
  }
  return {};
}

void TargetCache::logits(const RowTarget& target, std::span<float> out) const {
  std::ranges::fill(out, -std::numeric_limits<float>::infinity());
  const std::int64_t row = rows_[index_of(current_, target)];
  const auto* values = reinterpret_cast<const std::int32_t*>(targets_.data) + row * key_.samples;
  for (std::int64_t k = 0; k < key_.samples; ++k) {
    const std::int32_t count = values[k] >> kIdBits, id = values[k] & kIdMask;
    if (count < 1) continue;
    out[static_cast<std::size_t>(id)] =
        static_cast<float>(key_.temperature * std::log(static_cast<double>(count) /
                                                       static_cast<double>(key_.samples)));
  }
}

}  // namespace bantam
