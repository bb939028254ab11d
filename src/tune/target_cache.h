// A teacher's answers on file: for every learned token some tokens drawn from the teacher's
// distribution, so that a student can be taught many times, elsewhere, without the teacher.
//
// Drawn are K points of the distribution's cumulative sum, evenly apart, from one uniform number a
// row: a token of probability p is hit K p times on average, to within one. So counts / K in p's
// place make the derivative of the forward divergence, q - p, right on average (Anshumann et al.,
// "Sparse Logit Sampling", 2025, who draw independently; even spacing only makes it vary less). The
// value of the loss is not: it lacks what p's own entropy says, and other divergences have no such
// estimate.
//
// The file is safetensors: "targets" (rows, K) I32, each id + 2^24 · count, and the rest of a row
// zeros; at most 32 bytes a token. Its metadata names the teacher's weights, the rows, and a digest
// of the content.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/weight_file.h"
#include "train/losses.h"
#include "tune/forward_pass.h"

namespace bantam {

inline constexpr std::int64_t kMostTargetSamples = 8;

// What a cache is for. Two that differ are not mixed up.
struct TargetCacheKey {
  std::string teacher;  // weights_digest(); empty: whichever, to read a cache without its teacher
  std::string rows;     // of the examples, in order
  std::int64_t samples = kMostTargetSamples;  // K, from 1 to that
  double temperature = 1;
  std::uint64_t seed = 1;
  std::int64_t vocabulary = 0;
};
// Of ids and weights.
std::string rows_digest(std::span<const Example> examples);

// Rows of a cache, in order of example and of position where the weight is not zero.
class TargetCache final : public TeacherRows {
 public:
  // Errors: kNotFound "file_not_found"; kConfiguration "teacher_cache_other" if it was made for
  // something else, and of what; kMalformed "teacher_cache_invalid".
  static Result<std::shared_ptr<TargetCache>> open(const std::filesystem::path& path,
                                                   const TargetCacheKey& key,
                                                   std::span<const Example> examples);
  // Runs the teacher over all examples, in micro-batches of `tokens`, and writes the file.
  static Result<void> write(const std::filesystem::path& path, const TargetCacheKey& key,
                            std::span<const Example> examples, ForwardPass& teacher,
                            ThreadPool& pool, std::int64_t tokens);

  std::int64_t rows() const { return targets_.shape[0]; }

  // Examples are known by their number.
  Result<void> begin(std::span<const Example> examples,
                     std::span<const RowTarget> targets) override;
  void logits(const RowTarget& target, std::span<float> out) const override;

 private:
  TargetCache() = default;

  TargetCacheKey key_;
  std::shared_ptr<const WeightFile> file_;
  TensorView targets_;                    // (rows, K)
  std::vector<std::int64_t> first_rows_;  // by example
  std::span<const RowTarget> current_;    // of the micro-batch
  std::vector<std::int64_t> rows_;        // where those are
};

// K points of the softmax of `logits` at a temperature: id and count, in order of id. `start` is
// uniform in [0, 1).
std::vector<std::pair<std::int32_t, std::int32_t>> draw_targets(std::span<const float> logits,
                                                                double temperature,
                                                                std::int64_t samples, double start);

}  // namespace bantam
