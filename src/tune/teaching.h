// The teacher of a run: which model it is, how it sees the rows, and what is asked of the student.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/losses.h"
#include "tune/byte_vocabulary.h"
#include "tune/forward_pass.h"
#include "tune/text_model.h"
#include "tune/tune.h"

namespace bantam {

// How an example of the student's gets one of the teacher's; see tune/byte_distillation.h.
struct ByteAlignment {
  RowRenderer renderer;  // for the teacher
  std::shared_ptr<const ByteVocabulary> teacher, student;
};

struct TargetCacheKey;

class Teaching {
 public:
  // Errors: those of open_text_model(); kUsage "teacher_invalid" for options that do not go
  // together: a cache with another divergence than forward, with answers of the student's own, with
  // other tokens, or without a teacher to make it.
  static Result<std::unique_ptr<Teaching>> open(const TuneOptions& options,
                                                const TextModel& student);
  Teaching(const Teaching&) = delete;
  Teaching& operator=(const Teaching&) = delete;

  // Null if the teacher has the student's tokens.
  const ByteAlignment* alignment() const { return alignment_ ? &*alignment_ : nullptr; }
  // What names the teacher, and an adapter of it; empty without one.
  std::string digest() const { return digest_; }
  std::uint64_t bytes() const;  // of its weights
  bool makes_cache() const { return makes_cache_; }

  // `examples` are all that will be learned from, their numbers their places; `own` are the
  // teacher's, as many if there is an alignment. kUnsupported "teacher_context" for examples that
  // the teacher's context does not hold. A cache that is not there yet is not made: the objective
  // is then that of the teacher itself.
  Result<std::unique_ptr<Objective>> objective(std::span<const Example> examples,
                                               std::vector<Example> own, const KernelTable& kernels,
                                               ThreadPool& pool);
  // Makes the cache that is not there yet.
  Result<void> write_cache(std::span<const Example> examples, const KernelTable& kernels,
                           ThreadPool& pool);
  // From now on objective() reads it, whoever has made it.
  void cache_is_there() { makes_cache_ = false; }

 private:
  explicit Teaching(const TuneOptions& options)
      : options_(options.teacher), learner_(options.learner) {}
  TargetCacheKey cache_key(std::span<const Example> examples) const;

  TeacherOptions options_;
  LearnerOptions learner_;
  std::int64_t vocabulary_ = 0;  // of the student
  std::optional<TextModel> model_;
  std::optional<ByteAlignment> alignment_;
  std::string digest_;
  bool makes_cache_ = false;
};

}  // namespace bantam
