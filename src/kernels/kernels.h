// The functions of one instruction set, and the choice among them.
//
// Laws. Every output element is reduced in one fixed order, which depends neither on how many
// tokens, rows or sequences are computed in the same call, nor on the thread count, nor on the
// instruction set: all tables give the same bits. Float sums run over sixteen lanes (element i
// belongs to lane i % 16, each lane is a chain of fused multiply-adds in order of i) that are added
// in halves: lane l with l + 8, then + 4, + 2, + 1. (Attention and the products of training have
// orders of their own: attention.h, product.h.) Integer sums are exact. exp, tanh and the rest
// are our own polynomials made of the same fused operations. (The sign and payload of a NaN are
// not part of the promise; that there is one, is.)
//
// Code that computes calls matmul.h, rowwise.h and attention.h; only those look into the table.
// A table is immutable and lives for ever; any thread may use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/peaks.h"
#include "tensor/dtype.h"

namespace bantam {

// Rows of activations as signed bytes, (T, 256 * groups): each row is padded with zeros to whole
// groups of 256 elements. For every 32 elements b of a row, with a = max |x|:
//   scales[b] = a / 127, quants = round(x * (127 / a)) in [-127, 127], ties to even;
// all zero where a < 2^-100; where a is infinite or NaN, scales[b] is NaN and the quants are zero.
// |x - scales[b] * quant| <= (a / 254) * (1 + 2^-15).
//
// The same numbers come in two forms, each in its product's order of use; one call uses one.
// A lane of a group is one of its eight blocks of 32; kBlockOrder says which.
inline constexpr int kBlockOrder[8] = {0, 2, 4, 6, 1, 3, 5, 7};
struct ActivationGroup {      // of 256, for the thin products
  std::int8_t quants[8][32];  // elements 4 k to 4 k + 3 of each lane's block at [k]
  float scales[8];
  float scaled_sums[8];            // scale * sum of the quants
  std::int32_t offset_sum[8];      // -128 * sum of the quants
  std::int32_t offset_sums[2][8];  // likewise, of the blocks' first and second halves
};
struct ActivationBlock {  // of 32, for the wide products; the same members
  std::int8_t quants[32];
  float scale;
  float scaled_sum;
  std::int32_t offset_sum;
  std::int32_t offset_sums[2];
};
struct PackedActivations {
  std::int64_t tokens = 0;          // T
  std::int64_t groups = 0;          // of 256 elements a row
  ActivationGroup* thin = nullptr;  // (T, groups)
  ActivationBlock* wide = nullptr;  // (8, T, groups): block 8 * g + b of token t at [b][t][g]
};

// Packed weight rows of one dtype, all of `width` elements, and where their products go:
// out[t * out_stride + r] for row r and token t. `weights` is the first block of the first row; a
// header that rows may have lies before it.
struct DotRows {
  const std::byte* weights = nullptr;
  std::int64_t row_bytes = 0;  // from one row to the next
  std::int64_t rows = 0;
  std::int64_t width = 0;
  float* out = nullptr;
  std::int64_t out_stride = 0;  // floats
};

// Products of packed rows with packed activations. Per 32 elements b there is an exact integer
// S_b (integer sub-scales included) and a float scale w_b, and where the format has minimums a
// float m_b; with x_b the scale of the activations:
//   acc[b % 8] = fma(float(S_b), w_b * x_b, acc[b % 8]), then fma(m_b, scaled_sum_b, same);
// the eight sums are added in halves as above. `scratch` has thin_scratch_bytes or
// wide_scratch_bytes of the groups.
// (NVFP4 has floats where others have integer sub-scales; its S_b is their exact sum, rounded
// once.)
using IntegerDotFunction = void (*)(const DotRows& rows, const PackedActivations& x,
                                    std::byte* scratch);
// Products of packed rows with floats; x is (tokens, width).
using FloatDotFunction = void (*)(const DotRows& rows, const float* x, std::int64_t tokens);

struct IntegerDot {
  DType type;
  IntegerDotFunction thin;  // streams the rows once per few tokens
  IntegerDotFunction wide;  // unpacks panels of rows, for many tokens; the same bits
  // Where rows begin with a scale: reads it. The caller multiplies the products by it. Else null.
  float (*row_scale)(const std::byte* row);
};
struct FloatDot {
  DType type;
  FloatDotFunction dot;
};

// Activation functions of the gated and plain feed-forward. Errors for every finite input: silu
// 4 ulp (and 2^-142, where it underflows); gelu and gelu_tanh 4 ulp of max(|x|, 2^-10).
enum class Activation : std::uint8_t { kSilu, kGelu, kGeluTanh, kRelu };
inline constexpr std::size_t kActivations = 4;

// A type that keys and values can be kept as: how one KV head's part of a block (attention.h) is
// written, a position at a time, and unpacked to floats. `next` is the part that will be unpacked
// after this one.
struct KvFormat {
  DType type;
  void (*pack_key)(const float* row, std::int64_t width, std::int64_t slot, std::byte* part);
  void (*pack_value)(const float* row, std::int64_t width, std::int64_t slot, std::byte* part);
  void (*unpack_keys)(const std::byte* part, const std::byte* next, std::int64_t width,
                      float* tile);
  void (*unpack_values)(const std::byte* part, const std::byte* next, std::int64_t width,
                        float* tile);
};

// Some queries, a KV head and some positions, as attention.h hands them to the table.
struct AttentionSpan;
// A block of a product, as product.h hands it to the table.
struct FloatProduct;
struct AdamwStep;  // gradients.h

struct KernelTable {
  std::string_view name;  // "avx512vnni": what BANTAM_ISA takes

