#include "train/linear_backward.h"

#include "kernels/product.h"
#include "kernels/rowwise.h"

namespace bantam {
namespace {

const float* floats_of(const TensorView& view) {
  CHECK(view.dtype == DType::kF32);
  return reinterpret_cast<const float*>(view.data);
}

// sum += Σ rows.
void add_rows(const BackwardContext& context, const FloatTensor& rows, float* sum) {
  for_each_column_stretch(
      context.pool, rows.shape.last(), [&](std::int64_t begin, std::int64_t count) {
        for (std::int64_t t = 0; t < rows.shape.rows(); ++t)
          context.kernels.add(sum + begin, rows.row(t) + begin, sum + begin, count);
      });
}

// dw += dyᵀ x.
void add_outer(const BackwardContext& context, const FloatTensor& dy, const FloatTensor& x,
               float* dw) {
  product(context.kernels, context.pool, context.scratch,
          {.a = transposed(matrix_of(dy)),
           .b = matrix_of(x),
           .c = dw,
           .c_stride = x.shape.last(),
           .rows = dy.shape.last(),
           .depth = x.shape.rows(),
           .columns = x.shape.last(),
           .add = true});
}

// dz = gain · dy. The gain is magnitude / length, and the length counts as a constant (Liu et al.,
// "DoRA", 2024, 4.3): the magnitude's gradient is Σ dy · z / length, z / length = (y - b) /
// magnitude.
FloatTensor through_gain(const BackwardContext& context, const Linear& layer, const FloatTensor& y,
                         const FloatTensor& dy) {
  const float* const gain = floats_of(layer.low_rank.gain);
  const std::int64_t outputs = dy.shape.last();
  if (float* const d_magnitude = context.parameters.gradient_of(layer.low_rank.magnitude)) {
    const float* const magnitude = floats_of(layer.low_rank.magnitude);
    const float* const bias = layer.bias.data == nullptr ? nullptr : floats_of(layer.bias);
    for_each_column_stretch(context.pool, outputs, [&](std::int64_t begin, std::int64_t count) {
      for (std::int64_t t = 0; t < dy.shape.rows(); ++t) {
        for (std::int64_t n = begin; n < begin + count; ++n) {
          if (magnitude[n] == 0) continue;  // a row of nothing, which stays so
          const float z = (y.row(t)[n] - (bias == nullptr ? 0.0F : bias[n])) / magnitude[n];
          d_magnitude[n] += dy.row(t)[n] * z;
        }
      }
    });
  }
  const FloatTensor dz = context.scratch.alloc_floats(dy.shape);
  for_each_row(context.pool, dy.shape.rows(), outputs, [&](std::int64_t t) {
    context.kernels.multiply(dy.row(t), gain, dz.row(t), outputs);
  });
  return dz;
}

void low_rank_backward(const BackwardContext& context, const FloatTensor& x,
                       const LowRank& low_rank, const FloatTensor& dz, const FloatTensor& dx) {
  const auto& [kernels, pool, scratch, parameters, mode] = context;
  const Shape inner{x.shape.rows(), low_rank.a.shape[0]};
  const auto scale = [&](const FloatTensor& rows) {
    kernels.scale(rows.data, low_rank.scale, rows.data, rows.shape.elements());
  };
  float* const da = parameters.gradient_of(low_rank.a);
  float* const db = parameters.gradient_of(low_rank.b);
  if (db != nullptr) {
    const FloatTensor u = scratch.alloc_floats(inner);
    const MatmulOutput output{.weight = low_rank.a, .out = u.data, .out_stride = inner.last()};
    matmul(kernels, pool, scratch, x, {&output, 1}, mode);
    scale(u);
    add_outer(context, dz, u, db);
  }
  if (da == nullptr && dx.data == nullptr) return;
  const FloatTensor du = scratch.alloc_floats(inner);
  std::ranges::fill(du.values(), 0.0F);
  product_packed(kernels, pool, scratch, dz, low_rank.b, du);
  scale(du);
  if (da != nullptr) add_outer(context, du, x, da);
  if (dx.data != nullptr) product_packed(kernels, pool, scratch, du, low_rank.a, dx);
}

}  // namespace

bool trains(const Parameters& parameters, const Linear& layer) {
  for (const TensorView* view : {&layer.weight, &layer.bias, &layer.low_rank.a, &layer.low_rank.b,
                                 &layer.low_rank.magnitude})
    if (parameters.gradient_of(*view) != nullptr) return true;
  return false;
}

void linear_backward(const BackwardContext& context, const FloatTensor& x, const Linear& layer,
                     const FloatTensor& y, const FloatTensor& dy, const FloatTensor& dx) {
  if (x.shape.rows() == 0) return;
  const Arena::Mark mark = context.scratch.mark();
  if (float* const d_bias = context.parameters.gradient_of(layer.bias))
    add_rows(context, dy, d_bias);
  FloatTensor dz = dy;
  if (layer.low_rank.gain.data != nullptr) dz = through_gain(context, layer, y, dy);
  if (float* const dw = context.parameters.gradient_of(layer.weight)) add_outer(context, dz, x, dw);
  if (dx.data != nullptr)
    product_packed(context.kernels, context.pool, context.scratch, dz, layer.weight, dx);
  if (layer.low_rank.present()) low_rank_backward(context, x, layer.low_rank, dz, dx);
  context.scratch.rewind(mark);
}

}  // namespace bantam
