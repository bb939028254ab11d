// A model that teaches another one with the same tokens, as it is computed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "train/losses.h"
#include "tune/forward_pass.h"

namespace bantam {

// Each row costs a forward pass of the teacher; nothing is stored. What the student is asked
// (Example::ids) is what the teacher is asked. A teacher with the student's weights gives the
// student's bits.
class LiveTeacher final : public TeacherRows {
 public:
  LiveTeacher(std::shared_ptr<const Decoder> teacher, const KernelTable& kernels, ThreadPool& pool,
              const LearnerOptions& options)
      : pass_(std::move(teacher), kernels, pool, options) {}

  Result<void> begin(std::span<const Example> examples,
                     std::span<const RowTarget> targets) override;
  void begin_rows(std::span<const RowTarget> targets) override;
  void logits(const RowTarget& target, std::span<float> out) const override;

 private:
  ForwardPass pass_;
  std::span<const RowTarget> targets_, current_;  // of the micro-batch; of those the next ones
  FloatTensor logits_;                            // of those
};

// Where a target is in `targets`, which are in order of example and position. CHECKs that it is.
std::size_t index_of(std::span<const RowTarget> targets, const RowTarget& target);

}  // namespace bantam
