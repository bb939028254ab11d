#include "tune/teacher.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace bantam {

std::size_t index_of(std::span<const RowTarget> targets, const RowTarget& target) {
  const auto key = [](const RowTarget& t) { return std::pair(t.example, t.position); };
  const auto found = std::ranges::lower_bound(targets, key(target), {}, key);
  CHECK(found != targets.end() && key(*found) == key(target));
  return static_cast<std::size_t>(found - targets.begin());
}

Result<void> LiveTeacher::begin(std::span<const Example> examples,
                                std::span<const RowTarget> targets) {
  targets_ = targets;
  std::vector<std::span<const std::int32_t>> inputs;
  std::vector<ForwardPass::Row> rows;
  std::int64_t last = -1;
  for (const RowTarget& target : targets) {
    if (target.example != last) {
      const auto& ids = examples[static_cast<std::size_t>(target.example)].ids;
      inputs.push_back(std::span(ids).first(ids.size() - 1));
      last = target.example;
    }
    rows.push_back({.input = inputs.size() - 1, .row = target.position - 1});
  }
  return pass_.run(inputs, rows);
}

void LiveTeacher::begin_rows(std::span<const RowTarget> targets) {
  current_ = targets;
  if (targets.empty()) return;
  logits_ = pass_.logits(static_cast<std::int64_t>(index_of(targets_, targets.front())),
                         static_cast<std::int64_t>(targets.size()));
}

void LiveTeacher::logits(const RowTarget& target, std::span<float> out) const {
  const auto row = static_cast<std::int64_t>(index_of(current_, target));
  std::copy_n(logits_.row(row), out.size(), out.begin());
}

}  // namespace bantam
