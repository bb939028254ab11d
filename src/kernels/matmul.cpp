#include "kernels/matmul.h"

#include <algorithm>
#include <vector>

#include "base/result.h"
#include "codec/codec.h"
#include "kernels/dispatch.h"
#include "kernels/rowwise.h"

namespace bantam {
namespace {

// Work is shared out in panels of this many rows.
constexpr std::int64_t kUnitRows = kMostPanelRows;
// From how many tokens unpacking a panel pays; measured by bench/kernels_bench.
constexpr std::int64_t kWideFrom = 13;

const IntegerDot* find_integer_dot(const KernelTable& kernels, DType type) {
  const auto found = std::ranges::find(kernels.integer_dots, type, &IntegerDot::type);
  return found == kernels.integer_dots.end() ? nullptr : &*found;
}
FloatDotFunction find_float_dot(const KernelTable& kernels, DType type) {
  const auto found = std::ranges::find(kernels.float_dots, type, &FloatDot::type);
  return found == kernels.float_dots.end() ? nullptr : found->dot;
}

// How one output is computed: by integers, by floats, or decoded to floats first.
struct Job {
  const MatmulOutput* output;
  const IntegerDot* integer = nullptr;
  FloatDotFunction floats = nullptr;
  const Codec* codec = nullptr;  // null: the weight is read as it is
  std::int64_t first_unit = 0;   // of all jobs' units, this job's first
};

Job plan(const KernelTable& kernels, const MatmulOutput& output, MatmulMode mode) {
  const DType type = output.weight.dtype;
  Job job{.output = &output};
  if (mode == MatmulMode::kServing) job.integer = find_integer_dot(kernels, type);
  if (job.integer != nullptr) return job;
  job.floats = find_float_dot(kernels, type);
  if (job.floats != nullptr) return job;
  job.codec = find_codec(type);
  CHECK(job.codec != nullptr, "no codec for {}", dtype_info(type).name);
  job.floats = find_float_dot(kernels, DType::kF32);
  return job;
}

bool is_wide(std::int64_t tokens) { return tokens >= kWideFrom; }

PackedActivations pack(const KernelTable& kernels, ThreadPool& pool, Arena& scratch,
                       const FloatTensor& x) {
  const std::int64_t tokens = x.shape.rows(), width = x.shape.last();
  PackedActivations packed;
  packed.tokens = tokens;
  packed.groups = (width + 255) / 256;
  const auto groups = static_cast<std::size_t>(tokens * packed.groups);
  if (is_wide(tokens))
    packed.wide = scratch.alloc<ActivationBlock>(8 * groups);
  else
    packed.thin = scratch.alloc<ActivationGroup>(groups);
  for_each_row(pool, tokens, width,
               [&](std::int64_t t) { kernels.pack_row(x.row(t), width, t, packed); });
  return packed;
}

struct Workspace {
  const FloatTensor& x;
  const PackedActivations& packed;
  std::byte* unpacked;  // of this worker
  float* rows;          // of this worker: kUnitRows decoded rows
};

void multiply_by_row_scales(const IntegerDot& dot, const std::byte* first_row, const DotRows& rows,
                            std::int64_t tokens) {
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const float scale = dot.row_scale(first_row + r * rows.row_bytes);
    for (std::int64_t t = 0; t < tokens; ++t) rows.out[t * rows.out_stride + r] *= scale;
  }
}

// Rows [begin, end) of one output.
void run(const Job& job, std::int64_t begin, std::int64_t end, const Workspace& work) {
  const TensorView& weight = job.output->weight;
  DotRows rows{.weights = weight.row(begin),
               .row_bytes = static_cast<std::int64_t>(weight.bytes_per_row()),
               .rows = end - begin,
               .width = weight.shape.last(),
               .out = job.output->out + begin,
               .out_stride = job.output->out_stride};
  if (job.integer != nullptr) {
    rows.weights += dtype_info(weight.dtype).row_header_bytes;
    const bool wide = is_wide(work.packed.tokens);
    (wide ? job.integer->wide : job.integer->thin)(rows, work.packed, work.unpacked);
    if (job.integer->row_scale != nullptr)
      multiply_by_row_scales(*job.integer, weight.row(begin), rows, work.packed.tokens);
    return;
  }
  if (job.codec != nullptr) {
    const auto width = static_cast<std::size_t>(rows.width);
    for (std::int64_t r = begin; r < end; ++r)
      job.codec->decode(weight.row(r), {work.rows + (r - begin) * rows.width, width});
    rows.weights = reinterpret_cast<const std::byte*>(work.rows);
    rows.row_bytes = rows.width * static_cast<std::int64_t>(sizeof(float));
  }
  job.floats(rows, work.x.data, work.x.shape.rows());
}

std::int64_t units_of(const MatmulOutput& output) {
  return (output.weight.shape.rows() + kUnitRows - 1) / kUnitRows;
}

void check(const FloatTensor& x, const MatmulOutput& output) {
  CHECK(output.weight.shape.last() == x.shape.last(), "weight {} times activations {}",
        output.weight.shape.to_string(), x.shape.to_string());
  CHECK(output.out_stride >= output.weight.shape.rows());
}

}  // namespace

bool has_integer_dot(DType type) {
  // Every table has the same ones; a test holds them to it.
  return find_integer_dot(internal::kScalarKernels, type) != nullptr;
}

bool has_kernel(DType type) {
  return has_integer_dot(type) || find_float_dot(internal::kScalarKernels, type) != nullptr;
}

void matmul(const KernelTable& kernels, ThreadPool& pool, Arena& scratch, FloatTensor x,
            std::span<const MatmulOutput> outputs, MatmulMode mode) {
  if (x.shape.rows() == 0) return;
  std::vector<Job> jobs;
  std::int64_t units = 0;
  bool integers = false, decoded = false;
  for (const MatmulOutput& output : outputs) {
    check(x, output);
    jobs.push_back(plan(kernels, output, mode));
    jobs.back().first_unit = units;
    units += units_of(output);
    integers = integers || jobs.back().integer != nullptr;
    decoded = decoded || jobs.back().codec != nullptr;
  }
  const PackedActivations packed = integers ? pack(kernels, pool, scratch, x) : PackedActivations{};
  const std::size_t unpacked_bytes = is_wide(packed.tokens) ? wide_scratch_bytes(packed.groups)
                                                            : thin_scratch_bytes(packed.groups);
  const std::size_t row_floats = decoded ? static_cast<std::size_t>(kUnitRows * x.shape.last()) : 0;
  std::byte* unpacked = scratch.alloc<std::byte>(unpacked_bytes * pool.size());
  float* rows = scratch.alloc<float>(row_floats * pool.size());

  pool.parallel_for(static_cast<std::size_t>(units), 1,
                    [&](std::size_t begin, std::size_t end, std::size_t worker) {
                      const Workspace work{x, packed, unpacked + worker * unpacked_bytes,
                                           rows + worker * row_floats};
                      for (const Job& job : jobs) {
                        const std::int64_t last = job.first_unit + units_of(*job.output);
                        auto unit = std::max(static_cast<std::int64_t>(begin), job.first_unit);
                        for (; unit < std::min(static_cast<std::int64_t>(end), last); ++unit) {
                          const std::int64_t row = (unit - job.first_unit) * kUnitRows;
                          run(job, row, std::min(row + kUnitRows, job.output->weight.shape.rows()),
                              work);
                        }
                      }
                    });
}

}  // namespace bantam
