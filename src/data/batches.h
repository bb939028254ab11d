// The order in which examples are learned from: batch number n is a pure function of the lengths,
// the options and n, so that a checkpoint is a step number, and a run that was killed goes on with
// the batch that it would have had.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "data/example.h"

namespace bantam {

// One of several sets of examples that are learned from together: the data, and what should not be
// forgotten meanwhile.
struct ExampleSet {
  std::int64_t examples = 0;
  double share = 1;  // of the examples of an epoch, relative to the first source's
};

struct BatchOptions {
  std::int64_t tokens = 8192;  // about how many a batch; not used if `examples` is set
  std::int64_t examples = 0;   // how many a batch; 0: by tokens
  std::int64_t group = 1;      // neighbours that stay together (the two of a preference)
  std::uint64_t seed = 1;
  // Epochs, from the first, that go from short examples to long ones.
  std::int64_t short_first_epochs = 0;
  // In the order of the lengths; empty: all of one. The first is seen once an epoch; of another as
  // many examples as its share says, taken one after the other from its own endless shuffle, so
  // that over the epochs all are seen equally often.
  std::vector<ExampleSet> sources = {};
};

// An epoch is a permutation drawn from (seed, epoch), cut into batches of nearly equal numbers of
// tokens. All epochs have the same number of batches. Keeps the order of the epoch last asked for:
// for one thread at a time.
class BatchOrder {
 public:
  // `lengths` are tokens an example. kUsage "batches_invalid" for lengths and sources that do not
  // fit each other or the group, and for options out of range; "data_empty" without examples.
  static Result<BatchOrder> create(std::vector<std::int64_t> lengths, const BatchOptions& options);

  std::int64_t batches_per_epoch() const { return batches_; }
  // Indices into the lengths, groups whole and in order, never none. Steps count from one.
  std::vector<std::int64_t> batch(std::int64_t step) const;

 private:
  struct Groups {  // of one source
    std::int64_t begin = 0, count = 0, an_epoch = 0;
  };

  BatchOrder() = default;
  std::vector<std::int64_t> order_of(std::int64_t epoch) const;  // groups
  void prepare(std::int64_t epoch) const;

  BatchOptions options_;
  std::vector<std::int64_t> group_lengths_;
  std::vector<Groups> sources_;
  std::int64_t batches_ = 0;
  mutable std::int64_t epoch_ = -1;
  mutable std::vector<std::int64_t> order_, cuts_;  // of that epoch; batches_ + 1 cuts
};

// The ids of a document as examples of at most `length` tokens, as equal as can be. Each begins
// with the last id of the one before it, so that every id but the first is learned exactly once.
std::vector<Example> cut_document(std::span<const std::int32_t> ids, std::int64_t length,
                                  std::int64_t source);

}  // namespace bantam
