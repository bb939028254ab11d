#include "runtime/weight_check.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <vector>

#include "codec/codec.h"
#include "runtime/finite.h"

namespace bantam {
namespace {

constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();
// Between two reports of progress: a fraction of a second's work.
constexpr std::uint64_t kReportBytes = 64 << 20;

// Index of the first element in rows [begin, end) that is not finite, or kNone.
std::int64_t first_broken(const TensorView& tensor, const Codec& codec, std::int64_t begin,
                          std::int64_t end, std::vector<float>& row) {
  const std::int64_t width = tensor.shape.last();
  row.resize(static_cast<std::size_t>(width));
  for (std::int64_t r = begin; r < end; ++r) {
    codec.decode(tensor.row(r), row);
    if (const auto broken = first_not_finite(row))
      return r * width + static_cast<std::int64_t>(*broken);
  }
  return kNone;
}

class WeightChecker {
 public:
  WeightChecker(ThreadPool& pool, const WeightProgress& progress, std::uint64_t total)
      : pool_(pool), progress_(progress), total_(total), rows_(pool.size()) {}

  // As first_broken(), of all rows.
  std::int64_t check(const TensorView& tensor, const Codec& codec) {
    const std::int64_t rows = tensor.shape.rows();
    const std::uint64_t row_bytes = std::max<std::uint64_t>(1, tensor.bytes_per_row());
    const auto step =
        static_cast<std::int64_t>(std::max<std::uint64_t>(1, kReportBytes / row_bytes));
    std::int64_t found = kNone;
    for (std::int64_t first = 0; first < rows && found == kNone; first += step) {
      const std::int64_t count = std::min(step, rows - first);
      found = check_part(tensor, codec, first, count);
      done_ += static_cast<std::uint64_t>(count) * row_bytes;
      progress_(std::min(done_, total_), total_);
    }
    return found;
  }

 private:
  std::int64_t check_part(const TensorView& tensor, const Codec& codec, std::int64_t first,
                          std::int64_t count) {
    constexpr std::int64_t kElementsWorthAThread = 1 << 14;
    const std::int64_t width = std::max<std::int64_t>(1, tensor.shape.last());
    std::atomic<std::int64_t> lowest{kNone};
    pool_.parallel_for(
        static_cast<std::size_t>(count),
        static_cast<std::size_t>(std::max<std::int64_t>(1, kElementsWorthAThread / width)),
        [&](std::size_t begin, std::size_t end, std::size_t worker) {
          const std::int64_t here =
              first_broken(tensor, codec, first + static_cast<std::int64_t>(begin),
                           first + static_cast<std::int64_t>(end), rows_[worker]);
          std::int64_t seen = lowest.load();
          while (here < seen && !lowest.compare_exchange_weak(seen, here)) {
          }
        });
    return lowest;
  }

  ThreadPool& pool_;
  const WeightProgress& progress_;
  std::uint64_t total_, done_ = 0;
  std::vector<std::vector<float>> rows_;  // a decoded row a worker
};

}  // namespace

Result<void> check_weights(const WeightFile& file, ThreadPool& pool,
                           const WeightProgress& progress) {
  WeightChecker checker(pool, progress, file.tensor_bytes());
  const NamedTensor* first = nullptr;
  std::int64_t element = kNone;
  std::size_t broken = 0;
  for (const NamedTensor& tensor : file.tensors()) {
    const Codec* codec = find_codec(tensor.view.dtype);
    if (codec == nullptr) continue;
    const std::int64_t found = checker.check(tensor.view, *codec);
    if (found == kNone) continue;
    if (broken++ > 0) continue;
    first = &tensor;
    element = found;
  }
  if (broken == 0) return {};
  const TensorView& view = first->view;
  auto error = fail(ErrorKind::kMalformed, "weights_not_finite",
                    "element {} of {} ({}, {}) is not a finite number{}", element,
                    view.shape.elements(), dtype_info(view.dtype).name, view.shape.to_string(),
                    broken == 1 ? ""
                                : fmt::format("; neither is all of {} more tensor{}", broken - 1,
                                              broken == 2 ? "" : "s"));
  return std::unexpected(
      std::move(error).error().in(first->name).with_hint("the file is damaged: fetch it again"));
}

}  // namespace bantam
