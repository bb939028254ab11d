// A model measured on a user's rows, by the user's own metric: what chooses the best parameters of
// a run, and what `bantam score --rows` says of a model that is served.
#pragma once

#include <cstdint>
#include <functional>
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
#include "tune/label_search.h"
#include "tune/question.h"

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

// A row whose label is asked for.
struct LabelChoice {
  std::vector<std::int32_t> prompt;
  std::shared_ptr<const LabelTrie> trie;  // the labels as answers to it
  std::string wanted;                     // may be none of them
};

// What is asked: of every example the last turn that is learned; of preferences the chosen answer.
struct ValidationSet {
  std::vector<Example> examples;
  std::vector<std::string> labels;   // kLabel: all there are
  std::vector<LabelChoice> choices;  // kLabel: one an example
};
// At most `most` rows, evenly from all. For kLabel the rows have labels and `labels` are all that
// there are; a row with another one is a row that no answer is right for. What the renderer leaves
// out is in `counts`. kUsage "metric_invalid" for rows that the metric does not fit,
// "labels_invalid" if none of them shows anything.
Result<ValidationSet> make_validation(Metric metric, std::span<const Row> rows,
                                      std::span<const std::string> labels,
                                      const RowRenderer& renderer, std::int64_t most,
                                      RenderCounts& counts);

// What the model made of an example.
struct RowAnswer {
  std::int64_t line = 0;
  bool right = false;         // not of kLoss
  std::string wanted, found;  // not of kLoss; much longer than the wanted one it is cut
  // kLoss: Σ weight · log p and Σ weight of the learned ids. kLabel: log p of the label found.
  double logprob = 0, weight = 0;
};

// The score: larger is better. One definition, whoever computed the answers.
double score_of(Metric metric, std::span<const RowAnswer> answers);

// One thread: the learner's.
class Validation {
 public:
  // Keeps references, and the decoder, whose weights may change between calls. With a learner the
  // losses are the trainer's own; without one (null) the model is run as it is served. They are
  // the same, to the bit.
  Validation(Metric metric, ValidationSet set, std::shared_ptr<const Decoder> decoder,
             const Tokenizer& tokenizer, Learner* learner, const EngineOptions& options);

  Result<double> score();
  // One an example, in order. `progress` gets the answered ones and all.
  Result<std::vector<RowAnswer>> answers(
      const std::function<void(std::int64_t, std::int64_t)>& progress);

 private:
  Result<std::vector<RowAnswer>> learner_losses();
  std::unique_ptr<Question> question(std::size_t example, RowAnswer& answer,
                                     const KernelTable& kernels) const;

  Metric metric_;
  ValidationSet set_;
  std::shared_ptr<const Decoder> decoder_;
  const Tokenizer& tokenizer_;
  Learner* learner_;
  EngineOptions options_;
};

}  // namespace bantam
