#include "tune/teaching.h"

#include <algorithm>

#include "base/hash.h"
#include "models/adapter.h"
#include "tune/byte_distillation.h"
#include "tune/target_cache.h"
#include "tune/teacher.h"

namespace bantam {
namespace {

std::unexpected<Error> invalid(std::string_view why) {
  return fail(ErrorKind::kUsage, "teacher_invalid", "{}", why);
}

// Of the base's weights and of what an adapter adds.
std::string digest_of(const TextModel& model) {
  Hash64 hash;
  DecoderWeights weights = model.decoder->weights();
  bool adapted = false;
  for_each_linear(weights, [&](const std::string&, std::int64_t, Linear& layer) {
    if (!layer.low_rank.present()) return;
    adapted = true;
    for (const TensorView* part : {&layer.low_rank.a, &layer.low_rank.b, &layer.low_rank.gain})
      if (part->data != nullptr) hash.add({part->data, part->bytes()});
  });
  const std::string base = weights_digest(*model.file);
  return adapted ? base + "+" + hash.hex() : base;
}

Result<void> check(const TeacherOptions& options) {
  if (options.cache.empty()) return {};
  if (options.loss.kind != Divergence::kForward)
    return invalid("a cache of sampled targets serves the forward divergence alone");
  if (options.on_policy > 0)
    return invalid("a cache has no targets for the answers that the student will give");
  return {};
}

}  // namespace

Result<std::unique_ptr<Teaching>> Teaching::open(const TuneOptions& options,
                                                 const TextModel& student) {
  TRY(check(options.teacher));
  auto teaching = std::unique_ptr<Teaching>(new Teaching(options));
  const TeacherOptions& wishes = options.teacher;
  teaching->vocabulary_ = student.decoder->spec().vocab;
  std::error_code ignored;
  teaching->makes_cache_ = !wishes.cache.empty() && !std::filesystem::exists(wishes.cache, ignored);
  if (!wishes.model.given()) {
    if (teaching->makes_cache_)
      return invalid(
          fmt::format("{} is not there, and no teacher to make it", wishes.cache.string()));
    return teaching;
  }
  const TextModel& teacher = teaching->model_.emplace(TRY(open_text_model(wishes.model)));
  teaching->digest_ = digest_of(teacher);
  if (same_vocabulary(*student.tokenizer, *teacher.tokenizer) &&
      teacher.decoder->spec().vocab == teaching->vocabulary_)
    return teaching;
  if (!wishes.cache.empty() || wishes.on_policy > 0)
    return invalid(
        "the teacher has other tokens than the student, so that it is asked byte by byte about "
        "the data's answers: no cache, no answers of the student's own");
  RenderOptions render = options.render;
  render.context = teacher.decoder->spec().context_length;
  teaching->alignment_.emplace(
      TRY(RowRenderer::create(*teacher.tokenizer, teacher.template_or_null(), render)),
      std::make_shared<ByteVocabulary>(*teacher.tokenizer),
      std::make_shared<ByteVocabulary>(*student.tokenizer));
  return teaching;
}

std::uint64_t Teaching::bytes() const { return model_ ? model_->file->tensor_bytes() : 0; }

TargetCacheKey Teaching::cache_key(std::span<const Example> examples) const {
  return {.teacher = digest_,
          .rows = rows_digest(examples),
          .samples = options_.samples,
          .temperature = options_.loss.temperature,
          .seed = options_.seed,
          .vocabulary = vocabulary_};
}

Result<std::unique_ptr<Objective>> Teaching::objective(std::span<const Example> examples,
                                                       std::vector<Example> own,
                                                       const KernelTable& kernels,
                                                       ThreadPool& pool) {
  if (!options_.cache.empty() && !makes_cache_)
    return make_distillation(options_.loss,
                             TRY(TargetCache::open(options_.cache, cache_key(examples), examples)));
  const std::int64_t context = model_->decoder->spec().context_length;
  for (const Example& example : alignment_ ? std::span<const Example>(own) : examples)
    if (static_cast<std::int64_t>(example.ids.size()) > context)
      return std::unexpected(fail(ErrorKind::kUnsupported, "teacher_context",
                                  "a row has {} tokens, and the teacher's context holds {}",
                                  example.ids.size(), context)
                                 .error()
                                 .in(fmt::format("line {}", example.source))
                                 .with_hint("--context bounds what a row may have"));
  if (!alignment_)
    return make_distillation(
        options_.loss, std::make_shared<LiveTeacher>(model_->decoder, kernels, pool, learner_));
  CHECK(own.size() == examples.size());
  return make_byte_distillation(
      options_.loss, alignment_->student,
      {.pass = std::make_shared<ForwardPass>(model_->decoder, kernels, pool, learner_),
       .vocabulary = alignment_->teacher,
       .examples = std::move(own)},
      pool);
}

Result<void> Teaching::write_cache(std::span<const Example> examples, const KernelTable& kernels,
                                   ThreadPool& pool) {
  CHECK(makes_cache_);
  ForwardPass pass(model_->decoder, kernels, pool, learner_);
  TRY(TargetCache::write(options_.cache, cache_key(examples), examples, pass, pool,
                         learner_.micro_tokens));
  return {};
}

}  // namespace bantam