  // --- matmul.h
  std::span<const IntegerDot> integer_dots;
  std::span<const FloatDot> float_dots;  // F32, F16, BF16, F8
  // Packs token row t (of `width` floats) of `to`, in whichever form it has.
  void (*pack_row)(const float* x, std::int64_t width, std::int64_t t, const PackedActivations& to);

  // --- rowwise.h says what they compute. n counts floats; out may be an input.
  void (*rms_norm)(const float* x, const float* weight, float epsilon, float* out, std::int64_t n);
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float epsilon,
                     float* out, std::int64_t n);
  void (*softmax)(float* x, std::int64_t n);
  void (*rope_interleaved)(float* head, const float* cos, const float* sin, std::int64_t pairs);
  void (*rope_half)(float* head, const float* cos, const float* sin, std::int64_t pairs);
  void (*activate[kActivations])(const float* x, float* out, std::int64_t n);
  void (*gated[kActivations])(const float* gate, const float* up, float* out, std::int64_t n);
  void (*add)(const float* a, const float* b, float* out, std::int64_t n);
  void (*multiply)(const float* a, const float* b, float* out, std::int64_t n);
  void (*rotate)(float* x, std::int64_t n);
  void (*scale)(const float* x, float factor, float* out, std::int64_t n);
  void (*add_scaled)(const float* x, float factor, float* inout, std::int64_t n);
  void (*soft_cap)(const float* x, float cap, float* out, std::int64_t n);
  void (*exponential)(const float* x, float* out, std::int64_t n);
  double (*log_sum_exp)(const float* x, std::int64_t n);
  std::int64_t (*argmax)(const float* x, std::int64_t n);
  void (*to_f16)(const float* x, std::uint16_t* out, std::int64_t n);
  void (*from_f16)(const std::uint16_t* x, float* out, std::int64_t n);
  void (*to_bf16)(const float* x, std::uint16_t* out, std::int64_t n);
  void (*from_bf16)(const std::uint16_t* x, float* out, std::int64_t n);

  // --- attention.h
  std::span<const KvFormat> kv_formats;
  void (*attend)(const AttentionSpan& span, float* scratch);
  void (*merge)(const AttentionSpan& span, float* scratch);

  // --- product.h
  void (*multiply_block)(const FloatProduct& block, float* scratch);

  // --- gradients.h says what they compute. n counts floats.
  float (*rms_norm_backward)(const float* x, const float* weight, float epsilon, const float* dy,
                             float* dx, std::int64_t n);
  void (*add_product)(const float* a, const float* b, float factor, float* inout, std::int64_t n);
  float (*dot)(const float* a, const float* b, std::int64_t n);
  void (*activate_backward[kActivations])(const float* x, const float* dy, float* dx,
                                          std::int64_t n);
  void (*gated_backward[kActivations])(const float* gate, const float* up, const float* dy,
                                       float* d_gate, float* d_up, std::int64_t n);
  void (*softmax_backward)(const float* p, float factor, float* dp, std::int64_t n);
  void (*exponential_shifted)(float* x, float shift, float factor, std::int64_t n);
  void (*adamw)(const AdamwStep& step, const float* gradients, float* first, float* second,
                float* values, std::int64_t n);

  // --- peaks.h
  PeakLoops peaks;
};

// Scratch of one thread for an IntegerDot, 64-byte aligned. Thin: two unpacked rows. Wide: a panel
// of rows, and sums on their way through its eight lanes.
inline constexpr std::int64_t kMostPanelRows = 32, kWideChunkTokens = 96;
inline constexpr std::size_t kMostPanelBlockBytes = kMostPanelRows * (32 + 6 * sizeof(float));
inline constexpr std::size_t kMostPairGroupBytes = 2 * (256 + 8 * 6 * sizeof(float));
constexpr std::size_t thin_scratch_bytes(std::int64_t groups) {
  return static_cast<std::size_t>(groups) * kMostPairGroupBytes;
}
constexpr std::size_t wide_scratch_bytes(std::int64_t groups) {
  return static_cast<std::size_t>(groups) * 8 * kMostPanelBlockBytes +
         3 * kWideChunkTokens * kMostPanelRows * sizeof(float);
}

// The table of that name, or the best one that this machine can run if the name is empty.
// kConfiguration "isa_unknown" for a name that is none, "isa_unsupported" for one that this
// machine cannot run; both list what there is. The command line passes the environment variable
// BANTAM_ISA (see isa_from_environment) and logs the name.
Result<const KernelTable*> choose_kernels(std::string_view override_name);

// The value of BANTAM_ISA, empty if it is not set.
std::string_view isa_from_environment();

// Names of the tables that this machine can run, best first; never empty ("scalar" is always
// there).
std::vector<std::string_view> available_isas();

}  // namespace bantam
