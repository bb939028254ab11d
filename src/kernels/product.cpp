#include "kernels/product.h"

#include <algorithm>
#include <cstring>

#include "base/result.h"
#include "codec/codec.h"
#include "kernels/rowwise.h"

namespace bantam {
namespace {

// Rows of a packed weight that are decoded at a time.
constexpr std::int64_t kPanelRows = kProductDepth;

// Rows [row, …) and columns [column, …) of c, at most a block of them.
FloatProduct block_of(const FloatProduct& whole, std::int64_t row, std::int64_t rows,
                      std::int64_t column, std::int64_t columns) {
  FloatProduct block = whole;
  block.rows = std::min(rows, whole.rows - row);
  block.columns = std::min(columns, whole.columns - column);
  block.a.data += row * whole.a.row;
  block.b.data += column * whole.b.column;
  block.c += row * whole.c_stride + column;
  return block;
}

// A product of nothing is zero.
bool is_empty(const FloatProduct& product) {
  if (product.rows == 0 || product.columns == 0) return true;
  if (product.depth > 0) return false;
  for (std::int64_t r = 0; r < product.rows && !product.add; ++r)
    std::fill_n(product.c + r * product.c_stride, product.columns, 0.0F);
  return true;
}

std::int64_t pieces(std::int64_t whole, std::int64_t piece) { return (whole + piece - 1) / piece; }

// The whole in even parts of whole sixteens, at least so many and none above `most`.
std::int64_t part_of(std::int64_t whole, std::int64_t parts, std::int64_t most) {
  const std::int64_t even = pieces(whole, std::max(parts, pieces(whole, most)));
  return pieces(even, kProductPanelRows) * kProductPanelRows;
}

}  // namespace

void product_here(const KernelTable& kernels, const FloatProduct& product, float* scratch) {
  if (is_empty(product)) return;
  const std::int64_t rows = part_of(product.rows, 1, kProductRows);
  const std::int64_t columns = part_of(product.columns, 1, kProductColumns);
  for (std::int64_t row = 0; row < product.rows; row += rows)
    for (std::int64_t column = 0; column < product.columns; column += columns)
      kernels.multiply_block(block_of(product, row, rows, column, columns), scratch);
}

void product(const KernelTable& kernels, ThreadPool& pool, Arena& scratch,
             const FloatProduct& product) {
  if (is_empty(product)) return;
  const Arena::Mark mark = scratch.mark();
  float* const memory =
      scratch.alloc<float>(static_cast<std::size_t>(kProductScratchFloats) * pool.size());
  const std::int64_t rows = part_of(product.rows, 1, kProductRows);
  const std::int64_t bands = pieces(product.rows, rows);
  // Narrower blocks where there would be too few for every thread.
  const auto wanted = pool.size() == 1 ? 1 : static_cast<std::int64_t>(2 * pool.size());
  const std::int64_t columns = part_of(product.columns, pieces(wanted, bands), kProductColumns);
  const std::int64_t across = pieces(product.columns, columns);
  pool.parallel_for(
      static_cast<std::size_t>(bands * across), 1,
      [&](std::size_t begin, std::size_t end, std::size_t worker) {
        float* const mine = memory + static_cast<std::int64_t>(worker) * kProductScratchFloats;
        for (std::size_t i = begin; i < end; ++i) {
          const auto at = static_cast<std::int64_t>(i);
          kernels.multiply_block(
              block_of(product, at / across * rows, rows, at % across * columns, columns), mine);
        }
      });
  scratch.rewind(mark);
}

void product_packed(const KernelTable& kernels, ThreadPool& pool, Arena& scratch,
                    const FloatTensor& dy, const TensorView& weight, const FloatTensor& dx) {
  const std::int64_t outputs = weight.shape.rows(), inputs = weight.shape.last();
  CHECK(dy.shape.last() == outputs && dx.shape.last() == inputs &&
        dy.shape.rows() == dx.shape.rows());
  FloatProduct part{.a = matrix_of(dy),
                    .b = {.data = nullptr, .row = inputs},
                    .c = dx.data,
                    .c_stride = inputs,
                    .rows = dx.shape.rows(),
                    .columns = inputs,
                    .add = true};
  if (weight.dtype == DType::kF32) {
    part.b.data = reinterpret_cast<const float*>(weight.data);
    part.depth = outputs;
    product(kernels, pool, scratch, part);
    return;
  }
  const Codec* codec = find_codec(weight.dtype);
  CHECK(codec != nullptr, "no codec for {}", dtype_info(weight.dtype).name);
  const Arena::Mark mark = scratch.mark();
  float* const panel =
      scratch.alloc<float>(static_cast<std::size_t>(std::min(kPanelRows, outputs) * inputs));
  part.b.data = panel;
  for (std::int64_t row = 0; row < outputs; row += kPanelRows) {
    part.depth = std::min(kPanelRows, outputs - row);
    for_each_row(pool, part.depth, inputs, [&](std::int64_t r) {
      codec->decode(weight.row(row + r), {panel + r * inputs, static_cast<std::size_t>(inputs)});
    });
    part.a.data = dy.data + row;
    product(kernels, pool, scratch, part);
  }
  scratch.rewind(mark);
}

}  // namespace bantam
