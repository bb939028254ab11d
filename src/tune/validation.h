// The score that decides which parameters are the best: the user's own metric, on rows kept apart.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/render.h"
#include "data/rows.h"
#include "models/decoder.h"
#include "runtime/engine.h"
#include "tokenizer/tokenizer.h"
#include "train/learner.h"

namespace bantam {

enum class Metric : std::uint8_t {
  kLoss,   // minus the mean of -log p over the learned tokens
  kExact,  // share of rows whose greedy answer is the wanted text
  kLabel,  // share of rows whose most likely label, of all that there are, is the right one
  kJson,   // share of rows whose greedy answer is the wanted JSON value
};
// kUsage "unknown_metric".
Result<Metric> metric_from_name(std::string_view name);
std::string_view metric_name(Metric metric);

// What is asked: of every example the last turn that is learned; of preferences the chosen answer.
struct ValidationSet {
  std::vector<Example> examples;
  // kLabel: per example the ids with each label as the answer, and which of them is right.
  std::vector<std::vector<std::vector<std::int32_t>>> choices;
  std::vector<std::size_t> right;
};
// At most `most` rows, evenly from all. For kLabel the rows have labels and `labels` are all that
// there are; kUsage "metric_invalid" for rows that the metric does not fit.
Result<ValidationSet> make_validation(Metric metric, std::span<const Row> rows,
                                      std::span<const std::string> labels,
                                      const RowRenderer& renderer, std::int64_t most);

// One thread: the learner's.
class Validation {
 public:
  // Keeps references, and the decoder, whose weights may change between calls.
  Validation(Metric metric, ValidationSet set, std::shared_ptr<const Decoder> decoder,
             const Tokenizer& tokenizer, Learner& learner, const EngineOptions& options);

  // Larger is better. The model is run as it is served (runtime/engine.h).
  Result<double> score();

 private:
  Result<double> mean_logprob();
  Result<double> share_of_answers(Engine& engine);
  Result<double> share_of_labels(Engine& engine);
  Result<bool> answers_right(Engine& engine, const Example& example) const;

  Metric metric_;
  ValidationSet set_;
  std::shared_ptr<const Decoder> decoder_;
  const Tokenizer& tokenizer_;
  Learner& learner_;
  EngineOptions options_;
};

}  // namespace bantam
